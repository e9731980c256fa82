"""Runs one command: its output is shown by lines and its errors are kept, SIGTERM is passed on,
its end is told."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_KEPT_BYTES = 16 << 10
_HELD_BYTES = 256 << 10
"""Of a line that does not end, as much as the log takes of one."""
_PATIENCE_SECONDS = 1.0
"""For the last words of a program whose children outlive it and keep the pipes open."""


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
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        if stopping:
            _terminate(process.pid)
        assert process.stdout is not None
        assert process.stderr is not None
        kept = bytearray()
        sources = {process.stdout.fileno(): 1, process.stderr.fileno(): 2}
        copying = threading.Thread(target=_copy, args=(sources, kept), daemon=True)
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


def _copy(sources: Mapping[int, int], kept: bytearray) -> None:
    """Copy each source to its descriptor until all have ended, and keep the end of what goes
    to stderr.

    Both may be one pipe, so lines are passed on whole: a metric of stdout must not run into a
    word of stderr.
    """
    lines = {source: bytearray() for source in sources}
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                line, shown = lines[key.fd], sources[key.fd]
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fd)
                line += chunk
                whole = line.rfind(b"\n") + 1 if chunk and len(line) <= _HELD_BYTES else len(line)
                _write(shown, line[:whole])
                del line[:whole]
                if shown == 2:
                    kept += chunk
                    del kept[:-_KEPT_BYTES]


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
