"""Follow HOME/access.log, of which the owner moves the old part to access.log.1 now and then."""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

_LONGEST = 4000


class AccessLog:
    """What is written from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = b""
        self._unshown: deque[str] = deque()
        self._stream = self._opened()
        if self._stream is not None:
            self._stream.seek(0, os.SEEK_END)

    def show(self) -> None:
        """Print the new lines for as long as somebody takes them; the others stay for later."""
        if not self._unshown:
            self._unshown.extend(self.new_lines())
        while self._unshown and say(self._unshown[0], sys.stdout):
            self._unshown.popleft()

    def new_lines(self) -> Iterator[str]:
        """The whole lines since the last call, with nothing a terminal would obey."""
        yield from self._read()
        if self._moved():
            yield from self._read()  # what was written before it was moved
            if self._stream is not None:
                self._stream.close()
            self._stream = self._opened()
            yield from self._read()

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _read(self) -> Iterator[str]:
        if self._stream is None:
            return
        *lines, self._begun = (self._begun + self._stream.read()).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            yield "".join(letter if letter.isprintable() else "?" for letter in text)

    def _moved(self) -> bool:
        if self._stream is None:
            return True
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._stream.fileno()))
        except FileNotFoundError:
            return False


def say(line: str, stream: TextIO | None) -> bool:
    """Print a line, unless that means to wait for whoever reads it; false if it does.

    A pipe that polls as writable has room for 4 KiB. Python has no stream where the descriptor
    was closed.
    """
    if stream is None:
        return True
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    if not poll.poll(0):
        return False
    print(line[:_LONGEST], file=stream, flush=True)
    return True
