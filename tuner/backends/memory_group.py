"""A memory limit by the kernel: a cgroup below our own, version 1 or 2, where we may make one."""

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
    version: int

    def join(self) -> None:
        """Put the calling process, and what it starts from now on, into the group."""
        (self.directory / "cgroup.procs").write_text("0")

    def was_exceeded(self) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        with contextlib.suppress(OSError):
            for line in (self.directory / name).read_text().splitlines():
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
    group = MemoryGroup(own.directory / name, own.version)
    try:
        group.directory.mkdir(exist_ok=True)
        if group.version == 1:
            (group.directory / "memory.limit_in_bytes").write_text(str(limit))
            swap, nothing = "memory.memsw.limit_in_bytes", str(limit)
        else:
            (group.directory / "memory.max").write_text(str(limit))
            (group.directory / "memory.oom.group").write_text("1")
            swap, nothing = "memory.swap.max", "0"
    except OSError:
        remove_group(group.directory)
        return None
    with contextlib.suppress(OSError):  # kernels without swap accounting
        (group.directory / swap).write_text(nothing)
    return group


@cache
def _own_group() -> MemoryGroup | None:
    """The group we are in, when groups with a memory limit can be made below it."""
    try:
        memberships = Path("/proc/self/cgroup").read_text().splitlines()
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        version = 1 if "memory" in controllers.split(",") else 2 if controllers == "" else 0
        mount = version and _mount_of(mounts, version, path)
        if not mount:
            continue
        if version == 2:
            with contextlib.suppress(OSError):
                (mount / "cgroup.subtree_control").write_text("+memory")
        return MemoryGroup(mount, version)
    return None


def _mount_of(mounts: list[str], version: int, path: str) -> Path | None:
    kind = "cgroup" if version == 1 else "cgroup2"
    for line in mounts:
        fields, _, tail = line.partition(" - ")
        root, place = fields.split()[3:5]
        if not tail.startswith(f"{kind} ") or not Path(path).is_relative_to(root):
            continue
        if version == 2 or "memory" in tail.rsplit(" ", 1)[1].split(","):
            return Path(place, Path(path).relative_to(root))
    return None
