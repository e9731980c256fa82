"""Pages of one host's lines out of a log that has the lines of all hosts.

The store gives offsets of pages only, not of lines: where a page ends within what was read, it
is read again up to there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.domain.jobs import AttemptKey
from tuner.domain.ports import LogLine, Logs
from tuner.service.ports import JobLogs

CHARACTERS_PER_PAGE = 1024 * 1024
LINES_PER_READ = 2_000
END_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The lines of a host from `start_time` on and before `end_time`, in milliseconds, and
    how many of them at most."""

    host: str
    start_time: int
    end_time: int | None
    limit: int

    def includes(self, line: LogLine) -> bool:
        time = line.time // 1_000_000
        return (
            line.host == self.host
            and self.start_time <= time
            and (self.end_time is None or time < self.end_time)
        )


def forward(
    logs: Logs, key: AttemptKey, wanted: Wanted, offset: int
) -> tuple[Sequence[LogLine], int]:
    """The first lines from `offset` on, and the offset after the last line looked at."""
    chosen: list[LogLine] = []
    size = 0
    while len(chosen) < wanted.limit and size < CHARACTERS_PER_PAGE:
        lines, after = logs.read(key, offset, LINES_PER_READ)
        if not lines:
            break
        for number, line in enumerate(lines, 1):
            if not wanted.includes(line):
                continue
            chosen.append(line)
            size += len(line.text)
            if len(chosen) >= wanted.limit or size >= CHARACTERS_PER_PAGE:
                after = _after(logs, key, offset, number)
                break
        offset = after
    return chosen, offset


def backward(
    logs: Logs, key: AttemptKey, wanted: Wanted, end: int | None
) -> tuple[Sequence[LogLine], int, int]:
    """The last lines before `end` (None: of all), the offset of the first, and `end`.

    A log has no index: everything before is read, and the last page of it kept.
    """
    page: deque[tuple[LogLine, int, int]] = deque()  # a line, where it was read, its place there
    offset = size = 0
    while end is None or offset < end:
        lines, after = logs.read(key, offset, LINES_PER_READ)
        if not lines:
            break
        if end is not None and after > end:
            lines, after = lines[: _lines_before(logs, key, offset, len(lines), end)], end
        for number, line in enumerate(lines):
            if not wanted.includes(line):
                continue
            page.append((line, offset, number))
            size += len(line.text)
            while len(page) > wanted.limit or (size > CHARACTERS_PER_PAGE and len(page) > 1):
                size -= len(page.popleft()[0].text)
        offset = after
    end = offset if end is None else end
    start = _after(logs, key, *page[0][1:]) if page else end
    return [line for line, *_ in page], start, end


def last_times(logs: JobLogs, key: AttemptKey) -> dict[str, int]:
    """When each host printed its last line, in nanoseconds, of the hosts with lines near the end
    of the log."""
    offset = beginning_of_line(logs, key, max(0, logs.size(key) - END_BYTES))
    times: dict[str, int] = {}
    while True:
        lines, offset = logs.read(key, offset, LINES_PER_READ)
        if not lines:
            return times
        times.update({line.host: line.time for line in lines})


def beginning_of_line(logs: Logs, key: AttemptKey, offset: int) -> int:
    """The first offset from this one on at which a line begins."""
    return _after(logs, key, offset - 1, 1) if offset else 0


def _after(logs: Logs, key: AttemptKey, offset: int, lines: int) -> int:
    return logs.read(key, offset, lines)[1]


def _lines_before(logs: Logs, key: AttemptKey, offset: int, count: int, end: int) -> int:
    """How many of the `count` lines from `offset` on lie before `end`."""
    ends = range(1, count + 1)
    return bisect_right(ends, end, key=lambda lines: _after(logs, key, offset, lines))
