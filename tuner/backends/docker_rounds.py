"""What is seen to for all running attempts together: their output, and what they write."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from tuner.backends import docker_plan as plan
from tuner.backends.docker_attempt import RunningAttempt
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_life import EngineLife
from tuner.domain.jobs import AttemptKey

_log = logging.getLogger(__name__)

_GATHER_OUTPUT = 0.03
_LOOK_AT_DISK_EVERY = 5.0


class Rounds:
    """Two threads, from `start` to the closing of `life` and `close`. `running` is read only."""

    def __init__(
        self, life: EngineLife, label: str, running: Mapping[AttemptKey, RunningAttempt]
    ) -> None:
        self._life = life
        self._label = label
        self._running = running
        self._grown: set[RunningAttempt] = set()
        self._output = threading.Event()

    def start(self) -> None:
        for work in (self._gather_output, self._look_at_disk):
            threading.Thread(target=work, name=f"docker{work.__name__}", daemon=True).start()

    def close(self) -> None:
        """After the closing of the life."""
        self._output.set()

    def grew(self, attempt: RunningAttempt) -> None:
        """From any thread: there is output that is not stored."""
        self._grown.add(attempt)
        self._output.set()

    def _gather_output(self) -> None:
        """Store and tell of output some milliseconds after it came, all that came till then."""
        while not self._life.closing.is_set():
            self._output.wait()
            time.sleep(_GATHER_OUTPUT)
            self._output.clear()
            grown, self._grown = self._grown, set()
            for attempt in grown:
                attempt.flush()

    def _look_at_disk(self) -> None:
        """End what has written more than its volume holds."""
        wait = _LOOK_AT_DISK_EVERY
        while not self._life.closing.wait(wait):
            began = time.monotonic()
            if any(attempt.running for attempt in list(self._running.values())):
                try:
                    self._end_those_over_their_volume()
                except (EngineUnavailable, EngineRefused) as error:
                    _log.warning("disk use cannot be looked at: %s", error)
            # it walks through all that was written: no more than a twentieth of the time
            wait = max(_LOOK_AT_DISK_EVERY, 20 * (time.monotonic() - began))

    def _end_those_over_their_volume(self) -> None:
        for item in self._life.engine.containers(self._label, sizes=True):
            attempt = self._running.get(plan.key_of(item["Labels"][plan.ATTEMPT]))
            limit = int(item["Labels"][plan.VOLUME])
            if attempt is not None and item.get("SizeRw", 0) > limit:
                attempt.kill(f"the program wrote more than the {limit >> 30} GB of its volume")
