"""The keeper: the one process of a home that starts training programs and outlives its owner.

It is small and has one thread, so that it can fork cheaply and safely. Clients speak lines of
JSON over a socket of the home; nothing is acknowledged but by events, which go to every
client. Commands (`do`):

- `launch` key, directory, log, instances, feeds: start an attempt and what feeds its channels in
  Pipe mode; a second time it only reports.
- `feed` key, directory, feeds: only feed, programs that somebody else starts; a second time it
  only says whether they still are.
- `report` key, directory: say again how a launched attempt stands, from what lies on disk.
- `stop` key, grace: SIGTERM to what runs of it, SIGKILL after `grace` seconds.
- `release` key: kill what runs of it and what feeds it, and forget it; `released` follows when
  nothing runs.
- `shutdown`: kill everything and end.

Events (`event`): `hello` (pid, running, without_namespaces: why there are none, or null),
`started` (time), `fed`, `grew`, `exited` (host, code, time, cause), `faulted` (text), `lost` (the
attempt was launched, or fed, but no keeper saw its end; nothing of it runs), `released`.

It ends by itself when it has had neither instances nor clients for a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.backends import processes
from tuner.backends.attempt import AlreadyLaunched, Attempt, Instance, out_of_memory
from tuner.backends.attempt_records import FED, exited, standing
from tuner.backends.feeder import Feeders
from tuner.backends.keeper_clients import Clients, Message
from tuner.backends.readiness import Readiness

if TYPE_CHECKING:
    from tuner.training.feeding import Feed

_TELL_OF_OUTPUT_AFTER = 0.03
_LOOK_AT_FULL_LOG_EVERY = 0.1
_LOOK_AT_MEMORY_EVERY = 0.5
_KILL_AGAIN_AFTER = 2.0
_REST = 60.0
STARVED = "what feeds its channels in Pipe mode ended unexpectedly"


class Keeper:
    def __init__(self, listener: socket.socket, idle_seconds: float, missing: str | None) -> None:
        self._idle_seconds = idle_seconds
        self._missing = missing
        self._readiness = Readiness()
        self._clients = Clients(listener, self._readiness, self._hello, self._obey_safely)
        self._attempts: dict[str, Attempt] = {}
        self._by_pid: dict[int, tuple[Attempt, Instance]] = {}
        self._lifeline, self._lifeline_end = os.pipe()  # we hold the writing end until we die
        self._feeders = Feeders(self._lifeline)
        self._memory_due = 0.0
        self._ending = False

    def run(self) -> None:
        woken, wake = os.pipe()
        for fd in (woken, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._readiness.watch(woken, lambda: self._reap(woken))
        idle_since = time.monotonic()
        while not (self._ending and not self._attempts):
            now = time.monotonic()
            if self._attempts or self._clients or self._feeders:
                idle_since = now
            elif now - idle_since >= self._idle_seconds:
                return
            self._readiness.wait(self._act_on_time(now))

    # ---- what is due ---------------------------------------------------------------------------

    def _act_on_time(self, now: float) -> float:
        """Do what is due; the seconds until the next time something is."""
        due = now + (_REST if self._clients or self._attempts else self._idle_seconds / 4)
        for attempt in self._attempts.values():
            if attempt.pending is not None:
                if now >= attempt.pending + _TELL_OF_OUTPUT_AFTER:
                    attempt.pending = None
                    self._post(attempt.key, "grew")
                else:
                    due = min(due, attempt.pending + _TELL_OF_OUTPUT_AFTER)
            if attempt.kill_at is not None:
                if now >= attempt.kill_at:
                    self._kill(attempt)
                due = min(due, attempt.kill_at)
            if attempt.paused:
                self._resume(attempt)
                due = min(due, now + _LOOK_AT_FULL_LOG_EVERY)
        if self._attempts and now >= self._memory_due:
            self._memory_due = now + _LOOK_AT_MEMORY_EVERY
            self._check_memory()
        return max(0.0, min(due, self._memory_due if self._attempts else due) - now)

    def _check_memory(self) -> None:
        """Kill what uses more than its limit, where the kernel does not do it for us."""
        watched = [
            item for _, item in self._by_pid.values() if item.limit is not None and not item.group
        ]
        known = processes.table() if watched else {}
        for item in watched:
            below = processes.tree(item.pid, known)
            limit = item.limit or 0
            # Resident counts shared pages more than once: enough to acquit, not to convict.
            if sum(process.resident for process in below) <= limit:
                continue
            if sum(map(processes.proportional, below)) > limit:
                item.cause = out_of_memory(limit)
                item.kill()

    def _kill(self, attempt: Attempt) -> None:
        for item in attempt.running:
            item.kill()
        attempt.kill_at = time.monotonic() + _KILL_AGAIN_AFTER

    # ---- output and ends -----------------------------------------------------------------------

    def _follow(self, attempt: Attempt, item: Instance) -> None:
        fd = item.output
        attempt.read(item)
        if item.output < 0:
            self._readiness.unwatch(fd)
        elif attempt.must_wait():
            attempt.paused = True
            for other in attempt.instances:
                if other.output >= 0:
                    self._readiness.unwatch(other.output)

    def _resume(self, attempt: Attempt) -> None:
        if attempt.must_wait():
            return
        attempt.paused = False
        for item in attempt.instances:
            self._watch_output(attempt, item)

    def _watch_output(self, attempt: Attempt, item: Instance) -> None:
        if item.output >= 0:
            self._readiness.watch(item.output, lambda: self._follow(attempt, item))

    def _reap(self, woken: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self._by_pid:
                    self._ended(*self._by_pid.pop(pid), status)
                elif (key := self._feeders.ended(pid)) is not None:
                    self._starve(key)
                # else an orphan whose init process was killed

    def _ended(self, attempt: Attempt, item: Instance, wait_status: int) -> None:
        if item.output >= 0:
            self._readiness.unwatch(item.output)
        attempt.close(item, wait_status)
        if item.fault is not None:
            self._kill(attempt)
        else:
            self._clients.post({"key": attempt.key, **exited(item.host, item.end or {})})
        if not attempt.running:
            self._forget(attempt)

    def _starve(self, key: str) -> None:
        """Nobody feeds an attempt any more: its programs must not take that for the end."""
        attempt = self._attempts.get(key)
        if attempt is None:
            self._post(key, "faulted", text=STARVED)
            return
        for item in attempt.running:
            item.fault = STARVED
        self._kill(attempt)

    def _forget(self, attempt: Attempt) -> None:
        del self._attempts[attempt.key]
        self._feeders.end(attempt.key)
        fault = next((item.fault for item in attempt.instances if item.fault), None)
        if fault is not None:
            self._post(attempt.key, "faulted", text=fault)
        if attempt.released:
            self._post(attempt.key, "released")

    # ---- commands ------------------------------------------------------------------------------

    def _obey(self, command: dict[str, Any]) -> None:
        what = command["do"]
        if what == "launch":
            self._launch(command)
        elif what == "feed":
            self._feed(command["key"], Path(command["directory"]), command["feeds"])
        elif what == "report":
            self._report(command["key"], Path(command["directory"]))
        elif what == "stop":
            self._stop(command["key"], command["grace"])
        elif what == "release":
            self._release(command["key"])
        elif what == "shutdown":
            self._ending = True
            for attempt in self._attempts.values():
                self._kill(attempt)
        else:
            raise ValueError(f"unknown command {what!r}")

    def _launch(self, command: dict[str, Any]) -> None:
        key, directory, programs = command["key"], Path(command["directory"]), command["instances"]
        attempt = Attempt(key, directory, Path(command["log"]))
        try:
            attempt.claim(programs)
        except AlreadyLaunched:
            self._report(key, directory)
            return
        except OSError as error:
            self._post(key, "faulted", text=f"cannot launch: {error.strerror}")
            return
        try:
            self._feeders.start(key, command["feeds"])  # first, so that it is reaped first, too
            now = attempt.start(programs, self._lifeline)
        except OSError as error:
            self._feeders.end(key)
            fault = f"cannot launch: {error.strerror}"
            for item in attempt.instances:
                item.fault = fault
                item.kill()
            if not attempt.instances:
                self._post(key, "faulted", text=fault)
                return
        else:
            self._post(key, "started", time=now)
        self._attempts[key] = attempt
        for item in attempt.instances:
            self._by_pid[item.pid] = (attempt, item)
            self._watch_output(attempt, item)

    def _feed(self, key: str, directory: Path, feeds: Sequence[Feed]) -> None:
        try:
            if key not in self._feeders:
                (directory / FED).touch(exist_ok=False)
                self._feeders.start(key, feeds)
        except FileExistsError:
            self._post(key, "lost")
        except OSError as error:
            self._post(key, "faulted", text=f"cannot feed its channels: {error.strerror}")
        else:
            self._post(key, "fed")

    def _report(self, key: str, directory: Path) -> None:
        for event in standing(directory, running=key in self._attempts):
            self._clients.post({"key": key, **event})

    def _stop(self, key: str, grace: float) -> None:
        attempt = self._attempts.get(key)
        if attempt is None:
            return
        deadline = time.monotonic() + grace
        if attempt.kill_at is None:
            for item in attempt.running:
                item.terminate()
            attempt.kill_at = deadline
        attempt.kill_at = min(attempt.kill_at, deadline)

    def _release(self, key: str) -> None:
        attempt = self._attempts.get(key)
        if attempt is None:
            self._feeders.end(key)
            self._post(key, "released")
            return
        attempt.released = True
        self._kill(attempt)

    # ---- clients -------------------------------------------------------------------------------

    def _hello(self) -> Message:
        running = list(self._attempts)
        return {
            "event": "hello",
            "pid": os.getpid(),
            "running": running,
            "without_namespaces": self._missing,
        }

    def _obey_safely(self, line: bytes) -> None:
        key = None
        try:
            command = json.loads(line)
            key = command.get("key")
            self._obey(command)
        except Exception as error:  # one bad command must not end everybody's instances
            traceback.print_exc()
            if key is not None:
                self._post(key, "faulted", text=f"the keeper failed: {type(error).__name__}")

    def _post(self, key: str, event: str, **content: Any) -> None:
        self._clients.post({"event": event, "key": key, **content})
