"""Answers, and content that is sent from its file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024

Headers = Sequence[tuple[str, str]]


class Window(io.RawIOBase):
    """`size` bytes of `file` from `start` on, as a file of its own; closes the whole."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        file.seek(start)

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self.size}[whence]
        return self._file.seek(self._start + base + offset) - self._start

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Response:
    """`content` is a document, or what an object contains."""

    status: int = 200
    headers: Headers = ()
    content: bytes | Window = b""

    @property
    def length(self) -> int:
        return self.content.size if isinstance(self.content, Window) else len(self.content)


def xml(content: bytes, headers: Headers = ()) -> Response:
    return Response(200, (*headers, ("Content-Type", "application/xml")), content)


class Blocks:
    """The content for servers that send no files by themselves."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def __iter__(self) -> Iterator[bytes]:
        while block := self._window.read(BLOCK_BYTES):
            yield block

    def close(self) -> None:
        self._window.close()
