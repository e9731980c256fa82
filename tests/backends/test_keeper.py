"""The keeper itself: one per home, quick to leave, and honest about what it did not see."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.backends.home import PATIENCE, Home
from tuner.backends import processes
from tuner.backends.keeper_client import KeeperClient, KeeperUnavailable
from tuner.backends.keeper_start import ANOTHER_RUNS, SOCKET


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.close()


def test_a_second_keeper_on_a_home_is_refused(home: Home) -> None:
    first = home.pid
    assert home.start_keeper() == ANOTHER_RUNS
    assert home.pid == first


def test_several_clients_share_one_keeper_and_all_hear_everything(home: Home) -> None:
    other = Home(home.directory)
    assert home.pid == other.pid
    home.launch("1-1", "print(1)")
    assert other.event("exited", "1-1") == home.event("exited", "1-1")
    other.keeper.close()


def test_the_socket_is_the_users_own(home: Home) -> None:
    assert home.pid
    assert stat.S_IMODE((home.directory / SOCKET).stat().st_mode) & 0o077 == 0


def test_a_home_with_a_long_path_works(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    home = Home(directory)
    home.launch("1-1", "raise SystemExit(4)")
    assert home.event("exited", "1-1")["code"] == 4
    home.close()


def test_a_keeper_with_nothing_to_do_ends(tmp_path: Path) -> None:
    home = Home(tmp_path, idle_seconds=0.1)
    pid = home.pid
    home.keeper.close()
    home.wait(lambda: processes.find(pid) is None)
    assert not (tmp_path / SOCKET).exists()


def test_a_keeper_with_an_instance_stays(tmp_path: Path) -> None:
    home = Home(tmp_path, idle_seconds=0.1)
    home.launch("1-1", "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)")
    home.event("started", "1-1")
    pid = home.pid
    home.keeper.close()
    with pytest.raises(KeeperUnavailable):
        home.pid  # noqa: B018
    again = Home(tmp_path, idle_seconds=0.1)
    again.wait(lambda: again.pid == pid)
    (home.attempt("1-1") / "go").touch()
    again.event("exited", "1-1")
    again.close()


def test_a_launch_that_was_claimed_and_not_carried_out_is_lost(home: Home) -> None:
    directory = home.attempt("1-1")
    directory.mkdir(parents=True)
    (directory / "launch.json").write_text("")
    home.launch("1-1", "print('never')")
    home.event("lost", "1-1")
    assert not home.segments("1-1")


def test_what_cannot_be_launched_is_said(home: Home) -> None:
    home.keeper.send(
        do="launch", key="1-1", directory="/nonexistent", log="/x", instances=[], feeds=[]
    )
    assert home.event("faulted", "1-1")["text"] == "cannot launch: No such file or directory"


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b"null\n",
        b'["key"]\n',
        b'{"do": "dance"}\n',
        b'{"do": "report", "key": []}\n',
        b"[" * 5000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_nonsense_harms_nobody(home: Home, line: bytes) -> None:
    pid = home.pid
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(str(home.directory / SOCKET))
        stranger.sendall(line)
        assert json.loads(stranger.makefile().readline())["event"] == "hello"
    home.launch("1-1", "")
    home.event("exited", "1-1")
    assert home.pid == pid


def test_a_client_hears_on_after_an_event_it_could_not_take(tmp_path: Path) -> None:
    heard: list[str] = []

    def take(event: Mapping[str, Any]) -> None:
        heard.append(event["key"])
        int(event["key"])

    client = KeeperClient(tmp_path, take, lambda: None, idle_seconds=0.5)
    for key in ("no number", "1"):
        client.send(do="release", key=key)
    deadline = time.monotonic() + PATIENCE
    while heard != ["no number", "1"]:
        assert time.monotonic() < deadline, heard
        time.sleep(0.01)
    client.close()


def test_a_client_that_does_not_read_does_not_hold_up_the_others(home: Home) -> None:
    assert home.pid
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(home.directory / SOCKET))
        for number in range(1, 4):
            home.launch(f"{number}-1", "")
            home.event("exited", f"{number}-1")


def test_a_full_log_makes_the_program_wait_and_loses_nothing(home: Home) -> None:
    home.start_keeper("import tuner.backends.log_writer as w; w.SEGMENT_BYTES = 1 << 20")
    home.launch("1-1", "for n in range(1_000_000): print(f'{n:060}')\nprint('last')")
    home.wait(lambda: len(home.segments("1-1")) > 24)
    size = 0
    while size != (size := sum(path.stat().st_size for path in home.segments("1-1"))):
        signal.sigtimedwait((), 0.3)
    assert len(home.segments("1-1")) == 25
    seen = []

    def take_one() -> bool:
        """Read as a follower does: what is read goes."""
        for path in home.segments("1-1")[:-2]:
            seen.append(path.read_bytes())
            path.unlink()
        return any(event["event"] == "exited" for event in home.events)

    home.wait(take_one)
    seen += [path.read_bytes() for path in home.segments("1-1")]
    texts = [line.split(b" ", 2)[2] for line in b"".join(seen).splitlines()]
    assert texts == [*(b"%060d" % number for number in range(1_000_000)), b"last"]


def test_memory_is_watched_where_there_are_no_cgroups(home: Home) -> None:
    home.start_keeper("import tuner.backends.attempt as a; a.make_group = lambda *_: None")
    grows = "import time\nhoard = []\nwhile True: hoard.append(b'x' * (8 << 20)); time.sleep(0.02)"
    forks = f"import os, time\nif os.fork(): time.sleep(60)\n{grows}"
    home.launch("1-1", forks, memory_mib=100)
    home.launch("2-1", "import time; x = b'x' * (50 << 20); time.sleep(1)", memory_mib=100)
    end = home.event("exited", "1-1")
    assert end["cause"] == "OutOfMemory: the program used more than its 100 MiB"
    assert end["code"] == -signal.SIGKILL
    assert home.event("exited", "2-1")["code"] == 0


def test_a_full_disk_is_a_fault_that_names_it(home: Home) -> None:
    directory = home.attempt("1-1")
    directory.mkdir(parents=True)
    (directory / "log").write_text("no directory can be made here")
    home.launch("1-1", "import time; print(1, flush=True); time.sleep(60)")
    assert home.event("faulted", "1-1")["text"] == "cannot write the log: File exists"
    home.report("1-1")
    home.wait(lambda: sum(event["event"] == "faulted" for event in home.events) == 2)


def test_no_keeper_is_started_over_and_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(KeeperUnavailable, match="ended 5 times within a minute"):
        for _ in range(20):
            home.lost.clear()
            os.kill(home.pid, signal.SIGKILL)
            assert home.lost.wait(10)
    home.keeper.close()


def test_a_home_that_cannot_be_written_to_gives_a_clear_error(tmp_path: Path) -> None:
    client = KeeperClient(tmp_path / "missing", lambda _: None, lambda: None)
    with pytest.raises(KeeperUnavailable, match="does not start"):
        client.send(do="report", key="1-1", directory="/x")
