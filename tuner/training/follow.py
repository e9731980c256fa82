"""Follows the logs of all running attempts and posts their metric points."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.domain.jobs import AttemptKey, MetricPoint, TrainingJob
from tuner.domain.log_format import SEGMENT_BYTES
from tuner.domain.ports import EventSink, LogLine, Logs, Scraped
from tuner.training.metrics import MetricScraper

_BATCH_LINES = 2000
_BATCH_LINES_WHEN_SLOW = 20
_SLOW_BATCH_SECONDS = 0.5
_OFFSET_BETWEEN_POSTS = 4 * 1024 * 1024
"""A log without metrics is recorded as read at least so often, for the sake of a restart."""
_TRIM_SECONDS = 0.25
_CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Attempt:
    """What the follower's thread knows of one attempt; only `job` and `ending` are set by others.

    `offset` was read, `posted` told to the sink, `trimmed` given up for removal.
    """

    job: TrainingJob
    ending: bool = False
    scraper: MetricScraper | None = None
    offset: int = 0
    posted: int = 0
    trimmed: int = 0
    batch_lines: int = _BATCH_LINES


class LogFollower:
    """Implements `Follower`: one thread for all attempts, a batch of lines for each in turn.

    `offset_of` gives the offset up to which an attempt's points are committed: reading begins
    there, and what lies before it may be removed from a log that is too long. `post` gets
    `Scraped` from the follower's thread.
    """

    def __init__(
        self, logs: Logs, offset_of: Callable[[AttemptKey], int], post: EventSink
    ) -> None:
        self._logs = logs
        self._offset_of = offset_of
        self._post = post
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._due: OrderedDict[AttemptKey, None] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread after the batch it is at; nothing is posted after that."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def watch(self, job: TrainingJob) -> None:
        with self._changed:
            self._attempts.setdefault(job.key, _Attempt(job))
            self._make_due(job.key)

    def grew(self, key: AttemptKey) -> None:
        """The attempt's log has new lines; nothing happens for one that is not watched."""
        with self._changed:
            if key in self._attempts:
                self._make_due(key)

    def finish(self, job: TrainingJob) -> None:
        with self._changed:
            attempt = self._attempts.setdefault(job.key, _Attempt(job))
            attempt.job, attempt.ending = job, True
            self._make_due(job.key)

    def forget(self, key: AttemptKey) -> None:
        with self._changed:
            self._attempts.pop(key, None)
            self._due.pop(key, None)

    def _make_due(self, key: AttemptKey) -> None:
        self._due[key] = None
        self._changed.notify()

    # ---- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while (attempt := self._next()) is not None:
            try:
                more = self._read_on(attempt)
            except Exception as error:
                _log.exception("the log of %s cannot be read", attempt.job.name)
                more = False
                attempt.offset = attempt.posted
                if attempt.ending:
                    self._end(attempt, (), f"Its log could not be read: {error}")
            if more:
                with self._changed:
                    if attempt.job.key in self._attempts:
                        self._due[attempt.job.key] = None

    def _next(self) -> _Attempt | None:
        """The attempt whose turn it is, as soon as there is one; None once closed."""
        while True:
            behind = self._trim()
            with self._changed:
                if not self._due and not self._closed:
                    self._changed.wait(_TRIM_SECONDS if behind else None)
                if self._closed:
                    return None
                if self._due:
                    key, _ = self._due.popitem(last=False)
                    return self._attempts[key]

    def _trim(self) -> bool:
        """Have logs shortened as far as they are committed; whether some are not so far yet.

        The commit comes some time after the post, and a program whose log is full waits for it.
        """
        behind = False
        with self._changed:
            long = [item for item in self._attempts.values() if _untrimmed(item)]
        for attempt in long:
            try:
                committed = self._offset_of(attempt.job.key)
                if committed > attempt.trimmed:
                    self._logs.trim(attempt.job.key, committed)
                    attempt.trimmed = committed
            except Exception:
                _log.exception("the log of %s cannot be trimmed", attempt.job.name)
            behind |= _untrimmed(attempt)
        return behind

    def _read_on(self, attempt: _Attempt) -> bool:
        """Read and post one batch; whether there may be more."""
        scraper = self._scraper(attempt)
        key, ending, started = attempt.job.key, attempt.ending, time.monotonic()
        points: list[MetricPoint] = []
        count, at_end = 0, False
        while not at_end and count < attempt.batch_lines:
            lines, offset = self._logs.read(key, attempt.offset, attempt.batch_lines)
            points += _scrape(scraper, lines)
            attempt.offset = offset
            count += len(lines)
            at_end = not lines
        slow = time.monotonic() - started > _SLOW_BATCH_SECONDS
        attempt.batch_lines = _BATCH_LINES_WHEN_SLOW if slow else _BATCH_LINES
        if at_end and ending:
            self._end(attempt, points, _note(attempt.job, scraper))
        elif points or attempt.offset - attempt.posted >= _OFFSET_BETWEEN_POSTS:
            self._tell(attempt, Scraped(key=key, offset=attempt.offset, points=tuple(points)))
        return not at_end

    def _scraper(self, attempt: _Attempt) -> MetricScraper:
        if attempt.scraper is None:
            job = attempt.job
            committed = self._offset_of(job.key)
            attempt.offset = attempt.posted = attempt.trimmed = committed
            attempt.scraper = MetricScraper(
                job.metric_definitions, job.objective_metric, resumed=committed > 0
            )
        return attempt.scraper

    def _end(self, attempt: _Attempt, points: Sequence[MetricPoint], note: str | None) -> None:
        event = Scraped(
            key=attempt.job.key,
            offset=attempt.offset,
            points=tuple(points),
            at_end=True,
            note=note,
        )
        self._tell(attempt, event)

    def _tell(self, attempt: _Attempt, event: Scraped) -> None:
        with self._changed:
            wanted = not self._closed and self._attempts.get(event.key) is attempt
        if wanted:
            attempt.posted = event.offset
            self._post(event)


def _untrimmed(attempt: _Attempt) -> bool:
    return attempt.offset - attempt.trimmed >= SEGMENT_BYTES


def _scrape(scraper: MetricScraper, lines: Sequence[LogLine]) -> list[MetricPoint]:
    return [point for line in lines for point in scraper.scan(line)]


def _note(job: TrainingJob, scraper: MetricScraper) -> str | None:
    """Why there is no objective value, where there should be one."""
    if job.objective_metric is None or scraper.objective_seen:
        return None
    if job.latest(job.objective_metric) is not None:  # seen before a restart
        return None
    return scraper.diagnosis()
