"""Reads and trims the logs of attempts; the format is that of `tuner.domain.log_format`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tuner.domain.jobs import AttemptKey
from tuner.domain.log_format import SEGMENTS_KEPT_AT_EACH_END, decode_line
from tuner.domain.ports import LogLine

BLOCK_BYTES = 256 * 1024
TAIL_BYTES = 4 * 1024
# A line may have 256 KiB: a page of thousands of such lines would fill the memory.
PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Segment:
    """One file of a log. `start` and `end` are offsets; only an open one still grows."""

    path: Path
    start: int
    end: int
    open: bool


class SegmentedLogs:
    """Implements `Logs` of `tuner.domain.ports` in `DIRECTORY/JOB_ID-ATTEMPT/*.log`.

    Nothing is remembered between calls, so the writers may be other processes. Offsets count
    bytes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def directory(self, key: AttemptKey) -> Path:
        """It may not be there yet: the writer makes it."""
        return self._directory / str(key)

    def read(self, key: AttemptKey, offset: int, limit: int) -> tuple[Sequence[LogLine], int]:
        """Only an empty answer means that there is no more for now.

        A page also ends at about 4 MiB. A last line without its end is left for later. Where
        the log was trimmed there is one line that says so, with the time and host of the next.
        """
        lines: list[LogLine] = []
        size = 0
        for start, raw in self._stored_lines(key, offset):
            if len(lines) >= limit or size >= PAGE_BYTES:
                break
            line = _decoded(raw)
            if start > offset:
                text = f"[amtlocal: {start - offset} bytes of log dropped here]"
                lines.append(LogLine(line.time, line.host, text))
                offset = start
                if len(lines) >= limit:
                    break
            lines.append(line)
            offset = start + len(raw)
            size += len(raw)
        return lines, offset

    def size(self, key: AttemptKey) -> int:
        """The offset after the last whole line: where reading ends for now."""
        segments = self._segments(key)
        if not segments:
            return 0
        last = segments[-1]
        with last.path.open("rb") as file:
            return last.start + _whole_bytes(file, last.end - last.start)

    def trim(self, key: AttemptKey, read_offset: int) -> None:
        """Remove what was read, but for the segments that are kept at each end."""
        kept = SEGMENTS_KEPT_AT_EACH_END
        for segment in self._segments(key)[kept:-kept]:
            if segment.end <= read_offset:
                segment.path.unlink(missing_ok=True)

    def remove(self, key: AttemptKey) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.directory(key))

    def _segments(self, key: AttemptKey) -> list[_Segment]:
        """In order. Sizes are taken after the names, so those of closed segments are final."""
        paths: list[Path] = []
        with suppress(FileNotFoundError):
            paths = sorted(self.directory(key).glob("*.log"))
        segments = []
        for path in paths:
            with suppress(FileNotFoundError):  # trimmed meanwhile
                start = int(path.stem)
                end = start + path.stat().st_size
                segments.append(_Segment(path, start, end, open=path is paths[-1]))
        return segments

    def _stored_lines(self, key: AttemptKey, offset: int) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of each line that begins at `offset` or after it."""
        for segment in self._segments(key):
            if segment.end <= offset:
                continue
            start = max(offset, segment.start)
            with suppress(FileNotFoundError), segment.path.open("rb", buffering=0) as file:
                file.seek(start - segment.start)
                for raw in _lines(file, segment.open):
                    yield start, raw
                    start += len(raw)


def _lines(file: BinaryIO, is_open: bool) -> Iterator[bytes]:
    """Lines with their ends; in a closed file the rest is a line too (its writer was killed)."""
    rest = b""
    while block := file.read(BLOCK_BYTES):
        whole, end, tail = block.rpartition(b"\n")
        if not end:
            rest += tail
            continue
        for line in (rest + whole).split(b"\n"):
            yield line + b"\n"
        rest = tail
    if rest and not is_open:
        yield rest


def _decoded(raw: bytes) -> LogLine:
    try:
        return LogLine(*decode_line(raw))
    except ValueError:  # the writer was killed in the middle of it
        return LogLine(0, "", raw.decode(errors="replace").removesuffix("\n"))


def _whole_bytes(file: BinaryIO, size: int) -> int:
    """How many of the first `size` bytes are whole lines."""
    while size > 0:
        start = max(0, size - TAIL_BYTES)
        file.seek(start)
        found = file.read(size - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0
