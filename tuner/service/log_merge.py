"""The lines of many logs in the order of time, from any place on."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import LogLine
from tuner.service.log_pages import beginning_of_line
from tuner.service.log_streams import runs
from tuner.service.ports import JobLogs

LINES_PER_READ = 256
SEEK_BYTES = 64 * 1024
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a log was read: up to `offset`, where `count` lines had the last time, `time`."""

    offset: int = 0
    time: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """How far the merged lines were read: up to `time`, in nanoseconds. A run that had started by
    then and has no cursor is done with."""

    time: int
    cursors: Mapping[AttemptKey, Cursor]


@dataclass(frozen=True, slots=True)
class Found:
    """A line, and its number among the lines that its run printed at the same time."""

    run: TrainingJob
    line: LogLine
    number: int


class _Reader:
    """One log, line by line."""

    def __init__(self, logs: JobLogs, run: TrainingJob, cursor: Cursor) -> None:
        self.run = run
        self._logs = logs
        self._offset = self._after = cursor.offset
        self._time, self._count = cursor.time, cursor.count
        self._lines: list[LogLine] = []
        self._next = 0

    def peek(self) -> LogLine | None:
        if self._next == len(self._lines):
            self._offset = self._after
            lines, self._after = self._logs.read(self.run.key, self._offset, LINES_PER_READ)
            self._lines, self._next = list(lines), 0
        return self._lines[self._next] if self._lines else None

    def take(self) -> Found:
        """The line that `peek` gave."""
        line = self._lines[self._next]
        self._next += 1
        self._count = self._count + 1 if line.time == self._time else 1
        self._time = line.time
        return Found(self.run, line, self._count)

    def cursor(self) -> Cursor:
        offset = self._offset
        if self._next == len(self._lines):
            offset = self._after
        elif self._next:
            offset = self._logs.read(self.run.key, offset, self._next)[1]
        return Cursor(offset, self._time, self._count)


class MergedLogs:
    """Iterates over the lines of the logs of jobs, which come by the time of their creation.

    A log is opened when the lines before its job's start have been given, and the jobs are
    taken as late, so that a page of many logs costs only the few that it comes from. `since` in
    nanoseconds leaves out what is before it.
    """

    def __init__(
        self, logs: JobLogs, jobs: Iterable[TrainingJob], since: int, place: Place | None
    ) -> None:
        self._logs = logs
        self._jobs = iter(jobs)
        self._upcoming = next(self._jobs, None)
        self._since = since
        self._begun = place
        self._time = since if place is None else place.time
        self._at_end: list[_Reader] = []
        # (time, whether it is a line's and not only the run's start, job id, attempt, reader)
        self._heap: list[tuple[int, bool, int, int, _Reader]] = []

    def __iter__(self) -> Iterator[Found]:
        while True:
            self._admit()
            if not self._heap:
                return
            time, is_line, _, _, reader = heapq.heappop(self._heap)
            if is_line:
                found = reader.take()
                self._push(reader)
                self._time = max(self._time, time)
                if time >= self._since:
                    yield found
            else:
                self._push(reader)

    def _admit(self) -> None:
        """Take the jobs that may have lines before the next one that is known."""
        while (job := self._upcoming) is not None:
            if self._heap and _nanoseconds(job.creation_time) > self._heap[0][0]:
                return
            self._upcoming = next(self._jobs, None)
            for run in runs(job):
                self._open(run)

    def _open(self, run: TrainingJob) -> None:
        start = _nanoseconds(run.started(run.attempt) or run.creation_time)
        cursor = None
        if self._begun is not None:
            cursor = self._begun.cursors.get(run.key)
            if cursor is None and start <= self._begun.time:
                if not _is_tried_again(run, self._begun):
                    return
                cursor = Cursor()
        if cursor is None:
            before = start < self._since
            cursor = Cursor(offset_at(self._logs, run.key, self._since) if before else 0)
        reader = _Reader(self._logs, run, cursor)
        heapq.heappush(self._heap, (start, False, *_order(run), reader))

    def _push(self, reader: _Reader) -> None:
        line = reader.peek()
        if line is not None:
            heapq.heappush(self._heap, (line.time, True, *_order(reader.run), reader))
        elif not reader.run.status.terminal:
            self._at_end.append(reader)

    def place(self) -> Place | None:
        """After the line given last; None where there are no more lines for now."""
        self._admit()
        if not self._heap:
            return None
        opened = (reader for _, is_line, _, _, reader in self._heap if is_line)
        readers = [*opened, *self._at_end]
        return Place(self._time, {reader.run.key: reader.cursor() for reader in readers})


def offset_at(logs: JobLogs, key: AttemptKey, time: int) -> int:
    """Where a line begins before which all lines are earlier; the first that is not is near."""
    low, high = 0, logs.size(key)
    while high - low > SEEK_BYTES:
        middle = beginning_of_line(logs, key, (low + high) // 2)
        lines, _ = logs.read(key, middle, 1)
        if lines and lines[0].time < time:
            low = middle
        else:
            high = (low + high) // 2
    return low


def _is_tried_again(run: TrainingJob, place: Place) -> bool:
    """Whether the place was in the log of an attempt that this run has taken the place of."""
    first = run.runs[0]
    return run.key == first and any(key.job_id == run.id and key < first for key in place.cursors)


def _order(run: TrainingJob) -> tuple[int, int]:
    return run.id, run.attempt


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
