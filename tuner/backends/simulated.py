"""A backend in virtual time: no process is started, events fall due on a simulated clock.

It drives the property tests of the controller and the measurements of its scale. It is a
backend and a log follower in one: what a simulated program prints is given as metric points.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuner.domain.jobs import AttemptKey, Failure, MetricPoint, TrainingJob
from tuner.domain.ports import (
    Capabilities,
    Capacity,
    Collected,
    Event,
    EventSink,
    Faulted,
    InstanceExited,
    Prepared,
    Scraped,
    Started,
)


@dataclass(slots=True)
class SimulatedClock:
    """A clock that stands still until it is moved."""

    time: float = 1_000_000.0

    def now(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What a training job does: seconds until it exits, what it prints when, how it ends.

    `points` are (seconds after the start, metric name, value); `fault` ends the attempt instead
    of an exit.
    """

    seconds: float
    points: tuple[tuple[float, str, float], ...] = ()
    exit_code: int = 0
    fault: Failure | None = None
    stops_after: float = 0.0


@dataclass(slots=True)
class _Attempt:
    job: TrainingJob
    run: SimulatedRun
    launched_at: float | None = None
    read: int = 0
    over: bool = False
    exits: list[InstanceExited] = field(default_factory=list)


class SimulatedBackend:
    """Implements Backend and Follower. What it holds survives the controller, as processes do."""

    name = "simulated"

    def __init__(
        self,
        clock: SimulatedClock,
        behaviour: Callable[[TrainingJob], SimulatedRun],
        capacity: Capacity,
        offset_of: Callable[[AttemptKey], int] = lambda key: 0,
    ) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._capacity = capacity
        self._offset_of = offset_of
        self._post: EventSink = lambda event: None
        self._due: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self.launches: list[AttemptKey] = []

    def start(self, post: EventSink) -> None:
        self._post = post

    def capacity(self) -> Capacity:
        return self._capacity

    def image_fault(self, image: str, *, user_code: bool) -> str | None:
        return None

    def capabilities(self, image: str | None = None, *, user_code: bool = False) -> Capabilities:
        return Capabilities(images=True, private_opt_ml=True, multiple_instances=True)

    # ---- virtual time ------------------------------------------------------------------------

    @property
    def next_time(self) -> float | None:
        """When the next event falls due."""
        return self._due[0][0] if self._due else None

    def deliver(self) -> None:
        """Post all events that are due now."""
        while self._due and self._due[0][0] <= self._clock.now():
            _, _, event = heapq.heappop(self._due)
            attempt = self._attempts.get(event.key)
            if attempt is None:
                continue
            if isinstance(event, InstanceExited | Faulted):
                if attempt.over:
                    continue
                if isinstance(event, InstanceExited):
                    attempt.exits.append(event)
                attempt.over = isinstance(event, Faulted) or (
                    len(attempt.exits) == attempt.job.instance_count
                )
            elif isinstance(event, Scraped):
                event = self._unread(attempt, event.at_end)
            self._post(event)

    @staticmethod
    def _printed(attempt: _Attempt, until: float) -> list[MetricPoint]:
        began = attempt.launched_at or 0.0
        return [
            MetricPoint(name=name, value=value, time=began + seconds, host="algo-1")
            for seconds, name, value in attempt.run.points
            if began + seconds <= until
        ]

    def _unread(self, attempt: _Attempt, at_end: bool) -> Scraped:
        """What the program has printed by now and nobody has read."""
        until = min((event.time for event in attempt.exits), default=self._clock.now())
        points = self._printed(attempt, min(until, self._clock.now()))
        fresh, attempt.read = points[attempt.read :], len(points)
        key = attempt.job.key
        return Scraped(key=key, offset=len(points), points=tuple(fresh), at_end=at_end)

    def _later(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._due, (self._clock.now() + seconds, next(self._order), event))

    # ---- acts --------------------------------------------------------------------------------

    def prepare(self, job: TrainingJob) -> None:
        self._attempts.setdefault(job.key, _Attempt(job, self._behaviour(job)))
        self._later(0.0, Prepared(key=job.key))

    def launch(self, job: TrainingJob) -> None:
        attempt = self._attempts.setdefault(job.key, _Attempt(job, self._behaviour(job)))
        if attempt.launched_at is not None:
            for event in attempt.exits:
                self._post(event)
            return
        run, attempt.launched_at = attempt.run, self._clock.now()
        self.launches.append(job.key)
        self._later(0.0, Started(key=job.key, time=attempt.launched_at))
        for seconds, _, _ in run.points:
            self._later(seconds, Scraped(key=job.key, offset=0, points=()))
        if run.fault is not None:
            self._later(run.seconds, Faulted(key=job.key, failure=run.fault))
            return
        self._exit_all(job, run.seconds, run.exit_code)

    def _exit_all(self, job: TrainingJob, seconds: float, code: int) -> None:
        for number in range(1, job.instance_count + 1):
            time = self._clock.now() + seconds
            exited = InstanceExited(key=job.key, host=f"algo-{number}", code=code, time=time)
            self._later(seconds, exited)

    def stop(self, job: TrainingJob, grace_seconds: float) -> None:
        attempt = self._attempts.get(job.key)
        if attempt is not None and attempt.launched_at is not None and not attempt.over:
            self._exit_all(job, min(attempt.run.stops_after, grace_seconds), -15)

    def collect(self, job: TrainingJob) -> None:
        self._later(0.0, Collected(key=job.key))

    def release(self, key: AttemptKey) -> None:
        self._attempts.pop(key, None)

    def adopt(self, jobs: Sequence[TrainingJob]) -> None:
        known = {job.key for job in jobs}
        for key in [key for key in self._attempts if key not in known]:
            self.release(key)

    def close(self) -> None:
        pass

    # ---- follower ----------------------------------------------------------------------------

    def watch(self, job: TrainingJob) -> None:
        attempt = self._attempts.get(job.key)
        if attempt is not None:
            attempt.read = self._offset_of(job.key)

    def finish(self, job: TrainingJob) -> None:
        self._later(0.0, Scraped(key=job.key, offset=0, points=(), at_end=True))

    def forget(self, key: AttemptKey) -> None:
        pass
