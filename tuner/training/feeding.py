"""Pipe mode: for every epoch a FIFO, `CHANNEL_0`, `CHANNEL_1`, ..., into which its records go.

Source: the developer guide, your-algorithms-training-algo-running-container. The FIFO of an
epoch is there when that of the one before is opened. Who closes one early gets the next epoch
from its beginning; who never opens one costs a waiting thread.

A stream is a directory: `objects/N` are the objects, by number; `lengths` has the bytes that each
gives; each line of `records` is a JSON list of parts, texts or numbers of objects. This module
needs nothing but the standard library: whoever feeds is a process of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import itertools
import json
import mmap
import os
import random
import shutil
import stat
import sys
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypedDict, cast

from tuner.training import record_io

RECORDS, LENGTHS, OBJECTS = "records", "lengths", "objects"
NUMBER = "Q"
"""The type of an array of lengths or offsets."""

_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_CHUNK_BYTES = 1 << 18


class Feed(TypedDict):
    """What a host reads as one channel: the FIFOs are made in `target`, `stream` is fed.

    With `wrapped` each part is a record of RecordIO; with `compressed` objects are unpacked.
    Without a `seed` the order is that of the stream. Of `shards` hosts this is number `shard`.
    """

    channel: str
    target: str
    stream: str
    wrapped: bool
    compressed: bool
    seed: int | None
    shard: int
    shards: int


def fifo_of(feed: Feed, epoch: int) -> Path:
    return Path(feed["target"], f"{feed['channel']}_{epoch}")


def make_fifo(feed: Feed, epoch: int) -> None:
    """Whatever user the program runs as may read it."""
    path = fifo_of(feed, epoch)
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path)
    path.chmod(0o644)


def order(count: int, seed: int | None, epoch: int, shard: int, shards: int) -> Sequence[int]:
    """Which of `count` items a host gets in an epoch, and in what order.

    All are shuffled before they are dealt, so that an item may go to another host next time.
    """
    if seed is None:
        return range(shard, count, shards)
    items = array(NUMBER, range(count))
    random.Random(f"{seed} {epoch}").shuffle(items)
    return items[shard::shards]


def feed_all(feed: Feed) -> None:
    """Feed one epoch after the other, until the program removes what it would read."""
    stream = _Stream(feed)
    make_fifo(feed, 0)
    with contextlib.suppress(FileNotFoundError):
        for epoch in itertools.count():
            make_fifo(feed, epoch + 1)
            fifo = fifo_of(feed, epoch)
            with contextlib.suppress(BrokenPipeError), _opened(fifo) as out:
                try:
                    stream.write(out, epoch)
                    out.flush()
                finally:
                    # before the end is seen: nobody must find one that is fed no more
                    fifo.unlink(missing_ok=True)


def _opened(fifo: Path) -> BinaryIO:
    """Waits for a reader. Raises FileNotFoundError for what is no FIFO any more."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NOFOLLOW)
    except OSError:
        raise FileNotFoundError from None
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
    return os.fdopen(descriptor, "wb", _CHUNK_BYTES)


class _Stream:
    """Holds eight bytes for each record and each object, and no content."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._place = Path(feed["stream"])
        self._lengths = array(NUMBER, (self._place / LENGTHS).read_bytes())
        self._ends = array(NUMBER, [0])
        with (self._place / RECORDS).open("rb") as records:
            for line in records:
                self._ends.append(self._ends[-1] + len(line))

    def write(self, out: BinaryIO, epoch: int) -> None:
        feed, ends = self._feed, self._ends
        if len(ends) == 1:
            return
        with (
            (self._place / RECORDS).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as records,
        ):
            for number in order(len(ends) - 1, feed["seed"], epoch, feed["shard"], feed["shards"]):
                self._write_record(out, json.loads(records[ends[number] : ends[number + 1]]))

    def _write_record(self, out: BinaryIO, parts: Iterable[str | int]) -> None:
        for part in parts:
            text = part.encode() if isinstance(part, str) else b""
            length = self._lengths[part] if isinstance(part, int) else len(text)
            if self._feed["wrapped"]:
                out.write(record_io.header(length))
            if isinstance(part, int):
                with self._object(part) as content:
                    shutil.copyfileobj(content, out, _CHUNK_BYTES)
            else:
                out.write(text)
            if self._feed["wrapped"]:
                out.write(record_io.padding(length))

    def _object(self, number: int) -> BinaryIO:
        path = self._place / OBJECTS / str(number)
        return cast(BinaryIO, gzip.open(path)) if self._feed["compressed"] else path.open("rb")
