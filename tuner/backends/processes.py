"""Processes as /proc shows them. A process is named by pid *and* start time, never by pid alone.

Where there is no /proc (macOS) everything here finds nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MARKER = "TUNER_ATTEMPT"
"""The variable by which a program and its descendants are known: its attempt's directory."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """`start` is in clock ticks since boot; `resident` in bytes, shared pages included."""

    pid: int
    parent: int
    start: int
    resident: int


def boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def find(pid: int) -> Process | None:
    """The process that has this pid now; a zombie counts as none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in b"ZX":
        return None
    return Process(pid, int(fields[1]), int(fields[19]), int(fields[21]) * _PAGE)


def table() -> dict[int, Process]:
    """All processes by pid."""
    try:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except FileNotFoundError:
        return {}
    return {found.pid: found for pid in pids if (found := find(pid)) is not None}


def tree(root: int, processes: dict[int, Process]) -> list[Process]:
    """The descendants of a process, without itself."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(root, ()))
    for process in found:  # grows while it is walked
        found.extend(children.get(process.pid, ()))
    return found


def proportional(process: Process) -> int:
    """Resident bytes with each shared page divided among those that share it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return process.resident


def end(pid: int, is_meant: Callable[[], bool]) -> None:
    """SIGKILL, unless the pid has meanwhile gone to a process that is not the one meant."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(pid)
        try:
            if is_meant():  # looked at while the handle keeps the pid from changing hands
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def end_started(pid: int, start: int, timeout: float = 2.0) -> None:
    """End the process that had this pid and start time, and wait until it has ended."""

    def lives() -> bool:
        found = find(pid)
        return found is not None and found.start == start

    end(pid, lives)
    deadline = time.monotonic() + timeout
    while lives() and time.monotonic() < deadline:
        time.sleep(0.01)


def marked(value: str) -> Iterator[int]:
    """The pids whose environment has the marker with this value."""
    return (pid for pid in table() if _has_marker(pid, value))


def _has_marker(pid: int, value: str) -> bool:
    wanted = f"{MARKER}={value}".encode()
    with contextlib.suppress(OSError):
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def end_marked(value: str, timeout: float = 2.0) -> None:
    """End every process that has the marker. Returns when none is left, or after `timeout`
    seconds: what survives SIGKILL that long hangs in the kernel and computes no more."""
    deadline = time.monotonic() + timeout
    while (pids := list(marked(value))) and time.monotonic() < deadline:
        for pid in pids:
            end(pid, partial(_has_marker, pid, value))
        time.sleep(0.01)
