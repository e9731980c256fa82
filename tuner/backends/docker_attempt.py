"""One launched attempt: its containers are watched, its ends collected, its stop seen through."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_life import Closing, EngineLife
from tuner.backends.docker_logs import AttemptLog
from tuner.backends.docker_watch import Container, End, Watch
from tuner.domain.jobs import AttemptKey
from tuner.domain.ports import Event, EventSink, InstanceExited, OutputGrew, Started

log = logging.getLogger(__name__)

_SURELY_SENT = 0.1


class RunningAttempt:
    """Made when all containers have been started. Events go to `post`, an end that cannot be
    known to `fail`; `output` is told when the log has something that is not stored yet."""

    def __init__(
        self,
        key: AttemptKey,
        containers: Sequence[Container],
        started: float,
        log_directory: Path,
        life: EngineLife,
        post: EventSink,
        fail: Callable[[AttemptKey, Exception], None],
        output: Callable[[RunningAttempt], None],
    ) -> None:
        self.key = key
        self.containers = containers
        self._started = started
        self._life = life
        self._post = post
        self._fail = fail
        self._log = AttemptLog(log_directory)
        self._lock = threading.Lock()
        self._ends: dict[str, InstanceExited] = {}
        self._causes: dict[str, str] = {}
        self._kill_at: float | None = None
        self._watches = [
            Watch(item, life, self._log, partial(output, self), self._ended) for item in containers
        ]

    @property
    def running(self) -> list[Container]:
        with self._lock:
            return [item for item in self.containers if item.host not in self._ends]

    def watch(self) -> None:
        self.report()
        for watch in self._watches:
            watch.start()

    def report(self) -> None:
        """Say, once more, what is known."""
        with self._lock:
            events: list[Event] = [Started(key=self.key, time=self._started), *self._ends.values()]
        for event in events:
            self._post(event)

    def flush(self) -> None:
        """Store the output that waits, and tell of it."""
        try:
            self._log.flush()
        except OSError as error:
            self._fail(self.key, error)
        else:
            self._post(OutputGrew(key=self.key))

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM to all, SIGKILL after the grace: the engine sees to both, whatever becomes of
        us. A second stop can only bring the end nearer."""
        kill_at = time.monotonic() + grace_seconds
        if self._kill_at is None:
            self._kill_at = kill_at
            enders = [
                threading.Thread(target=self._stop, args=(item, kill_at), daemon=True)
                for item in self.running
            ]
            for ender in enders:
                ender.start()
            for ender in enders:
                ender.join(_SURELY_SENT)
        elif kill_at < self._kill_at:
            self._kill_at = kill_at
            killer = threading.Timer(grace_seconds, self.kill)
            killer.daemon = True
            killer.start()

    def kill(self, cause: str | None = None) -> None:
        """End what runs; `cause` is then the reason of its end."""
        for item in self.running:
            if cause is not None:
                self._causes[item.host] = cause
            try:
                self._life.patiently(partial(self._life.engine.kill, item.id))
            except (EngineUnavailable, EngineRefused, Closing) as error:
                log.warning("attempt %s: %s cannot be killed: %s", self.key, item.host, error)

    def close(self) -> None:
        """Let go: nothing is posted or stored any more."""
        self._log.close()
        for watch in self._watches:
            watch.cancel()

    def _stop(self, item: Container, kill_at: float) -> None:
        def act() -> None:
            self._life.engine.stop(item.id, math.ceil(max(0.0, kill_at - time.monotonic())))

        try:
            self._life.patiently(act)
        except (EngineUnavailable, EngineRefused, Closing) as error:
            log.warning("attempt %s: %s cannot be stopped: %s", self.key, item.host, error)

    def _ended(self, item: Container, outcome: End | Exception) -> None:
        if isinstance(outcome, Exception):
            self._fail(self.key, outcome)
            return
        event = InstanceExited(
            key=self.key,
            host=item.host,
            code=outcome.code,
            time=outcome.time,
            cause=outcome.cause,
        )
        if event.code != 0 and event.cause is None:
            event = replace(event, cause=self._causes.get(item.host))
        with self._lock:
            self._ends[item.host] = event
        self._post(event)
