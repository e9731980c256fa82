"""The checkpoints of one instance, and what S3 has of them.

Nothing that the program does to its directory leads out of it, and no object is half a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tuner.domain.addresses import KEY_BYTES
from tuner.domain.errors import told_of
from tuner.domain.ports import Objects
from tuner.training.sources import is_marker, object_paths, split_uri

_LOOKING_SHARE = 20
"""To look takes at most one part in so many of the time, however many files there are."""
_FILES_PER_PASS = 100
_BYTES_PER_PASS = 256 * 1024 * 1024
_LOOKS_WITHOUT_REST = 5
"""A file that never rests is stored after so many looks if it does not change while it is read."""
_IGNORED = ".sagemaker-ignore"
"""A file that is still written may be named so (aws/sagemaker-xgboost-container)."""
_RECORD = "checkpoints.json"

Stamp = tuple[int, int, int]
"""Size, time of the last change in nanoseconds and inode of a file: another one, other content."""


class CheckpointError(Exception):
    """Checkpoints could not be stored; the text says why."""


class CheckpointDirectory:
    """The checkpoints of one instance: `below` its tree.

    `_stored` are the files that S3 has from here, each with its stamp; None for one that is
    about to be stored: it is on record before the object is there, so that its deletion is
    never missed.
    """

    def __init__(self, objects: Objects, uri: str, tree: Path, below: str) -> None:
        self._objects = objects
        self._bucket, prefix = split_uri(uri)
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self._tree = tree
        self._below = below
        self._record = tree.parent / _RECORD
        self._lock = threading.Lock()
        self._closed = False
        self._due = 0.0
        self._seen: dict[str, Stamp] | None = None
        self._restless: dict[str, int] = {}
        self.complaint: str | None = None
        """What was last wrong with it."""
        self._stored = self._recall()

    def provide(self) -> None:
        place = self._tree / self._below
        place.mkdir(parents=True, exist_ok=True)
        found = [
            info for info in self._objects.list(self._bucket, self._prefix) if not is_marker(info)
        ]
        for path, info in object_paths("checkpoints", self._prefix, found).items():
            with contextlib.suppress(KeyError):  # deleted meanwhile
                self._objects.link(info.bucket, info.key, place / path, copy=True)
                os.utime(place / path, (info.last_modified, info.last_modified))
        self._stored = {**self._files()}
        self._remember()

    def store_some(self) -> None:
        """Store what was the same in two looks, as much as is due in one pass."""
        with self._lock:
            if not self._closed and time.monotonic() >= self._due:
                self._store(final=False)

    def store_all(self) -> None:
        """Store everything as it is, and nothing from then on."""
        with self._lock:
            if not self._closed:
                self._store(final=True)
                self._closed = True

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _store(self, *, final: bool) -> None:
        try:
            changes = self._changes(final)
            if changes.new or changes.gone:
                self._apply(changes, final)
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"The checkpoints could not be stored: {told_of(error)}"
            ) from error

    def _changes(self, final: bool) -> _Changes:
        began = time.monotonic()
        try:
            files = self._files()
        except (FileNotFoundError, NotADirectoryError):
            return _Changes({}, [])  # without its directory nobody says what S3 is to have
        ended = time.monotonic()
        self._due = ended + _LOOKING_SHARE * (ended - began)
        before, self._seen = self._seen, files
        if final:
            before = files
        elif before is None:
            return _Changes({}, [])
        other = {path: stamp for path, stamp in files.items() if self._stored.get(path) != stamp}
        self._restless = {
            path: self._restless.get(path, 0) + 1
            for path, stamp in other.items()
            if before.get(path) != stamp
        }
        new = {
            path: stamp
            for path, stamp in other.items()
            if self._restless.get(path, _LOOKS_WITHOUT_REST) >= _LOOKS_WITHOUT_REST
        }
        gone = [path for path in self._stored if path not in files and path not in before]
        return _Changes(new, gone) if final else _Changes(_due_now(new), gone[:_FILES_PER_PASS])

    def _apply(self, changes: _Changes, final: bool) -> None:
        """First what is new, then what is gone, so that there is always a whole checkpoint; and
        what was written last, which may point to the rest, comes last."""
        self._stored = {**dict.fromkeys(changes.new), **self._stored}
        self._remember()
        try:
            for path, stamp in sorted(changes.new.items(), key=lambda item: item[1][1]):
                if self._put(path, stamp):
                    self._stored[path] = stamp
                    self._restless.pop(path, None)
                elif final:
                    raise OSError(f"{path} cannot be read")
            for path in changes.gone:
                self._objects.delete(self._bucket, self._prefix + path)
                del self._stored[path]
        finally:
            self._remember()

    def _put(self, path: str, stamp: Stamp) -> bool:
        """Store one file; false when it changed or went before that was done."""
        if stamp[0] > shutil.disk_usage(self._tree).free:  # also one with holes
            raise OSError(f"{path} has {stamp[0]:,} bytes, more than the disk has room for")
        try:
            handle = _opened(self._tree, f"{self._below}/{path}", os.O_NONBLOCK)
        except OSError:
            return False
        with open(handle, "rb") as file:  # noqa: PTH123
            try:
                whole = cast(BinaryIO, _Whole(file, stamp))
                self._objects.put(self._bucket, self._prefix + path, whole)
            except _Changed:
                return False
        return True

    def _files(self) -> dict[str, Stamp]:
        """Regular files with names that keys can have. Links are not followed."""
        found: dict[str, Stamp] = {}
        top = _opened(self._tree, self._below, os.O_DIRECTORY)
        try:
            for place, _, names, handle in os.fwalk(".", dir_fd=top, onerror=_refuse):
                for name in names:
                    path = posixpath.normpath(f"{place}/{name}")
                    with contextlib.suppress(FileNotFoundError):
                        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode) and self._storable(path):
                            found[path] = _stamp(status)
        finally:
            os.close(top)
        return found

    def _storable(self, path: str) -> bool:
        try:
            fits = len((self._prefix + path).encode()) <= KEY_BYTES
        except UnicodeEncodeError:
            fits = False
        return fits and not path.endswith(_IGNORED)

    # ---- on disk -----------------------------------------------------------------------------

    def _recall(self) -> dict[str, Stamp | None]:
        try:
            stored = json.loads(self._record.read_bytes())
        except FileNotFoundError:
            return {}
        return {path: stamp and (stamp[0], stamp[1], stamp[2]) for path, stamp in stored.items()}

    def _remember(self) -> None:
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(self._stored))
        draft.replace(self._record)


@dataclass(frozen=True, slots=True)
class _Changes:
    """What S3 is to get, and what it is to lose."""

    new: Mapping[str, Stamp]
    gone: Sequence[str]


def _due_now(new: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
    """The oldest of them, as many as one pass takes; one at least."""
    due: dict[str, Stamp] = {}
    size = 0
    for path, stamp in sorted(new.items(), key=lambda item: item[1][1])[:_FILES_PER_PASS]:
        size += stamp[0]
        if due and size > _BYTES_PER_PASS:
            break
        due[path] = stamp
    return due


class _Changed(Exception):
    """A file is no longer what it was."""


class _Whole:
    """A file that can only be read to its end if it stays what it is."""

    def __init__(self, file: BinaryIO, stamp: Stamp) -> None:
        self._file = file
        self._stamp = stamp
        self._check()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        if not data:
            self._check()
        return data

    def _check(self) -> None:
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode) or _stamp(status) != self._stamp:
            raise _Changed


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _refuse(error: OSError) -> None:
    """A directory that went is no error; one that cannot be read is not taken for empty."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _opened(top: Path, path: str, flags: int) -> int:
    """Open a path below a directory; the caller closes it. Raises OSError where a part of it is
    a link: the program may have put it there to lead us elsewhere."""
    handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    *parts, last = path.split("/")
    for part, how in (*((part, os.O_DIRECTORY) for part in parts), (last, flags)):
        try:
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | how, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle
