"""`tuner images build`, with a real engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.conformance.backends.docker_stage import BASE, build, client
from tests.owner.bundled_images import BUILD_SECONDS, built
from tests.owner.homes import environment, owned, owner_pid, until

pytestmark = pytest.mark.timeout(BUILD_SECONDS)


def failing_base(seconds: int) -> str:
    """What is built from it waits, and then fails, so that no image comes of it."""
    return build(f"FROM {BASE}\nONBUILD RUN sleep {seconds}; echo the last words; exit 7\n")


def test_an_image_is_built_step_by_step_and_told_of(tuner: CommandLine) -> None:
    built("xgboost")
    done = tuner("images", "build", "xgboost")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"building amtlocal/xgboost from {BASE}"
    assert lines[1].split("/")[0] == "  1"
    assert lines[-1].startswith("built amtlocal/xgboost in ")
    state = next(item for item in tuner.json("images")["Containers"] if item["Name"] == "xgboost")
    assert (state["Image"], state["Status"]) == ("amtlocal/xgboost", "Built")
    assert f"amtlocal/xgboost: built from {BASE} on " in tuner("images").stdout
    labels = client().images.get("amtlocal/xgboost").labels
    assert labels["amtlocal.container"] == "xgboost"


def test_a_step_that_fails_is_told_with_its_last_lines(tuner: CommandLine) -> None:
    done = tuner("images", "build", "xgboost", "--base", failing_base(0))
    assert done.returncode == 1
    assert "  | the last words" in done.stderr
    assert "tuner: amtlocal/xgboost was not built: " in done.stderr
    assert "returned a non-zero code: 7" in done.stderr


def test_a_build_goes_on_when_the_command_is_interrupted_and_can_be_followed_again(
    tuner: CommandLine,
) -> None:
    slow_base = failing_base(10)
    first = tuner.start("images", "build", "script", "--base", slow_base)
    assert first.stdout is not None
    assert first.stdout.readline().startswith("building amtlocal/script")
    first.stdout.readline()
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "the build of amtlocal/script goes on" in errors
    assert f"amtlocal/script: being built from {slow_base}" in tuner("images").stdout
    other = tuner("images", "build", "script")
    assert other.returncode == 1
    assert f"amtlocal/script is being built from {slow_base}: wait for its end" in other.stderr
    again = tuner("images", "build", "script", "--base", slow_base)
    assert again.returncode == 1
    assert "  1/" in again.stdout
    assert "  | the last words" in again.stderr


def test_a_build_ends_with_the_background_process(tmp_path: Path) -> None:
    base = failing_base(60)
    with owned(tmp_path / "home") as home:
        command = CommandLine(home, tmp_path, environment(home, home)).start
        following = command("images", "build", "xgboost", "--base", base)
        until(lambda: bool(sleeping(60)))
        os.kill(owner_pid(home), signal.SIGKILL)
        _, errors = following.communicate(timeout=30)
        assert "The background process ended, and with it the build of" in errors
        until(lambda: not sleeping(60))


def sleeping(seconds: int) -> list[object]:
    """The containers that a failing base waits in."""
    running = client().containers.list(ignore_removed=True)
    return [item for item in running if f"sleep {seconds};" in str(item.attrs["Args"])]


def test_a_base_that_is_nowhere_is_refused_in_a_sentence(tuner: CommandLine) -> None:
    client()
    done = tuner("images", "build", "xgboost", "--base", "localhost:1/no/such:base")
    assert done.returncode == 1
    assert (
        "The base image localhost:1/no/such:base is not here and cannot be pulled" in done.stderr
    )
    assert "--base" in done.stderr


def test_a_container_that_nobody_knows_is_refused(tuner: CommandLine) -> None:
    done = tuner("images", "build", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'nonsense' is not one of script, xgboost." in done.stderr


def test_without_an_engine_the_reason_is_told(tmp_path: Path) -> None:
    with owned(tmp_path / "home") as home:
        environ = environment(home, home) | {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
        tuner = CommandLine(home, tmp_path, environ)
        assert "no engine to build it: the Docker engine" in tuner("images").stdout
        done = tuner("images", "build", "xgboost")
    assert done.returncode == 1
    assert "amtlocal/xgboost was not built: the Docker engine at unix:///nowhere" in done.stderr
