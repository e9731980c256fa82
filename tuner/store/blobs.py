"""Immutable files named by random ids.

    blobs/3f/3f09…        the blobs, read-only
    incoming/3f09…        what is being written

A blob is complete before anybody learns its id. What a crash leaves has no row in the index and
goes with the next `sweep`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tuner.domain.buckets import Source, Staged

CHUNK_BYTES = 1024 * 1024

# Where links cannot be made: another file system, too many links, not supported, not permitted.
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EPERM}
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM}


class Blobs:
    """Any number of threads may use one; `durable` ones are on the disk when a method returns."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._incoming = directory / "incoming"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        self._opened = self._file_time()
        self._loose: set[str] = set()

    def path(self, blob: str) -> Path:
        return self._blobs / blob[:2] / blob

    def write(self, source: Source, *, durable: bool) -> Staged:
        """A new blob with all that `source` gives."""
        size, digest = 0, hashlib.md5(usedforsecurity=False)

        def fill(file: BinaryIO) -> None:
            nonlocal size
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)

        blob = self._make(fill, durable=durable)
        return Staged(blob, size, digest.hexdigest())

    def join(self, blobs: Sequence[str]) -> str:
        """A new durable blob with the contents of `blobs` one after the other.

        Raises FileNotFoundError when one of them is gone.
        """

        def fill(file: BinaryIO) -> None:
            for blob in blobs:
                with self.path(blob).open("rb") as part:
                    _append(part, file)

        return self._make(fill, durable=True)

    def duplicate(self, blob: str) -> str:
        """A second, durable name for the content of `blob`, with a life of its own.

        Raises FileNotFoundError when it is gone.
        """
        new = uuid.uuid4().hex
        path = self._place(new, durable=True)
        try:
            link(self.path(blob), path)
            _flush(path)
            _flush(path.parent)
        except BaseException:
            self.discard(new)
            raise
        return new

    def discard(self, blob: str) -> None:
        # An error leaves an orphan, which is not the caller's concern.
        with suppress(OSError):
            self.path(blob).unlink()

    @contextmanager
    def loose(self, blob: str) -> Iterator[None]:
        """Discard `blob` on leaving, unless it was handed to `keep`."""
        self._loose.add(blob)
        try:
            yield
        finally:
            if blob in self._loose:
                self._loose.remove(blob)
                self.discard(blob)

    def keep(self, blob: str) -> None:
        """A committed row names it now."""
        self._loose.discard(blob)

    def sweep(self, used: Collection[str]) -> int:
        """Remove what crashes left behind, and say how many files that were.

        Only files older than this object are looked at: younger ones may be about to get their
        row. (By ctime: a link that was just made has the mtime of what it links to.)
        """
        orphans = [
            path
            for path in (*self._incoming.iterdir(), *self._blobs.glob("*/*"))
            if path.name not in used and path.lstat().st_ctime_ns < self._opened
        ]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def _make(self, fill: Callable[[BinaryIO], None], *, durable: bool) -> str:
        blob = uuid.uuid4().hex
        incoming = self._incoming / blob
        try:
            with incoming.open("xb") as file:
                fill(file)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                path = self._place(blob, durable=durable)
                incoming.rename(path)
                if durable:
                    os.fsync(file.fileno())
            if durable:
                _flush(path.parent)
        except BaseException:
            incoming.unlink(missing_ok=True)
            self.discard(blob)
            raise
        return blob

    def _place(self, blob: str, *, durable: bool) -> Path:
        path = self.path(blob)
        try:
            path.parent.mkdir()
        except FileExistsError:
            return path
        if durable:
            _flush(self._blobs)
        return path

    def _file_time(self) -> int:
        """Now, by the clock that files are stamped with (it may be behind the system's)."""
        probe = self._incoming / uuid.uuid4().hex
        probe.touch()
        stamp = probe.stat().st_ctime_ns
        probe.unlink()
        return stamp


def link(source: Path, target: Path) -> None:
    """A hard link, or a read-only copy where there can be none."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy(source, target)
        target.chmod(0o444)


def copy(source: Path, target: Path) -> None:
    with source.open("rb") as content, target.open("xb") as file:
        try:
            _append(content, file)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _append(source: BinaryIO, target: BinaryIO) -> None:
    """All that is left of `source` at the end of `target`; by the kernel where it can."""
    if hasattr(os, "copy_file_range"):
        target.flush()
        try:
            while os.copy_file_range(source.fileno(), target.fileno(), 64 * CHUNK_BYTES):
                pass
            return
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
    shutil.copyfileobj(source, target, CHUNK_BYTES)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
