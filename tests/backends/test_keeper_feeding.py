"""What the keeper does for programs that somebody else starts: it feeds them."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.home import Home
from tuner.backends import processes
from tuner.domain.definitions import Channel, DataSource, S3DataSource, S3DataType
from tuner.store.objects import FileObjects
from tuner.training.feeding import Feed, fifo_of, make_fifo
from tuner.training.inputs import InputViews

KEY = "1-1"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, idle_seconds=0.1)
    yield home
    home.close()


@pytest.fixture
def feed(home: Home) -> Iterator[Feed]:
    """What one host reads: `data`, again and again."""
    target = home.attempt(KEY)
    target.mkdir(parents=True)
    objects = FileObjects(home.directory / "objects")
    objects.put("bucket", "in/a", io.BytesIO(b"data"))
    source = S3DataSource(s3_data_type=S3DataType.S3_PREFIX, s3_uri="s3://bucket/in/")
    channel = Channel(channel_name="train", data_source=DataSource(s3_data_source=source))
    views = InputViews(objects, home.directory / "views")
    feed = views.feed(channel, 0, 1, user=KEY, target=target)
    make_fifo(feed, 0)
    yield feed
    objects.close()


def start(home: Home, feed: Feed) -> None:
    home.keeper.send(do="feed", key=KEY, directory=str(home.attempt(KEY)), feeds=[feed])


def feeders(home: Home) -> list[int]:
    return [item.pid for item in processes.tree(home.pid, processes.table())]


def test_it_is_begun_once_however_often_it_is_asked_for(home: Home, feed: Feed) -> None:
    for _ in range(3):
        start(home, feed)
    assert [fifo_of(feed, epoch).read_bytes() for epoch in range(2)] == [b"data"] * 2
    assert len(feeders(home)) == 1
    home.keeper.send(do="release", key=KEY)
    home.event("released", KEY)
    home.wait(lambda: not feeders(home))


def test_it_goes_on_when_nobody_is_connected(home: Home, feed: Feed) -> None:
    start(home, feed)
    pid = home.pid
    home.wait(lambda: bool(feeders(home)))
    home.keeper.close()
    assert [fifo_of(feed, epoch).read_bytes() for epoch in range(2)] == [b"data"] * 2
    again = Home(home.directory, idle_seconds=0.1)
    assert again.pid == pid
    again.keeper.send(do="release", key=KEY)
    again.keeper.close()
    again.wait(lambda: processes.find(pid) is None)
    home.keeper = Home(home.directory).keeper


def test_what_a_former_keeper_fed_is_lost(home: Home, feed: Feed) -> None:
    start(home, feed)
    assert fifo_of(feed, 0).read_bytes() == b"data"
    pid = home.pid
    os.kill(pid, signal.SIGKILL)
    home.wait(lambda: processes.find(pid) is None and home.lost.is_set())
    start(home, feed)
    home.event("lost", KEY)


def test_who_cannot_feed_says_so(home: Home, feed: Feed) -> None:
    start(home, {**feed, "stream": "/nonexistent"})
    text = "what feeds its channels in Pipe mode ended unexpectedly"
    assert home.event("faulted", KEY)["text"] == text
