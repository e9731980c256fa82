"""A memory limit by the kernel: a cgroup of version 2 below our own, where we may make one.

Version 1 is left to the keeper's own watch: a process can only be moved into such a group, which
waits for all processors of the machine (10 ms measured), while version 2 lets it be born there.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TRIES = 20


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    directory: Path

    def was_exceeded(self) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""
        with contextlib.suppress(OSError):
            for line in (self.directory / "memory.events").read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value) > 0
        return False


def remove_group(directory: Path) -> None:
    """Only an empty group goes; one that still holds a process stays."""
    for _ in range(_TRIES):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # the last process is gone to us before it is to the kernel
            time.sleep(0.005)


def make_group(name: str, limit: int) -> MemoryGroup | None:
    """A group of at most `limit` bytes, swap included; None where we may not make one."""
    own = _own_group()
    if own is None:
        return None
    group = MemoryGroup(own / name)
    try:
        group.directory.mkdir(exist_ok=True)
        (group.directory / "memory.max").write_text(str(limit))
        (group.directory / "memory.oom.group").write_text("1")
    except OSError:
        remove_group(group.directory)
        return None
    with contextlib.suppress(OSError):  # kernels without swap accounting
        (group.directory / "memory.swap.max").write_text("0")
    return group


@cache
def _own_group() -> Path | None:
    """The group we are in, when groups with a memory limit can be made below it."""
    try:
        memberships = Path("/proc/self/cgroup").read_text().splitlines()
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in memberships if line.startswith("0::")), None)
    place = _place(mounts, path) if path is not None else None
    if place is None:
        return None
    with contextlib.suppress(OSError):
        (place / "cgroup.subtree_control").write_text("+memory")
    try:
        offered = (place / "cgroup.subtree_control").read_text().split()
    except OSError:
        return None
    return place if "memory" in offered else None


def _place(mounts: list[str], path: str) -> Path | None:
    """Where the group `path` of the unified hierarchy is mounted."""
    for line in mounts:
        fields, _, tail = line.partition(" - ")
        root, place = fields.split()[3:5]
        if tail.startswith("cgroup2 ") and Path(path).is_relative_to(root):
            return Path(place, Path(path).relative_to(root))
    return None
