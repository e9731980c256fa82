"""From raw output to stored lines and segments."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.backends import log_writer
from tuner.backends.log_writer import LineSplitter, LogWriter
from tuner.domain.log_format import LINE_CAP, LINE_CUT_MARK

PIECES = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xff\0", b" "]), max_size=40)


def split(chunks: list[bytes]) -> list[bytes]:
    splitter = LineSplitter("algo-1")
    stored = b"".join(splitter.feed(chunk) for chunk in chunks) + splitter.finish()
    assert stored == b"" or stored.endswith(b"\n")
    return [line.split(b" ", 2)[2] for line in stored.split(b"\n")[:-1]]


@given(PIECES, st.lists(st.integers(0, 60)))
def test_lines_do_not_depend_on_how_the_bytes_arrive(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    want = data.replace(b"\r\n", b"\n").split(b"\n")
    assert split(chunks) == (want if want[-1] else want[:-1])


@pytest.mark.parametrize("size", [1000, LINE_CAP - 1, LINE_CAP, LINE_CAP * 3])
def test_a_line_over_the_cap_is_cut_however_it_arrives(size: int) -> None:
    data = b"x" * (LINE_CAP + 5) + b"\nshort\n"
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert split(chunks) == [b"x" * LINE_CAP + LINE_CUT_MARK, b"short"]


def test_segments_are_named_by_offset_and_hold_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "SEGMENT_BYTES", 10)
    monkeypatch.setattr(log_writer, "SEGMENTS_AHEAD", 2)
    writer = LogWriter(tmp_path / "log")
    waits = []
    for line in (b"123456\n", b"123456\n", b"1234567890\n", b"1\n", b"1234567890\n"):
        writer.write(line)
        waits.append(writer.must_wait())
    writer.close()
    found = {path.name: path.read_bytes() for path in sorted((tmp_path / "log").iterdir())}
    assert found == {
        "0000000000000000.log": b"123456\n123456\n",
        "0000000000000014.log": b"1234567890\n",
        "0000000000000025.log": b"1\n1234567890\n",
    }
    assert waits == [False, False, False, False, True]
