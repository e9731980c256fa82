"""`tuner exec`: run a program that uses this home instead of AWS."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from tuner.client import Client
from tuner.exec.lease import Lease, Served, kept
from tuner.exec.variables import applied, variables, with_sts_detour

NOT_FOUND = 127
NOT_EXECUTABLE = 126
_FOR_THE_PROGRAM = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGINT,
    signal.SIGQUIT,
)
_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)


def execute(client: Client, command: Sequence[str]) -> int:
    """The program's exit status, 128 + n when signal n ended it, as shells have it."""
    with _Program() as program:
        served = Served.of(client)
        with kept(Lease(client, served.address), _tell) as url:
            found = variables(served.at(url), client.settings)
            try:
                return program.run(command, with_sts_detour(applied(found)))
            except FileNotFoundError:
                _tell(f"{command[0]} is not found")
                return NOT_FOUND
            except OSError as error:
                _tell(f"{command[0]} cannot be run: {error.strerror}")
                return NOT_EXECUTABLE


class _Program:
    """While inside, signals are the program's; those that come before it starts end us."""

    def __init__(self) -> None:
        self._started: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        self._started = subprocess.Popen(command, env=environ)
        code = self._started.wait()
        return 128 - code if code < 0 else code

    def __enter__(self) -> _Program:
        self._before = {number: signal.getsignal(number) for number in _FOR_THE_PROGRAM}
        for number, handler in self._before.items():
            if (
                handler is not signal.SIG_IGN
            ):  # such as SIGHUP under nohup: the program inherits it
                signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._started is None:
            sys.exit(128 + number)
        if number in _FROM_KEYS and _in_foreground():
            return  # the terminal sent it to the program as well
        with contextlib.suppress(ProcessLookupError):
            self._started.send_signal(number)


def _in_foreground() -> bool:
    """Whether keys such as Ctrl-C reach our process group, and so the program."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _tell(sentence: str) -> None:
    print(f"tuner: {sentence}", file=sys.stderr)
