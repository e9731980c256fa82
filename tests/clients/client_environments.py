"""The clients, each in an environment of its own, and a `tuner serve` for their programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.testing.end import end_home

PROGRAMS = Path(__file__).parent / "programs"
TUNER = Path(sys.executable).with_name("tuner")
REGION = "us-west-2"
DIRECTORIES = {
    "boto3-client": "boto3",
    "awscli": "awscli",
    "sdk-v2": "sdk-v2",
    "sdk-v3": "sdk-v3",
}
"""Part, as --require has it, to the directory that .ci/clients makes."""

_CHECKOUT = Path(__file__).parents[2]
_OURS = ("TUNER_", "AWS_", "SAGEMAKER_", "PYTHON", "VIRTUAL_ENV")
_START_SECONDS = 30
_END_SECONDS = 30


def binaries(part: str) -> Path:
    """The bin directory of a client's environment; skips where it was not made."""
    directory = os.environ.get("TUNER_TEST_CLIENTS") or _CHECKOUT / ".clients"
    environment = Path(directory) / DIRECTORIES[part]
    if not (environment / "requirements").is_file():
        pytest.skip(f"needs {part}: run .ci/clients .clients")
    return environment.absolute() / "bin"


@dataclass(frozen=True)
class Serving:
    """A home that `tuner serve` serves, and the environment of the shell it was typed in."""

    home: Path
    shell: Mapping[str, str]

    def variables(self) -> dict[str, str]:
        """The shell's environment after `eval "$(tuner env)"`."""
        printed = subprocess.run(
            [TUNER, "env", "--json"],
            env=self.shell,
            stdout=subprocess.PIPE,
            check=True,
            timeout=_START_SECONDS,
        ).stdout
        found: dict[str, str | None] = json.loads(printed)
        kept = {name: value for name, value in self.shell.items() if name not in found}
        return kept | {name: value for name, value in found.items() if value is not None}


@contextmanager
def serving(directory: Path) -> Iterator[Serving]:
    """Until the end; then nothing of it is left."""
    home, log = directory / "home", directory / "serve.log"
    shell = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    shell |= {
        "TUNER_HOME": str(home),
        "TUNER_IDLE_SECONDS": "5",
        "TUNER_BACKEND": "process",  # whatever images this machine's engine has
        "AWS_REGION": REGION,
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [TUNER, "serve", "--port", "0"], env=shell, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while "serving http://" not in log.read_text():
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Serving(home, shell)
        assert server.poll() is None, log.read_text()
    finally:
        server.terminate()
        try:
            server.wait(timeout=_END_SECONDS)
        finally:
            end_home(home)


def run(command: Sequence[str | Path], environ: Mapping[str, str], cwd: Path, limit: int) -> str:
    """What the program printed, on both streams; it must end with 0 within `limit` seconds."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if late.stdout else ""
        pytest.fail(f"not done after {limit} s; it said:\n{said}", pytrace=False)
    if done.returncode:
        pytest.fail(f"exit status {done.returncode}; it said:\n{done.stdout}", pytrace=False)
    return done.stdout
