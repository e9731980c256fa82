"""Follows one container from its start to its end: its log, and how it ended."""

from __future__ import annotations

import calendar
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from tuner.backends.attempt import out_of_memory
from tuner.backends.docker_connection import EngineUnavailable
from tuner.backends.docker_engine import LogStream
from tuner.backends.docker_life import EngineLife
from tuner.backends.docker_logs import AttemptLog, Line, Lines

RESTARTED = "the Docker engine was restarted while the training job ran"
_NEVER = "0001-01-01"
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64
_CANNOT_START = re.compile(rb"\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)")
_CANNOT_START_CODES = (126, 127)
_NOT_ENDED_YET = 0.05
_UNKNOWN_END = 255
"""What an engine notes for a container whose end it has not seen."""
_SHUTDOWN_SECONDS = 600.0
"""How long before an engine began again the shutdown of the former one may have been."""


class Lost(Exception):
    """How an instance ended cannot be known; the text says why."""


@dataclass(frozen=True, slots=True)
class End:
    """How a container ended; `code` is negative for a signal."""

    code: int
    time: float
    cause: str | None


@dataclass(frozen=True, slots=True)
class Container:
    """`memory_mib` is its limit."""

    id: str
    host: str
    memory_mib: int


class Watch:
    """One thread, from `start` to the end of the container or `cancel`.

    `on_output` is called when the log got lines, `on_end` once with the end, or with the
    exception that keeps it from being known.
    """

    def __init__(
        self,
        container: Container,
        life: EngineLife,
        log: AttemptLog,
        on_output: Callable[[], None],
        on_end: Callable[[Container, End | Exception], None],
    ) -> None:
        self._container = container
        self._life = life
        self._log = log
        self._on_output = on_output
        self._on_end = on_end
        self._stream: LogStream | None = None
        self._cancelled = threading.Event()
        self._last = b""
        self._thread = threading.Thread(
            target=self._run, name=f"docker-{container.host}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """From any thread; `on_end` may still be called, if the end was reached already."""
        self._cancelled.set()
        if self._stream is not None:
            self._stream.close()

    def _run(self) -> None:
        try:
            outcome: End | Exception = self._to_the_end()
            self._log.flush()
        except Exception as error:
            outcome = error
        if not self._cancelled.is_set():
            self._on_end(self._container, outcome)

    def _to_the_end(self) -> End:
        interrupted = False
        while not self._cancelled.is_set():
            ends = self._life.ends
            try:
                self._read(follow=True)
            except EngineUnavailable:
                interrupted = True
            state = self._life.patiently(self._state)
            interrupted |= self._life.ends != ends
            if state["Running"]:
                interrupted = False  # the engine is back and has kept it
                self._cancelled.wait(_NOT_ENDED_YET)
            elif interrupted and not self._life.patiently(self._keeps_containers):
                raise Lost(RESTARTED)
            elif self._life.patiently(partial(self._read, follow=False)):
                # A last line without a newline is written down after whoever follows has been
                # told of the end, but before the engine calls the container ended.
                end = self._end(state)
                if self._life.patiently(partial(self._is_of_the_engine, end)):
                    raise Lost(RESTARTED)
                return end
        raise Lost("nobody waits for it any more")

    def _state(self) -> Mapping[str, Any]:
        self._life.engine.ping()  # an engine that shuts down takes no new connections
        return self._life.engine.state(self._container.id)

    def _keeps_containers(self) -> bool:
        """Whether containers go on without their engine (its option live-restore)."""
        return bool(self._life.engine.info()["LiveRestoreEnabled"])

    def _read(self, *, follow: bool) -> bool:
        """Store what there is of the log and, if told to follow, what comes; whether its end
        was reached. Raises EngineUnavailable when the connection broke."""
        host = self._container.host
        position = self._log.position(host)
        lines, skip = Lines(), position.skip
        try:
            self._stream = self._life.patiently(
                lambda: self._life.engine.log(self._container.id, position.since, follow=follow)
            )
            if self._cancelled.is_set():
                return False
            for data in self._stream:
                skip -= self._take(lines.feed(data), skip)
        except TimeoutError:
            return False
        finally:
            if self._stream is not None:
                self._stream.close()
        if not follow:
            self._take(lines.finish(), skip)
        return True

    def _take(self, lines: Iterator[Line], skip: int) -> int:
        """Store lines, but for the first `skip`; how many of these there were."""
        if self._cancelled.is_set():
            return 0
        dropped = sum(1 for _ in islice(lines, skip)) if skip else 0
        if self._log.add(self._container.host, self._remembered(lines)):
            self._on_output()
        return dropped

    def _remembered(self, lines: Iterator[Line]) -> Iterator[Line]:
        for line in lines:
            self._last = line.text
            yield line

    def _is_of_the_engine(self, end: End) -> bool:
        """Whether the engine was restarted since, and may have caused the end."""
        if end.cause is not None or (began := self._life.engine.began()) is None:
            return False
        return ended_by_engine(end.code, end.time, began=began) and not self._keeps_containers()

    def _end(self, state: Mapping[str, Any]) -> End:
        code = state["ExitCode"]
        cause = None
        if code != 0 and state["OOMKilled"]:
            cause = out_of_memory(self._container.memory_mib << 20)
        elif code in _CANNOT_START_CODES and (found := _CANNOT_START.fullmatch(self._last)):
            program, reason = (part.decode(errors="replace") for part in found.groups())
            cause = f"cannot start {PurePosixPath(program).name}: {reason}"
        return End(exit_code(code), moment(state["FinishedAt"]), cause)


def exit_code(status: int) -> int:
    """The status that the init process of a container gives, with signals as negative numbers."""
    if _SIGNAL_BASE < status <= _SIGNAL_BASE + _LAST_SIGNAL:
        return _SIGNAL_BASE - status
    return status


def ended_by_engine(code: int, finished: float, *, began: float) -> bool:
    """Whether a container may have been ended by an engine that went down, or by the one that
    came up after it and `began` (epoch seconds) later than the container `finished`.

    They send SIGTERM first, so a program may have ended by itself, with any code: nobody can
    tell if that was shortly before. Long before, only a signal is a sign of it: the machine may
    have been off in between.
    """
    if finished > began:
        return False
    return code < 0 or code == _UNKNOWN_END or began - finished < _SHUTDOWN_SECONDS


def was_started(state: Mapping[str, Any]) -> bool:
    return not str(state["StartedAt"]).startswith(_NEVER)


def moment(stamp: str) -> float:
    """Epoch seconds of a time stamp of the engine."""
    second, _, fraction = stamp.rstrip("Z").partition(".")
    whole = calendar.timegm(time.strptime(second, "%Y-%m-%dT%H:%M:%S"))
    return whole + float(f"0.{fraction or 0}")
