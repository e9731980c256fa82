"""End a home that is needed no more: its background processes, its jobs, its files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.backends.processes import Process, find, table, tree
from tuner.backends.removal import remove_tree

_OWNER = "owner.lock"
_KEEPERS = ("keeper.lock", "containers/keeper.lock")
"""Of the training programs, and of what feeds containers."""
_PATIENCE = 10.0
_PAUSE = 0.01


def end_home(home: Path) -> None:
    """The owner ends first, so that nothing is started again; then the keeper, and with it the
    training programs, and what feeds containers. What does not end within some seconds is
    killed."""
    _end(home / _OWNER, signal.SIGTERM)
    keepers = [pid for lock in _KEEPERS if (pid := _holder(home / lock)) is not None]
    below = [process for pid in keepers for process in tree(pid, table())]
    for lock in _KEEPERS:
        _end(home / lock, signal.SIGKILL)
    _wait(lambda: not _alive(below))
    for process in _alive(below):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    remove_tree(home)


def _end(lock: Path, number: signal.Signals) -> None:
    for attempt in (number, signal.SIGKILL):
        holder = _holder(lock)
        if holder is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, attempt)
        _wait(lambda: _holder(lock) is None)


def _holder(lock: Path) -> int | None:
    """The pid of who holds a lock's file, in which it is written; None when nobody does."""
    try:
        with lock.open("rb") as stream:
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return None
                except BlockingIOError:
                    if written := os.pread(stream.fileno(), 20, 0):
                        return int(written)
                    time.sleep(_PAUSE)  # it will write its pid, or end, now
    except FileNotFoundError:
        return None


def _alive(processes: Sequence[Process]) -> list[Process]:
    return [item for item in processes if (now := find(item.pid)) and now.start == item.start]


def _wait(over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not over() and time.monotonic() < deadline:
        time.sleep(_PAUSE)
