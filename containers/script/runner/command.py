"""Runs one command: its errors are shown and kept, SIGTERM is passed on, its end is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_KEPT_BYTES = 16 << 10
_PATIENCE_SECONDS = 1.0
"""For the last errors of a program whose children outlive it and keep the pipe open."""


class Ended(NamedTuple):
    """`code` is 128 + N for signal N; `errors` is the end of what went to stderr; `stopped` tells
    that we were asked to stop meanwhile."""

    code: int
    errors: str
    stopped: bool


def run(command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> Ended:
    """Run a command to its end.

    The command leads a process group of its own; SIGTERM to us goes to that group, once.
    Raises OSError when it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        if process is not None:
            _terminate(process.pid)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        if stopping:
            _terminate(process.pid)
        assert process.stderr is not None
        kept = bytearray()
        copying = threading.Thread(target=_copy, args=(process.stderr, kept), daemon=True)
        copying.start()
        code = process.wait()
        copying.join(_PATIENCE_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, before)
    errors = bytes(kept).decode("utf-8", "replace")
    return Ended(code if code >= 0 else 128 - code, errors, stopping)


def _terminate(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)


def _copy(errors: IO[bytes], kept: bytearray) -> None:
    while chunk := os.read(errors.fileno(), 1 << 16):
        kept += chunk
        del kept[:-_KEPT_BYTES]
        while chunk:
            chunk = chunk[os.write(2, chunk) :]
