"""What requirements.txt asks for: installed once, then shared by all jobs that ask the same.

An environment is known by the interpreter, the packages that are there already, the text of
requirements.txt and pip's settings. It is built in its place under a lock, and counts only once
its marker is written, so that a build that dies is begun anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner import interpreter
from runner.command import run
from runner.failures import failed_command

_FILE = "requirements.txt"
_MARKER = "complete"
_LOCAL = re.compile(r"(-[rce]|--requirement|--constraint|--editable|[./]|file:)|.*@ file:")


def environment_of(text: bytes, environments: Path, site_packages: Sequence[str]) -> Path:
    """The directory of an environment with what `text` asks for, which refers to no file of the
    code. Raises UserError with pip's last lines."""
    environments.mkdir(parents=True, exist_ok=True)
    directory = environments / _key(text, site_packages)
    marker = directory / _MARKER
    with _locked(directory.with_suffix(".lock")):
        if not marker.exists():
            shutil.rmtree(directory, ignore_errors=True)
            programs = interpreter.make(directory, site_packages)
            (directory / _FILE).write_bytes(text)
            install(programs, ["-r", _FILE], directory)
        marker.touch()
    return directory


def install(programs: Path, what: Sequence[str], directory: Path) -> None:
    """pip install by the interpreter whose programs lie in `programs`; pip compiles what it
    installs. Raises UserError."""
    command = ["python", "-m", "pip", "install", *what]
    print(f"Running: {' '.join(command)}", flush=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = run([str(programs / "python"), *command[1:]], directory, variables)
    if ended.code:
        raise failed_command("InstallRequirementsError", ended, command)


def refers_to_code(text: bytes) -> bool:
    """Whether requirements name files beside them, which another job may have otherwise."""
    lines = (
        line.partition(" #")[0].strip() for line in text.decode("utf-8", "replace").split("\n")
    )
    wanted = [line for line in lines if line and not line.startswith("#")]
    return any(_LOCAL.match(line) or ("/" in line and "://" not in line) for line in wanted)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for packages that another training job installs", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(text: bytes, site_packages: Sequence[str]) -> str:
    present = sorted(
        path.name
        for place in map(Path, site_packages)
        if place.is_dir()
        for path in place.iterdir()
        if path.suffix in (".dist-info", ".egg-info")
    )
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    python = [sys.version, str(interpreter.EXECUTABLE), list(site_packages)]
    content = json.dumps([python, present, settings], sort_keys=True)
    return hashlib.sha256(content.encode() + text).hexdigest()[:32]
