"""The process that feeds the FIFOs of one attempt: a fork of the keeper, which ends it.

It is not the program's own process, whose end must not be the end of what others read, nor the
owner's, which programs outlive.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tuner.training.feeding import Feed

_LIFELINE, _FREE = 3, 4
_MAX_FD = min(os.sysconf("SC_OPEN_MAX"), 1 << 20)
_NICENESS = 10


def fork(feeds: Sequence[Feed], lifeline: int) -> int:
    """Start to feed; the process. It ends when it is killed, with the lifeline, or because it
    cannot feed: never by itself else. Raises OSError."""
    pid = os.fork()
    if pid == 0:
        _run(feeds, lifeline)
    return pid


def _run(feeds: Sequence[Feed], lifeline: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        os.dup2(lifeline, _LIFELINE)
        os.closerange(_FREE, _MAX_FD)
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        for feed in feeds:
            threading.Thread(target=_feed, args=(feed,), daemon=True).start()
        os.read(_LIFELINE, 1)
    finally:
        os._exit(0)


def _feed(feed: Feed) -> None:
    from tuner.training import feeding  # here, for the keeper is to stay small

    try:
        feeding.feed_all(feed)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class Feeders:
    """The feeders of one keeper, by the keys of their attempts."""

    def __init__(self, lifeline: int) -> None:
        self._lifeline = lifeline
        self._pids: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._pids

    def __len__(self) -> int:
        return len(self._pids)

    def start(self, key: str, feeds: Sequence[Feed]) -> None:
        """Raises OSError."""
        if feeds:
            self._pids[key] = fork(feeds, self._lifeline)

    def end(self, key: str) -> None:
        """Kill it, if it is there; nobody waits for it any more."""
        pid = self._pids.pop(key, None)
        if pid is not None:  # our child, not reaped yet: the pid is its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ended(self, pid: int) -> str | None:
        """The attempt whose feeder was reaped, unless nobody waits for that one."""
        key = next((key for key, known in self._pids.items() if known == pid), None)
        if key is not None:
            del self._pids[key]
        return key
