"""The commands and their options; what they do is in the modules they import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tuner.client import Client

_JSON = click.option("as_json", "--json", is_flag=True, help="Print one JSON document.")
_NAME = click.argument("name")
_SPEC = click.argument("spec", metavar="SPEC.json", type=click.Path(dir_okay=False))


def _client() -> Client:
    from tuner.client import Client
    from tuner.settings import Settings

    home = click.get_current_context().find_root().params["home"]
    return Client(Settings.from_environment(os.environ | ({"TUNER_HOME": home} if home else {})))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(), help="Where everything is kept. [TUNER_HOME]")
@click.version_option(package_name="amtlocal", message="amtlocal %(version)s")
def tuner(home: str | None) -> None:
    """Run SageMaker tuning jobs on this machine.

    Jobs run in the background and go on when a command ends.
    """


@tuner.command()
@_SPEC
@click.option("--name", help="Name of the job, instead of the one in the spec.")
@_JSON
def run(spec: str, name: str | None, as_json: bool) -> int:
    """Create a tuning job and follow it to its end.

    SPEC.json is a CreateHyperParameterTuningJob request. When its name is taken, -2, -3, ... is
    added to it. Exit status: 0 Completed, 1 Failed, 2 faulty spec, 3 Stopped, 130 interrupted
    (the job goes on).
    """
    from tuner.cli.running import run

    return run(_client(), spec, name, as_json)


@tuner.command()
@_SPEC
@click.option("--name", help="Name of the job, instead of the one in the spec.")
@_JSON
def create(spec: str, name: str | None, as_json: bool) -> None:
    """Create a tuning job and return."""
    from tuner.cli.running import create

    create(_client(), spec, name, as_json)


@tuner.command()
@_NAME
@_JSON
def wait(name: str, as_json: bool) -> int:
    """Follow a job to its end; exit status as of run."""
    from tuner.cli.running import wait

    return wait(_client(), name, as_json)


@tuner.command("list")
@_JSON
def list_jobs(as_json: bool) -> None:
    """List the tuning jobs, newest first."""
    from tuner.cli.looking import list_jobs

    list_jobs(_client(), as_json)


@tuner.command()
@_NAME
@_JSON
def describe(name: str, as_json: bool) -> None:
    """Show a tuning job or a training job."""
    from tuner.cli.looking import describe

    describe(_client(), name, as_json)


@tuner.command()
@_NAME
@click.option(
    "--sort",
    type=click.Choice(["objective", "name", "created"]),
    default="created",
    show_default=True,
    help="objective: best first; created: oldest first.",
)
@click.option("--status", help="Only those with this TrainingJobStatus, such as Failed.")
@_JSON
def jobs(name: str, sort: str, status: str | None, as_json: bool) -> None:
    """List the training jobs of a tuning job."""
    from tuner.cli.looking import jobs

    jobs(_client(), name, sort, status, as_json)


@tuner.command()
@_NAME
@_JSON
def best(name: str, as_json: bool) -> None:
    """Show the best training job of a tuning job and where its model is."""
    from tuner.cli.looking import best

    best(_client(), name, as_json)


@tuner.command()
@_NAME
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--host", help="Only this instance, such as algo-1.")
def logs(name: str, follow: bool, host: str | None) -> None:
    """Print what a training job, or all of a tuning job, printed."""
    from tuner.cli.logs import logs

    logs(_client(), name, follow, host)


@tuner.command()
@_NAME
def stop(name: str) -> None:
    """Stop a tuning job or a training job.

    Its programs get SIGTERM, and SIGKILL after 120 seconds; models are still collected.
    """
    from tuner.cli.running import stop

    stop(_client(), name)


@tuner.command()
@_NAME
def delete(name: str) -> None:
    """Forget a tuning job or a training job that has ended."""
    from tuner.cli.running import delete

    delete(_client(), name)


@tuner.command()
@_JSON
def doctor(as_json: bool) -> int:
    """Say what this machine can do, and what to install for the rest."""
    from tuner.cli.doctor import doctor

    return doctor(_client(), as_json)
