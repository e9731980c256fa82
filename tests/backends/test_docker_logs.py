"""From the engine's frames to stored lines, without loss or repeat."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.docker_logs import AttemptLog, Line, Lines, Resume
from tuner.domain.log_format import LINE_CAP, LINE_CUT_MARK, decode_line, encode_line

SECOND = 10**9
PIECE = 16 * 1024


def frame(stamp: int, text: bytes, stream: int = 1) -> bytes:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(stamp // SECOND))
    payload = f"{second}.{stamp % SECOND:09d}Z ".encode() + text
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def read(*blocks: bytes) -> list[Line]:
    lines = Lines()
    return [*itertools.chain.from_iterable(map(lines.feed, blocks)), *lines.finish()]


@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.binary(max_size=30)), max_size=8),
    st.lists(st.integers(0, 500)),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(
    printed: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    printed = [(stamp % 10**18, text.replace(b"\n", b" ")) for stamp, text in printed]
    data = b"".join(frame(stamp, text + b"\n") for stamp, text in printed)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    blocks = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert read(*blocks) == [Line(stamp, text.removesuffix(b"\r")) for stamp, text in printed]


def test_a_long_line_is_one_although_the_engine_cuts_it() -> None:
    pieces = [frame(5, b"x" * PIECE), frame(5, b"x" * PIECE), frame(5, b"end\r\n")]
    between = frame(6, b"other\n", stream=2)
    assert read(pieces[0], between, *pieces[1:]) == [
        Line(6, b"other"),
        Line(5, b"x" * 2 * PIECE + b"end"),
    ]


def test_an_endless_line_costs_bounded_memory_and_is_cut() -> None:
    pieces = [frame(5, b"x" * PIECE) for _ in range(3 * LINE_CAP // PIECE)]
    (line,) = read(*pieces)
    assert len(line.text) == LINE_CAP + 1
    stored = encode_line(line.time, "algo-1", line.text)
    assert decode_line(stored)[2] == "x" * LINE_CAP + LINE_CUT_MARK.decode()


def test_a_last_line_without_its_end_is_kept() -> None:
    assert read(frame(1, b"a\n"), frame(2, b"b")) == [Line(1, b"a"), Line(2, b"b")]


def test_hosts_are_put_in_the_order_of_their_stamps(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path / "log")
    log.add("algo-1", [Line(1, b"a"), Line(4, b"d")])
    log.add("algo-2", [Line(2, b"b"), Line(3, b"c")])
    log.flush()
    assert texts(tmp_path / "log") == ["a", "b", "c", "d"]


def test_a_host_keeps_its_own_order(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path / "log")
    log.add("algo-1", [Line(5, b"a"), Line(4, b"b")])
    log.flush()
    assert texts(tmp_path / "log") == ["a", "b"]


STAMPS = st.lists(
    st.integers(0, 12).map(lambda tenths: 10**18 + tenths * SECOND // 4), max_size=30
)


@given(STAMPS, STAMPS, st.integers(0, 30), st.integers(0, 30))
def test_a_new_reader_goes_on_where_the_last_one_was_killed(
    tmp_path_factory: object, one: list[int], two: list[int], kept_one: int, kept_two: int
) -> None:
    """Whatever is stored of each host, and however many lines have the same stamp."""
    directory = tmp_path_factory.mktemp("log")  # type: ignore[attr-defined]
    engine = {
        "algo-1": [Line(stamp, b"%d" % n) for n, stamp in enumerate(sorted(one))],
        "algo-2": [Line(stamp, b"%d" % n) for n, stamp in enumerate(sorted(two))],
    }
    first = AttemptLog(directory)
    for host, kept in (("algo-1", kept_one), ("algo-2", kept_two)):
        first.add(host, engine[host][:kept])
    first.flush()
    first.close()
    second = AttemptLog(directory)
    for host, lines in engine.items():
        position = second.position(host)
        replayed = [line for line in lines if line.time >= position.since * SECOND]
        second.add(host, replayed[position.skip :])
    second.flush()
    for host, lines in engine.items():
        assert texts(directory, host) == [line.text.decode() for line in lines]


def test_a_line_that_was_cut_off_by_a_kill_comes_again(tmp_path: Path) -> None:
    (tmp_path / "0000000000000000.log").write_bytes(
        encode_line(SECOND, "algo-1", b"whole") + b"2000000000 algo-1 cut o"
    )
    log = AttemptLog(tmp_path)
    assert log.position("algo-1") == Resume(0, 1)
    log.add("algo-1", [Line(2 * SECOND, b"cut off")])
    log.flush()
    assert texts(tmp_path) == ["whole", "cut off"]


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path / "log")
    log.add("algo-1", [Line(1, b"waits")])
    log.close()
    log.add("algo-1", [Line(2, b"late")])
    log.flush()
    assert texts(tmp_path / "log") == []


def texts(directory: Path, host: str | None = None) -> list[str]:
    stored = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
    lines = [decode_line(raw) for raw in stored.splitlines()]
    return [text for _, found, text in lines if host in (None, found)]
