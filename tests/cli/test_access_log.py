"""The access log as it is followed."""

from __future__ import annotations

from pathlib import Path

from tuner.cli.access_log import AccessLog


def test_what_was_there_before_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("old\n")
    log = AccessLog(path)
    assert list(log.new_lines()) == []
    with path.open("a") as stream:
        stream.write("one\ntwo\nhal")
        stream.flush()
        assert list(log.new_lines()) == ["one", "two"]
        stream.write("f\n")
    assert list(log.new_lines()) == ["half"]


def test_a_log_that_comes_later_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(path)
    assert list(log.new_lines()) == []
    path.write_text("one\n")
    assert list(log.new_lines()) == ["one"]


def test_no_line_is_lost_when_the_log_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("")
    log = AccessLog(path)
    path.write_text("one\n")
    path.rename(tmp_path / "access.log.1")
    assert list(log.new_lines()) == ["one"]
    with (tmp_path / "access.log.1").open("a") as late:
        late.write("two\n")
    path.write_text("three\n")
    assert list(log.new_lines()) == ["two", "three"]


def test_a_terminal_obeys_nothing_in_it(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    (tmp_path / "access.log").write_bytes(b"GET /\x1b[2J\xff \xc3\xbc\n")
    assert list(log.new_lines()) == ["GET /?[2J\N{REPLACEMENT CHARACTER} ü"]
