"""Follows the logs of all running attempts and posts their metric points."""

from __future__ import annotations

from collections.abc import Callable

from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import EventSink, Logs


class LogFollower:
    def __init__(
        self, logs: Logs, offset_of: Callable[[AttemptKey], int], post: EventSink
    ) -> None:
        raise NotImplementedError

    def start(self) -> None: ...

    def close(self) -> None: ...

    def watch(self, job: TrainingJob) -> None:
        """Scrape the attempt's log from its committed offset on."""

    def grew(self, key: AttemptKey) -> None:
        """The log has new lines."""

    def finish(self, job: TrainingJob) -> None:
        """All instances ended: read to the end, then post Scraped(at_end=True)."""

    def forget(self, key: AttemptKey) -> None:
        """Nothing more is wanted of this attempt."""
