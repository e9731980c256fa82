"""Linux namespaces through libc: a private /opt/ml, /etc/hosts, host name and process tree.

Works as root, and for anybody where the kernel lets a user namespace be made. Only the keeper
and its forks call this; what is called "enter" changes the calling process for good.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TypedDict

NEWNS, NEWUTS, NEWUSER, NEWPID = 0x20000, 0x4000000, 0x10000000, 0x20000000

_READ_ONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_NOATIME, _NODIRATIME, _BIND, _REC, _PRIVATE = 1 << 10, 1 << 11, 1 << 12, 1 << 14, 1 << 18
_KEPT_ON_REMOUNT = _NOSUID | _NODEV | _NOEXEC | _NOATIME | _NODIRATIME
_CLONE3 = 435
"""The same number on every architecture; glibc has no wrapper that works like fork."""
_INTO_CGROUP = 0x200000000
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38

_libc = ctypes.CDLL(None, use_errno=True)
_python = ctypes.PyDLL(None, use_errno=True)  # calls through it keep the interpreter's lock
if sys.platform == "linux":
    _libc.mount.argtypes = (*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p)


class _CloneArguments(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


class Overlay(TypedDict):
    """A channel at `target`: `lower` is shared and never written. What the program writes goes
    to `upper` (`work` is the kernel's); where `upper` is None the channel is read-only."""

    target: str
    lower: str
    upper: str | None
    work: str | None


class View(TypedDict):
    """What one instance sees instead of the host's."""

    opt_ml: str
    hosts_file: str
    host: str
    overlays: list[Overlay]


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str, flags: int, data: str | None = None) -> None:
    encoded = data.encode() if data is not None else None
    result = _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, encoded)
    _check(result, f"mount {kind or 'bind'} on {target}")


def become_subreaper() -> None:
    """Orphaned descendants become children of the caller instead of the system's init."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def forbid_new_privileges() -> None:
    """From here on no set-uid program gives the caller or its descendants more rights."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def enter_user_namespace() -> None:
    """Take the right to make the other namespaces, keeping uid and gid; nothing for root.

    What the caller executes later does not inherit the right. Raises OSError.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return
    _check(_libc.unshare(NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def fork(group: Path | None = None) -> int:
    """os.fork, but the child is PID 1 of a process tree of its own: when it ends, all in it end.
    It also has mounts and a host name of its own, still like ours, and is born into `group`, the
    directory of a cgroup of version 2. Raises OSError."""
    if group is None:
        return _clone(_CloneArguments(flags=NEWPID | NEWNS | NEWUTS, exit_signal=signal.SIGCHLD))
    handle = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = NEWPID | NEWNS | NEWUTS | _INTO_CGROUP
        return _clone(_CloneArguments(flags=flags, exit_signal=signal.SIGCHLD, cgroup=handle))
    finally:
        os.close(handle)


def _clone(arguments: _CloneArguments) -> int:
    # Without a cgroup the structure of the first kernels that have clone3 (5.3) will do.
    size = ctypes.sizeof(arguments) if arguments.cgroup else _CloneArguments.set_tid.offset
    _python.PyOS_BeforeFork()
    pid = int(_python.syscall(_CLONE3, ctypes.byref(arguments), ctypes.c_size_t(size)))
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone3: {os.strerror(number)}")
    return pid


def enter(view: View) -> None:
    """Give the calling process, a child of `fork`, its own view. Raises OSError."""
    _mount("none", "/", "", _REC | _PRIVATE)
    for overlay in view["overlays"]:
        _mount_channel(overlay)
    _bind_opt_ml(view["opt_ml"])
    _mount(view["hosts_file"], "/etc/hosts", "", _BIND)
    host = view["host"].encode()
    _check(_libc.sethostname(host, len(host)), "sethostname")
    # Where parts of /proc are masked (in a container) the kernel forbids a fresh one.
    with contextlib.suppress(OSError):
        _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)


def _bind_opt_ml(tree: str) -> None:
    if Path("/opt/ml").is_dir():
        _mount(tree, "/opt/ml", "", _BIND | _REC)
        return
    # The host's /opt is left as it is: a tmpfs covers it, and what was in it is bound back.
    source = os.open(tree, os.O_PATH)
    kept = os.O_PATH | os.O_NOFOLLOW
    old = {path.name: os.open(path, kept) for path in Path("/opt").iterdir()}
    links = {path.name: path.readlink() for path in Path("/opt").iterdir() if path.is_symlink()}
    _mount("tmpfs", "/opt", "tmpfs", _NOSUID | _NODEV, "mode=755")
    for name, handle in old.items():
        place = Path("/opt", name)
        if name in links:
            place.symlink_to(links[name])
        else:
            behind = f"/proc/self/fd/{handle}"
            place.mkdir() if Path(behind).is_dir() else place.touch()
            _mount(behind, str(place), "", _BIND | _REC)
        os.close(handle)
    Path("/opt/ml").mkdir()
    _mount(f"/proc/self/fd/{source}", "/opt/ml", "", _BIND | _REC)
    os.close(source)


def _mount_channel(overlay: Overlay) -> None:
    if overlay["upper"] is not None and overlay["work"] is not None:
        places = (overlay["lower"], overlay["upper"], overlay["work"])
        # Handles instead of paths: the option string gives ':' and ',' a meaning of their own.
        handles = [os.open(place, os.O_PATH | os.O_DIRECTORY) for place in places]
        lower, upper, work = (f"/proc/self/fd/{handle}" for handle in handles)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        if os.geteuid() != 0:
            options += ",userxattr"
        try:
            # volatile: nothing here outlives the job, so the kernel need not sync the disk.
            for extra in (",volatile", ""):
                with contextlib.suppress(OSError):
                    _mount("overlay", overlay["target"], "overlay", 0, options + extra)
                    return
        finally:
            for handle in handles:
                os.close(handle)
    target = overlay["target"]
    _mount(overlay["lower"], target, "", _BIND | _REC)
    kept = os.statvfs(target).f_flag & _KEPT_ON_REMOUNT
    _mount("none", target, "", _BIND | _REMOUNT | _READ_ONLY | kept)


def missing() -> str | None:
    """Why this kernel does not give us namespaces; None when it does. Tries it in a fork."""
    if sys.platform != "linux":
        return "namespaces need Linux"
    if not Path("/opt").is_dir():
        return "there is no /opt to put /opt/ml in"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _try_all()
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    text = os.read(reader, 4096).decode()
    os.close(reader)
    os.waitpid(pid, 0)
    return text or None


def _try_all() -> None:
    enter_user_namespace()
    pid = fork()
    if pid == 0:
        try:
            enter(View(opt_ml="/usr", hosts_file="/etc/hosts", host="algo-1", overlays=[]))
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("mounts are not permitted in a namespace")
