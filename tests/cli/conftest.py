"""A home that the tests of the command line share, and the command as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.owner.homes import (
    environment,
    owned,
    owner_pid,
    specification,
    until,
    write_program,
)

COMMAND = [sys.executable, "-c", "from tuner.cli import main; main()"]


@dataclass(frozen=True)
class CommandLine:
    """`tuner` on one home; `directory` is a place for specs and data."""

    home: Path
    directory: Path
    environ: Mapping[str, str]

    def __call__(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env={**self.environ, **more},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self.environ,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: object) -> Any:
        done = self(*arguments, "--json")
        assert done.stderr == ""
        return json.loads(done.stdout)

    def spec(self, name: str, jobs: int = 2, parallel: int = 1, **static: str) -> Path:
        return self.write(name, specification(name, jobs, parallel, **static))

    def write(self, name: str, document: object) -> Path:
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(document, indent=2))
        return path


def opens(url: str) -> bool:
    """Whether somebody listens at a URL."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def replace_owner(home: Path, url: str) -> None:
    """Kill the owner of a home and wait until another one serves the URL."""
    killed = owner_pid(home)
    os.kill(killed, signal.SIGKILL)
    # a killed process may listen until the last of its threads is gone; its lock tells
    until(lambda: (home / "owner.lock").read_text().strip() not in ("", str(killed)))
    until(lambda: opens(url))


@pytest.fixture(scope="session")
def tuner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    program = write_program(tmp_path_factory.mktemp("program"))
    directory = tmp_path_factory.mktemp("place")
    with owned(directory / "home") as home:
        yield CommandLine(home, directory, environment(home, program) | {"PYTHONUNBUFFERED": "1"})


@pytest.fixture(scope="session")
def done(tuner: CommandLine) -> str:
    """The name of a tuning job that completed with four training jobs."""
    ended = tuner("run", tuner.spec("done", jobs=4, parallel=2))
    assert ended.returncode == 0, ended.stderr
    return "done"
