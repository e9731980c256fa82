"""From the engine's log of each container to the stored log of an attempt, without loss or repeat.

The engine keeps what a container printed, in order and with time stamps, until the container is
removed. So a reader that starts again only has to know how much of it is stored already: of the
engine's lines from some second on, those that are stored are the first.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.backends.log_writer import LogWriter
from tuner.domain.log_format import LINE_CAP, decode_line, encode_line

_HEADER_BYTES = 8
_SECOND = 10**9
_MARGIN_SECONDS = 1
"""The two streams of a container are stamped before they are put in order."""
_PENDING_BYTES = 1 << 20
_LOOK_AT_FULL_LOG_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on reading: ask from second `since`, and drop the first `skip` lines."""

    since: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line as the engine has it: `time` in nanoseconds since the epoch."""

    time: int
    text: bytes


class Lines:
    """Lines out of a log request's frames.

    A frame is a header (stream, three zeros, size as four bytes) and `STAMP TEXT`; the engine
    cuts lines of more than 16 KiB into several that have the same stamp, all but the last
    without a newline.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._parts: dict[int, tuple[int, bytearray]] = {}
        self._second = b""
        self._epoch = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        self._data += data
        start = 0
        while len(self._data) >= start + _HEADER_BYTES:
            size = int.from_bytes(self._data[start + 4 : start + _HEADER_BYTES], "big")
            end = start + _HEADER_BYTES + size
            if len(self._data) < end:
                break
            line = self._frame(self._data[start], bytes(self._data[start + _HEADER_BYTES : end]))
            if line is not None:
                yield line
            start = end
        del self._data[:start]

    def finish(self) -> Iterator[Line]:
        """What was printed last without a newline."""
        for stamp, text in self._parts.values():
            yield Line(stamp, bytes(text).removesuffix(b"\r"))
        self._parts.clear()

    def _frame(self, stream: int, payload: bytes) -> Line | None:
        stamp, _, text = payload.partition(b" ")
        whole = text.endswith(b"\n")
        held = self._parts.get(stream)
        if whole and held is None:
            return Line(self._nanoseconds(stamp), text[:-1].removesuffix(b"\r"))
        if held is None:
            held = self._parts[stream] = (self._nanoseconds(stamp), bytearray())
        # one byte over the cap is enough to know that the line was cut
        held[1].extend(text[: max(0, LINE_CAP + 1 - len(held[1]))])
        if not whole:
            return None
        del self._parts[stream]
        return Line(held[0], bytes(held[1]).removesuffix(b"\n").removesuffix(b"\r"))

    def _nanoseconds(self, stamp: bytes) -> int:
        second, _, fraction = stamp.rstrip(b"Z").partition(b".")
        if second != self._second:
            self._epoch = calendar.timegm(time.strptime(second.decode(), "%Y-%m-%dT%H:%M:%S"))
            self._second = second
        return self._epoch * _SECOND + int(fraction[:9].ljust(9, b"0"))


class AttemptLog:
    """The stored log of one attempt, written by the readers of all its containers.

    Lines wait a moment, so that those of several hosts can be put in the order of their stamps;
    `flush` stores what waits. `position` tells each reader where to begin.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer = LogWriter(directory, go_on=True)
        self._lock = threading.Lock()
        self._pending: list[tuple[int, bytes]] = []
        self._pending_bytes = 0
        self._latest: dict[str, int] = {}
        self._closed = False

    def position(self, host: str) -> Resume:
        with self._lock:
            self._store()
            return resume(self._directory, host)

    def add(self, host: str, lines: Iterable[Line]) -> bool:
        """Take lines of one host, in its order; whether there were any. Waits while too much of
        the log is unread. Raises OSError when the disk does not take them."""
        added = False
        with self._lock:
            latest = self._latest.get(host, 0)
            for line in lines:
                latest = max(latest, line.time)
                stored = encode_line(line.time, host, line.text)
                self._pending.append((latest, stored))
                self._pending_bytes += len(stored)
                added = True
            self._latest[host] = latest
            if self._pending_bytes > _PENDING_BYTES:
                self._store()
        while self._is_full():
            time.sleep(_LOOK_AT_FULL_LOG_EVERY)
        return added

    def flush(self) -> None:
        """Raises OSError when the disk does not take it."""
        with self._lock:
            self._store()

    def close(self) -> None:
        """Nothing is written any more from now on; what waits comes from the engine again."""
        with self._lock:
            self._closed = True
            self._pending.clear()
            self._writer.close()

    def _is_full(self) -> bool:
        with self._lock:
            return not self._closed and self._writer.must_wait()

    def _store(self) -> None:
        if self._closed or not self._pending:
            return
        self._pending.sort(key=lambda item: item[0])  # stable: a host's lines keep their order
        lines = b"".join(stored for _, stored in self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        self._writer.write(lines)


def resume(directory: Path, host: str) -> Resume:
    """What of a host's lines is stored."""
    stamps: list[int] = []
    latest = 0
    for stamp in _newest_first(directory, host):
        latest = max(latest, stamp)
        if stamp < (_since(latest) - _MARGIN_SECONDS) * _SECOND:
            break
        stamps.append(stamp)
    if not stamps:
        return Resume()
    since = _since(latest)
    return Resume(since, sum(1 for stamp in stamps if stamp >= since * _SECOND))


def _since(latest: int) -> int:
    return max(0, latest // _SECOND - _MARGIN_SECONDS)


def _newest_first(directory: Path, host: str) -> Iterator[int]:
    """The stamps of a host's lines from the last one back."""
    for path in sorted(directory.glob("*.log"), reverse=True):
        for raw in reversed(path.read_bytes().split(b"\n")[:-1]):
            stamp, found, _ = decode_line(raw)
            if found == host:
                yield stamp
