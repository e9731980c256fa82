"""The object store: an index in SQLite over immutable blobs.

    objects.db            which blob a key is
    blobs/3f/3f09…        the blobs, read-only, named by a random id
    incoming/3f09…        what is being written

A blob is complete before its row is committed, and a replaced or deleted one is removed after;
what a crash leaves between the steps has no row and goes with the next `sweep`. Safe against
kill -9; blobs are not flushed, so a power cut may take the last ones.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from tuner.domain.addresses import BUCKET_NAME, KEY_BYTES
from tuner.domain.ports import ObjectInfo
from tuner.store import schema
from tuner.store.connections import Readers, open_writer

CHUNK_BYTES = 1024 * 1024
LIST_ROWS = 1000

Used = TypeVar("Used")

# Where links cannot be made: another file system, too many links, not supported, not permitted.
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EPERM}


class FileObjects:
    """Implements `Objects` of `tuner.domain.ports`; any number of threads may read and write.

    Blob files are read-only and never change: a link to one stays what it was when the object is
    replaced or deleted. `put` raises ValueError for a name that S3 would not take, and OSError
    (with nothing changed) when the content cannot be stored.
    """

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._incoming = directory / "incoming"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        index = directory / "objects.db"
        self._writer = open_writer(index)
        try:
            schema.migrate(self._writer, schema.OBJECTS)
        except BaseException:
            self._writer.close()
            raise
        self._writing = threading.Lock()
        self._readers = Readers(index)
        self._opened = self._file_time()

    def close(self) -> None:
        self._readers.close()
        self._writer.close()

    def put(self, bucket: str, key: str, source: BinaryIO) -> ObjectInfo:
        if not BUCKET_NAME.fullmatch(bucket):
            raise ValueError(f"{bucket!r} is not a legal bucket name")
        raw_key = _encoded(key)
        if not 0 < len(raw_key) <= KEY_BYTES:
            raise ValueError(f"a key has 1 to {KEY_BYTES} bytes; this one has {len(raw_key)}")
        blob, size, etag = self._store(source)
        now = time.time()
        try:
            with self._transaction():
                old = self._blob_of(bucket, raw_key)
                self._writer.execute(
                    "INSERT INTO bucket VALUES (?, ?) ON CONFLICT DO NOTHING", (bucket, now)
                )
                self._writer.execute(
                    "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?)",
                    (bucket, raw_key, blob, size, etag, now),
                )
        except BaseException:
            self._discard(blob)
            raise
        self._discard(old)
        return ObjectInfo(bucket=bucket, key=key, size=size, etag=etag, last_modified=now)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        query = "SELECT key, size, etag, last_modified FROM object WHERE bucket = ? AND key = ?"
        with self._readers.reading() as connection:
            row = connection.execute(query, (bucket, _encoded(key))).fetchone()
        return _info(bucket, row) if row else None

    def open(self, bucket: str, key: str) -> BinaryIO:
        return self._with_blob(bucket, key, lambda path: path.open("rb"))

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Not one state of the store: what is put or deleted while listing may be missed."""
        raw_prefix = _encoded(prefix)
        query = (
            "SELECT key, size, etag, last_modified FROM object"
            " WHERE bucket = ? AND key {} ? ORDER BY key LIMIT ?"
        )
        comparison, start = ">=", raw_prefix
        while True:
            with self._readers.reading() as connection:
                rows = connection.execute(
                    query.format(comparison), (bucket, start, LIST_ROWS)
                ).fetchall()
            for row in rows:
                if not row[0].startswith(raw_prefix):
                    return
                yield _info(bucket, row)
            if len(rows) < LIST_ROWS:
                return
            comparison, start = ">", rows[-1][0]

    def link(self, bucket: str, key: str, target: Path, copy: bool) -> None:
        """Makes missing directories above `target`; raises FileExistsError if it is there.

        A link that cannot be made becomes a copy, read-only like a link.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        put = _copy if copy else _link
        self._with_blob(bucket, key, lambda blob: put(blob, target))

    def delete(self, bucket: str, key: str) -> None:
        with self._transaction():
            old = self._blob_of(bucket, _encoded(key))
            self._writer.execute(
                "DELETE FROM object WHERE bucket = ? AND key = ?", (bucket, _encoded(key))
            )
        self._discard(old)

    def sweep(self) -> int:
        """Remove what crashes left behind, and say how many files that were.

        Only files older than this object are looked at: younger ones may be about to get their
        row. For the owner of the directory, once after opening it.
        """
        with self._readers.reading() as connection:
            used = {row[0] for row in connection.execute("SELECT blob FROM object")}
        orphans = [
            path
            for path in (*self._incoming.iterdir(), *self._blobs.glob("*/*"))
            if path.name not in used and path.stat().st_mtime_ns < self._opened
        ]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    # ---- blobs -------------------------------------------------------------------------------

    def _path(self, blob: str) -> Path:
        return self._blobs / blob[:2] / blob

    def _store(self, source: BinaryIO) -> tuple[str, int, str]:
        """A new blob with all that `source` gives: `(id, size, MD5)`."""
        blob, size, digest = uuid.uuid4().hex, 0, hashlib.md5(usedforsecurity=False)
        incoming, path = self._incoming / blob, self._path(blob)
        try:
            with incoming.open("xb") as file:
                while chunk := source.read(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                os.fchmod(file.fileno(), 0o444)
            path.parent.mkdir(exist_ok=True)
            incoming.rename(path)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise
        return blob, size, digest.hexdigest()

    def _discard(self, blob: str | None) -> None:
        # An error leaves an orphan, which is not the caller's concern.
        if blob is not None:
            with suppress(OSError):
                self._path(blob).unlink()

    def _with_blob(self, bucket: str, key: str, use: Callable[[Path], Used]) -> Used:
        """`use(path)` of the object's blob, again if it was replaced before it could be used."""
        query = "SELECT blob FROM object WHERE bucket = ? AND key = ?"
        missing = None
        while True:
            with self._readers.reading() as connection:
                row = connection.execute(query, (bucket, _encoded(key))).fetchone()
            if row is None:
                raise KeyError(f"there is no object s3://{bucket}/{key}")
            try:
                return use(self._path(row[0]))
            except FileNotFoundError:
                if row[0] == missing:
                    raise
                missing = row[0]

    def _blob_of(self, bucket: str, raw_key: bytes) -> str | None:
        query = "SELECT blob FROM object WHERE bucket = ? AND key = ?"
        row = self._writer.execute(query, (bucket, raw_key)).fetchone()
        return row[0] if row else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def _file_time(self) -> int:
        """Now, by the clock that files are stamped with (it may be behind the system's)."""
        probe = self._incoming / uuid.uuid4().hex
        probe.touch()
        stamp = probe.stat().st_mtime_ns
        probe.unlink()
        return stamp


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", errors="surrogatepass")


def _info(bucket: str, row: tuple[bytes, int, str, float]) -> ObjectInfo:
    key, size, etag, last_modified = row
    return ObjectInfo(
        bucket=bucket,
        key=key.decode("utf-8", errors="surrogatepass"),
        size=size,
        etag=etag,
        last_modified=last_modified,
    )


def _link(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(blob, target)
        target.chmod(0o444)


def _copy(blob: Path, target: Path) -> None:
    with blob.open("rb") as source, target.open("xb") as copy:
        try:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
