"""Follow HOME/access.log, of which the owner moves the old part to access.log.1 now and then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class AccessLog:
    """What is written from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = b""
        self._stream = self._opened()
        if self._stream is not None:
            self._stream.seek(0, os.SEEK_END)

    def show(self) -> None:
        for line in self.new_lines():
            print(line, flush=True)

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
