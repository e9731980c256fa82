"""SegmentedLogs reads whole lines, over segments, gaps and what a killed writer left."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.domain.jobs import AttemptKey
from tuner.domain.log_format import (
    LINE_CAP,
    LINE_CUT_MARK,
    SEGMENTS_KEPT_AT_EACH_END,
    encode_line,
    segment_name,
)
from tuner.domain.ports import LogLine, Logs
from tuner.store.logs import PAGE_BYTES, SegmentedLogs

KEY = AttemptKey(7, 2)


@pytest.fixture
def logs(tmp_path: Path) -> SegmentedLogs:
    return SegmentedLogs(tmp_path / "logs")


def write(logs: SegmentedLogs, segments: Sequence[bytes], start: int = 0) -> None:
    directory = logs.directory(KEY)
    directory.mkdir(parents=True, exist_ok=True)
    for content in segments:
        (directory / segment_name(start)).write_bytes(content)
        start += len(content)


def line(number: int, text: bytes = b"loss=0.5") -> bytes:
    return encode_line(number, "algo-1", text)


def read_all(logs: Logs, limit: int = 3, offset: int = 0) -> list[LogLine]:
    found: list[LogLine] = []
    while True:
        lines, offset = logs.read(KEY, offset, limit)
        assert len(lines) <= limit
        if not lines:
            return found
        found += lines


def test_a_log_that_is_not_there_is_empty(logs: SegmentedLogs) -> None:
    assert logs.read(KEY, 0, 10) == ([], 0)
    assert logs.size(KEY) == 0
    logs.trim(KEY, 100)
    logs.remove(KEY)


def test_attempts_have_directories_of_their_own(logs: SegmentedLogs, tmp_path: Path) -> None:
    assert logs.directory(KEY) == tmp_path / "logs" / "7-2"
    write(logs, [line(1)])
    assert logs.read(AttemptKey(7, 1), 0, 10) == ([], 0)
    logs.remove(KEY)
    assert not logs.directory(KEY).exists()


@given(
    texts=st.lists(st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"")), max_size=20),
    cuts=st.sets(st.integers(1, 19)),
    limit=st.integers(1, 7),
)
@settings(deadline=None)
def test_lines_come_back_as_printed_whatever_the_segments_and_pages(
    texts: list[bytes], cuts: set[int], limit: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        logs = SegmentedLogs(Path(directory))
        stored = [encode_line(number, "algo-2", text) for number, text in enumerate(texts)]
        edges = [0, *sorted(cut for cut in cuts if cut < len(stored)), len(stored)]
        write(
            logs,
            [b"".join(stored[a:b]) for a, b in pairwise(edges) if b > a],
        )
        assert read_all(logs, limit) == [
            LogLine(number, "algo-2", text.decode(errors="replace"))
            for number, text in enumerate(texts)
        ]
        assert logs.size(KEY) == sum(map(len, stored))


def test_a_line_that_is_not_finished_is_left_for_later(logs: SegmentedLogs) -> None:
    write(logs, [line(1) + line(2)[:-4]])
    lines, offset = logs.read(KEY, 0, 10)
    assert [item.time for item in lines] == [1]
    assert offset == len(line(1)) == logs.size(KEY)
    assert logs.read(KEY, offset, 10) == ([], offset)
    write(logs, [line(1) + line(2)])
    lines, offset = logs.read(KEY, offset, 10)
    assert lines == [LogLine(2, "algo-1", "loss=0.5")]
    assert offset == logs.size(KEY)


def test_what_a_killed_writer_left_does_not_stop_the_reader(logs: SegmentedLogs) -> None:
    write(logs, [line(1) + b"169", line(3) + b"garbage\n" + line(4)])
    lines = read_all(logs)
    assert [item.time for item in lines if item.time] == [1, 3, 4]
    assert [item.text for item in lines if not item.time] == ["169", "garbage"]


def test_the_longest_lines_are_read_whole_and_pages_of_them_are_bounded(
    logs: SegmentedLogs,
) -> None:
    text = b"x" * (LINE_CAP + 5)
    write(logs, [line(number, text) for number in range(40)])
    lines, _ = logs.read(KEY, 0, 1000)
    assert lines[0].text == "x" * LINE_CAP + LINE_CUT_MARK.decode()
    assert sum(len(item.text) for item in lines) < PAGE_BYTES + 2 * LINE_CAP
    assert [item.time for item in read_all(logs, 1000)] == list(range(40))


def test_trimming_removes_what_was_read_between_the_kept_ends(logs: SegmentedLogs) -> None:
    kept = SEGMENTS_KEPT_AT_EACH_END
    segments = [line(100 + number) for number in range(2 * kept + 4)]
    write(logs, segments)
    length = len(segments[0])
    logs.trim(KEY, length * (kept + 2))
    assert len(list(logs.directory(KEY).iterdir())) == 2 * kept + 2
    lines = read_all(logs)
    assert [item.text for item in lines].count("loss=0.5") == 2 * kept + 2
    assert lines[kept] == LogLine(
        100 + kept + 2, "algo-1", f"[amtlocal: {2 * length} bytes of log dropped here]"
    )
    # A reader that stood in what was dropped goes on after it, told how much it missed.
    lines, offset = logs.read(KEY, length * (kept + 1), 1)
    assert lines[0].text == f"[amtlocal: {length} bytes of log dropped here]"
    assert logs.read(KEY, offset, 1)[0][0].time == 100 + kept + 2
    logs.trim(KEY, length * len(segments))
    assert len(list(logs.directory(KEY).iterdir())) == 2 * kept


def test_a_short_log_is_not_trimmed(logs: SegmentedLogs) -> None:
    write(logs, [line(number) for number in range(2 * SEGMENTS_KEPT_AT_EACH_END)])
    logs.trim(KEY, 10**9)
    assert len(read_all(logs)) == 2 * SEGMENTS_KEPT_AT_EACH_END


def test_a_log_can_be_followed_while_it_is_written(logs: SegmentedLogs) -> None:
    directory = logs.directory(KEY)
    directory.mkdir(parents=True)
    count, per_segment = 3000, 250
    done = threading.Event()

    def write_on() -> None:
        start = 0
        for first in range(0, count, per_segment):
            raw = b"".join(line(number) for number in range(first, first + per_segment))
            with (directory / segment_name(start)).open("wb", buffering=0) as file:
                for at in range(0, len(raw), 37):  # in pieces that end in the middle of lines
                    file.write(raw[at : at + 37])
            start += len(raw)
        done.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    seen: list[int] = []
    offset = 0
    while True:
        was_done = done.is_set()
        lines, offset = logs.read(KEY, offset, 100)
        seen += [item.time for item in lines]
        if was_done and not lines:
            break
    writer.join()
    assert seen == list(range(count))
