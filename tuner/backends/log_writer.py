"""Turns an attempt's raw output into the stored log (format: `tuner.domain.log_format`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tuner.domain.log_format import (
    LINE_CAP,
    SEGMENT_BYTES,
    SEGMENTS_AHEAD,
    encode_line,
    segment_name,
)


class LogWriter:
    """Writes one attempt's segments, whole lines only. Not for use by several threads.

    With `go_on` it goes on behind what another writer left, less a last line that was cut off.
    Every method that writes raises OSError when the disk does not take it.
    """

    def __init__(self, directory: Path, *, go_on: bool = False) -> None:
        self._directory = directory
        self._offset = _mend(directory) if go_on else 0
        self._room = 0
        self._fd = -1

    def write(self, lines: bytes) -> None:
        """Append whole stored lines; they are in the file when this returns."""
        if self._room <= 0:
            self._roll()
        view = memoryview(lines)
        while view:
            view = view[os.write(self._fd, view) :]
        self._offset += len(lines)
        self._room -= len(lines)

    def _roll(self) -> None:
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / segment_name(self._offset)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._room = SEGMENT_BYTES

    def must_wait(self) -> bool:
        """Whether so much lies unread that no more may be written for now."""
        if self._room > 0:  # the directory grows at the end of a segment only
            return False
        return sum(1 for _ in self._directory.glob("*.log")) > SEGMENTS_AHEAD

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _mend(directory: Path) -> int:
    """Where a log ends, once a last line without its end is taken away."""
    last = max(directory.glob("*.log"), default=None)
    if last is None:
        return 0
    content = last.read_bytes()
    size = content.rfind(b"\n") + 1
    if size < len(content):
        os.truncate(last, size)
    return int(last.stem) + size


class LineSplitter:
    """Cuts one instance's bytes into stored lines; "\\r\\n" ends a line as "\\n" does.

    What was printed without a newline waits, at most `LINE_CAP` bytes of it: the rest of so
    long a line is dropped.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The stored lines that `data` completes, stamped with the time of arrival."""
        if b"\n" not in data:
            self._keep(data)
            return b""
        head, _, tail = data.rpartition(b"\n")
        lines = (bytes(self._rest) + head).replace(b"\r\n", b"\n").removesuffix(b"\r")
        self._rest.clear()
        self._keep(tail)
        return self._stored(lines)

    def finish(self) -> bytes:
        """The last line, when the program ended without a newline."""
        rest = bytes(self._rest)
        self._rest.clear()
        return self._stored(rest) if rest else b""

    def _keep(self, data: bytes) -> None:
        # One byte over the cap is enough to know that the line was cut.
        self._rest += data[: LINE_CAP + 1 - len(self._rest)]

    def _stored(self, lines: bytes) -> bytes:
        now = time.time_ns()
        if len(lines) > LINE_CAP:
            return b"".join(encode_line(now, self._host, line) for line in lines.split(b"\n"))
        stamp = b"%d %s " % (now, self._host.encode())
        return stamp + lines.replace(b"\n", b"\n" + stamp) + b"\n"
