"""The commands and their options; what they do is in the modules they import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tuner.exec import PORT

if TYPE_CHECKING:
    from tuner.client import Client

_JSON = click.option("as_json", "--json", is_flag=True, help="Print one JSON document.")
_NAME = click.argument("name")
_SPEC = click.argument("spec", metavar="SPEC.json", type=click.Path(dir_okay=False))


def _image_map(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> str:
    """What to add to TUNER_IMAGE_MAP."""
    for pair in pairs:
        image, equals, local = pair.partition("=")
        if not (image.strip() and equals and local.strip()) or "," in pair:
            raise click.BadParameter(f"{pair!r} is not IMAGE=LOCAL, both without a comma.")
    return ",".join(pairs)


_IMAGE_MAP = click.option(
    "--image-map",
    metavar="IMAGE=LOCAL",
    multiple=True,
    callback=_image_map,
    help="A training image and what runs for it: a directory with a container.json or an "
    "executable train, or an executable file. Repeatable; added to TUNER_IMAGE_MAP.",
)


def _home_option() -> str | None:
    home: str | None = click.get_current_context().find_root().params["home"]
    return home


def _client(image_map: str = "") -> Client:
    from tuner.client import Client
    from tuner.settings import Settings

    environ = dict(os.environ)
    if home := _home_option():
        environ["TUNER_HOME"] = home
    if image_map:
        environ["TUNER_IMAGE_MAP"] = f"{environ.get('TUNER_IMAGE_MAP', '')},{image_map}"
    return Client(Settings.from_environment(environ))


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
@_IMAGE_MAP
@_JSON
def run(spec: str, name: str | None, image_map: str, as_json: bool) -> int:
    """Create a tuning job and follow it to its end.

    SPEC.json is a CreateHyperParameterTuningJob request. When its name is taken, -2, -3, ... is
    added to it. Exit status: 0 Completed, 1 Failed, 2 faulty spec, 3 Stopped, 130 interrupted
    (the job goes on).
    """
    from tuner.cli.running import run

    return run(_client(image_map), spec, name, as_json)


@tuner.command()
@_SPEC
@click.option("--name", help="Name of the job, instead of the one in the spec.")
@_IMAGE_MAP
@_JSON
def create(spec: str, name: str | None, image_map: str, as_json: bool) -> None:
    """Create a tuning job and return."""
    from tuner.cli.running import create

    create(_client(image_map), spec, name, as_json)


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
def interrupt(name: str) -> None:
    """Take the instances of a training job away, as AWS does with spot instances.

    For jobs with EnableManagedSpotTraining that are Training. The program gets SIGTERM, and
    SIGKILL after 120 seconds; the job starts again with its checkpoints.
    """
    from tuner.cli.running import interrupt

    interrupt(_client(), name)


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


@tuner.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve; one that other machines reach needs --auth.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="0 is any that is free.",
)
@click.option(
    "--auth", is_flag=True, help="Serve only requests signed with the keys that tuner env prints."
)
@_IMAGE_MAP
def serve(host: str, port: int, auth: bool, image_map: str) -> None:
    """Serve this home to programs written for AWS.

    Prints the URL, then each request, until it is interrupted; running jobs go on. Exit status:
    0 stopped, 1 the port cannot be served.
    """
    from tuner.cli.serve import serve
    from tuner.exec.lease import Address

    address = Address(host=host, port=port, authenticate=auth)
    serve(_client(image_map), address, _home_option())


@tuner.command()
@click.option("--json", "as_json", is_flag=True, help="Print one object; null: to be unset.")
@click.option("--unset", is_flag=True, help="Print what makes the shell use AWS itself again.")
def env(as_json: bool, unset: bool) -> None:
    """Print what a shell needs to use this home instead of AWS.

    For use as: eval "$(tuner env)". The region is that of AWS_REGION, AWS_DEFAULT_REGION or the
    profile in use, else us-east-1.
    """
    from tuner.cli.env import env

    env(_client(), as_json, unset)


@tuner.command("exec", context_settings={"allow_interspersed_args": False})
@click.argument("command", metavar="PROGRAM [ARGS]...", nargs=-1, required=True)
def execute(command: tuple[str, ...]) -> int:
    """Run a program that uses this home instead of AWS.

    It gets what tuner env prints, and STS besides, whose address both SageMaker SDKs hard-code.
    Where nothing serves, a port is opened for as long as it runs. Exit status: the program's,
    128 + n for signal n; 127 not found, 126 not executable.
    """
    from tuner.cli.execute import execute

    return execute(_client(), command)


@tuner.group(invoke_without_command=True)
@_IMAGE_MAP
@_JSON
@click.pass_context
def images(context: click.Context, image_map: str, as_json: bool) -> None:
    """List the training images that run here, and the program of each."""
    if context.invoked_subcommand is None:
        from tuner.cli.images import images

        images(_client(image_map), as_json)


@images.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--base",
    metavar="IMAGE",
    help="What to build on: it has Python and pip, and Debian's apt for script. [python:X.Y-slim "
    "of this Python's version]",
)
def build(names: tuple[str, ...], base: str | None) -> int:
    """Build the Docker images of the bundled containers, or of all.

    With the versions of packages that this Python has. From then on training jobs whose images
    they stand for run in them. Exit status: 0 built, 1 failed, 2 no such NAME, 130 interrupted
    (the build goes on).
    """
    from tuner.cli.images import build

    return build(_client(), names, base)
