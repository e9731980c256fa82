"""A channel in Pipe mode: what comes through the FIFO of its first epoch, read once."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class PipedFile:
    """All objects of a channel, one after the other, as a file that can be opened again."""

    name: str
    content: bytes

    def open(self, encoding: str, errors: str = "strict", newline: str | None = None) -> TextIO:
        return io.TextIOWrapper(io.BytesIO(self.content), encoding, errors, newline)


def read_pipe(place: Path) -> list[PipedFile]:
    """The data of the channel at `place`; nothing for a host that gets no object."""
    fifo = place.with_name(f"{place.name}_0")
    content = fifo.read_bytes()
    return [PipedFile(fifo.name, content)] if content else []
