"""One instance: its program, and the init process of ours that is the program's parent.

The init process is a fork of the keeper and never runs anything else. It forwards SIGTERM to
the program's group, reaps whatever ends below it and ends with its program; nothing below it
outlives it. With namespaces it is PID 1 and the kernel sees to that; without, it is the
subreaper of its tree and kills what is left. When the keeper dies, the lifeline closes and the
init process ends at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn, TypedDict

from tuner.backends import namespaces, processes

KILL = signal.SIGUSR1
"""Asks an init process without namespaces to end its tree; with them SIGKILL does it."""

HELD_BACK = frozenset({signal.SIGCHLD, signal.SIGTERM, KILL})
"""Signals that the keeper blocks around the fork, so that none is lost before we listen."""

_NICENESS = 10
"""Programs leave the CPUs to whoever waits for an answer: the owner and the user's own."""

_OUTPUT, _STATUS, _LIFELINE, _FREE = 1, 3, 4, 5
_MAX_FD = min(os.sysconf("SC_OPEN_MAX"), 1 << 20)


class Program(TypedDict):
    """What to run as one instance; `view` is None where there are no namespaces."""

    host: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    memory_mib: int | None
    view: namespaces.View | None


def run(program: Program, output: int, status: int, lifeline: int) -> NoReturn:
    """The whole life of an init process; the keeper calls it in a fork, with `HELD_BACK` blocked.

    Before it ends it writes JSON lines to `status`: `{"fault": text}` when the instance could
    not be set up, `{"cause": text}` when the program could not be executed, `{"code": n}`.
    """
    try:
        signal.set_wakeup_fd(-1)
        _arrange_descriptors(output, status, lifeline)
        if program["view"] is not None:
            namespaces.enter(program["view"])
        else:
            namespaces.become_subreaper()
        namespaces.forbid_new_privileges()
        _tell(code=_attend(program))
    except OSError as error:
        _tell(fault=f"cannot set up {program['host']}: {error.strerror or error}")
    except BaseException as error:
        traceback.print_exc()
        _tell(fault=f"cannot set up {program['host']}: {type(error).__name__}")
    finally:
        os._exit(0)


def _tell(**message: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(_STATUS, json.dumps(message).encode() + b"\n")


def _arrange_descriptors(output: int, status: int, lifeline: int) -> None:
    """Keep the three at fixed numbers; everything else of the keeper's is closed."""
    sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16) for fd in (output, status, lifeline)]
    for source, place in zip(sources, (_OUTPUT, _STATUS, _LIFELINE), strict=True):
        os.dup2(source, place, inheritable=place == _OUTPUT)
    os.closerange(_FREE, _MAX_FD)


def _attend(program: Program) -> int:
    """Start the program and stay until it ends; its exit code, negative for a signal."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in HELD_BACK:
        signal.signal(number, lambda *_: None)
    try:
        pid = _spawn(program)
    except OSError as error:
        text = f"cannot start {Path(program['argv'][0]).name}: {error.strerror}"
        os.write(_OUTPUT, text.encode() + b"\n")
        _tell(cause=text)
        return 127 if error.errno == errno.ENOENT else 126
    os.dup2(0, _OUTPUT)  # the program's alone from now on: its end closes it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    while True:
        ready = select.select([woken, _LIFELINE], [], [])[0]
        arrived = os.read(woken, 256) if woken in ready else b""
        if _LIFELINE in ready or KILL in arrived:
            return -signal.SIGKILL if program["view"] is not None else _end_tree(pid)
        if signal.SIGTERM in arrived:
            _terminate(pid)
        if signal.SIGCHLD in arrived and (code := _reap(pid)) is not None:
            if program["view"] is None:
                _end_tree(pid)
            return code


def _terminate(pid: int) -> None:
    """SIGTERM to the program's group. The pid is the program's until we have reaped it."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGTERM)
        else:  # it has not got its own group yet, or has left it
            os.kill(pid, signal.SIGTERM)


def _reap(main: int) -> int | None:
    """Reap all that have ended; the exit code of the program when it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == main:
                code = os.waitstatus_to_exitcode(status)
    return code


def _end_tree(main: int) -> int:
    """Kill everything below us, level by level: whose parent dies becomes our child.

    Only children are signalled: their pids stay theirs until we reap them.
    """
    code = -int(signal.SIGKILL)
    if sys.platform != "linux":  # no subreaper there: the program's group is all we can reach
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(main, signal.SIGKILL)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
        if pid == 0:
            for process in processes.table().values():
                if process.parent == os.getpid():
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.002)


def _spawn(program: Program) -> int:
    """Start the program in a session of its own; its pid. Raises OSError.

    Spawned, not forked: a fork would copy the interpreter's pages once more for nothing.
    """
    os.chdir(program["cwd"])
    pid = os.posix_spawn(
        _executable(program),
        program["argv"],
        program["env"],
        file_actions=[(os.POSIX_SPAWN_DUP2, _OUTPUT, 2)],
        setsid=True,
        setsigmask=(),
        setsigdef=(*HELD_BACK, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ),
    )
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
        # Linux may weigh sessions against each other before the processes of each (sched(7))
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS))
    return pid


def _executable(program: Program) -> str:
    """The file to run, found in the program's own PATH. Raises FileNotFoundError."""
    name = program["argv"][0]
    if "/" in name:
        return name
    for place in program["env"].get("PATH", os.defpath).split(os.pathsep):
        found = f"{place or '.'}/{name}"
        if os.access(found, os.X_OK) and not os.path.isdir(found):  # noqa: PTH112
            return found
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
