"""The object store: an index in SQLite over immutable blobs.

    objects.db            which blob a key is
    blobs/, incoming/     see `tuner.store.blobs`

A blob is complete before its row is committed, and a replaced or deleted one is removed after
that commit is on the disk; what a crash leaves between the steps has no row and goes with the
next `sweep`. Safe against kill -9. What comes by `put` is not flushed, so a power cut may take
the last ones; what comes by `staging` and `commit` is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from tuner.domain.addresses import BUCKET_NAME, KEY_BYTES
from tuner.domain.buckets import (
    Attributes,
    Bucket,
    BucketNotEmpty,
    Folded,
    Guard,
    Source,
    Staged,
    StoredObject,
)
from tuner.domain.ports import ObjectInfo
from tuner.store.blobs import CHUNK_BYTES, Blobs, link
from tuner.store.blobs import copy as duplicate
from tuner.store.object_index import (
    INFO,
    ObjectIndex,
    bucket_of,
    delete_object,
    encoded,
    find_object,
    folded_page,
    info_of,
    make_bucket,
    put_object,
    to_json,
)
from tuner.store.uploads import FileUploads

__all__ = ["CHUNK_BYTES", "FileObjects"]

LIST_ROWS = 1000

Used = TypeVar("Used")


class FileObjects:
    """Implements `BucketStore` of `tuner.domain.buckets`; any number of threads may use one.

    Blob files are read-only and never change: a link to one stays what it was when the object is
    replaced or deleted. `put` raises ValueError for a name that S3 would not take, and OSError
    (with nothing changed) when the content cannot be stored.
    """

    def __init__(self, directory: Path) -> None:
        self._blobs = Blobs(directory)
        self._index = ObjectIndex(directory / "objects.db")
        self._uploads = FileUploads(self._index, self._blobs)

    def close(self) -> None:
        self._index.close()

    # ---- Objects -----------------------------------------------------------------------------

    def put(self, bucket: str, key: str, source: BinaryIO) -> ObjectInfo:
        _check_bucket_name(bucket)
        _check_key(key)
        content = self._blobs.write(source, durable=False)
        info = _info(bucket, key, content, content.md5)
        with self._blobs.loose(content.blob):
            with self._index.transaction() as connection:
                make_bucket(connection, bucket, None)
                old = delete_object(connection, bucket, key)
                put_object(connection, info, content.blob, Attributes(), {})
            self._blobs.keep(content.blob)
        self._discard([old])
        return info

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        query = f"SELECT {INFO} FROM object WHERE bucket = ? AND key = ?"
        with self._index.reading() as connection:
            row = connection.execute(query, (bucket, encoded(key))).fetchone()
        return info_of(row) if row else None

    def open(self, bucket: str, key: str) -> BinaryIO:
        return self.open_found(bucket, key)[1]

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Not one state of the store: what is put or deleted while listing may be missed."""
        start: bytes | None = b""
        while start is not None:
            with self._index.reading() as connection:
                page = folded_page(connection, bucket, encoded(prefix), b"", start, LIST_ROWS)
            for entry in page.entries:
                assert isinstance(entry, ObjectInfo)  # nothing folds without a delimiter
                yield entry
            start = page.next

    def link(self, bucket: str, key: str, target: Path, copy: bool) -> None:
        """Makes missing directories above `target`; raises FileExistsError if it is there.

        A link that cannot be made becomes a copy, read-only like a link.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        put = duplicate if copy else link
        self._with_found(bucket, key, lambda blob: put(self._blobs.path(blob), target))

    def delete(self, bucket: str, key: str) -> None:
        with self._index.transaction() as connection:
            old = delete_object(connection, bucket, key)
        self._discard([old])

    def sweep(self) -> int:
        """Remove what crashes left behind, and say how many files that were.

        For the owner of the directory, once after opening it.
        """
        with self._index.reading() as connection:
            used = {
                row[0]
                for row in connection.execute(
                    "SELECT blob FROM object UNION SELECT blob FROM part"
                )
            }
        return self._blobs.sweep(used)

    # ---- buckets -----------------------------------------------------------------------------

    @property
    def uploads(self) -> FileUploads:
        return self._uploads

    def create_bucket(self, name: str, location: str | None) -> bool:
        _check_bucket_name(name)
        with self._index.transaction() as connection:
            made = make_bucket(connection, name, location)
        self._index.flush()
        return made

    def bucket(self, name: str) -> Bucket:
        with self._index.reading() as connection:
            return bucket_of(connection, name)

    def buckets(self) -> Sequence[Bucket]:
        query = "SELECT name, creation_time, location FROM bucket ORDER BY name"
        with self._index.reading() as connection:
            return [Bucket(*row) for row in connection.execute(query)]

    def delete_bucket(self, name: str) -> None:
        with self._index.transaction() as connection:
            bucket_of(connection, name)
            if connection.execute(
                "SELECT 1 FROM object WHERE bucket = ? LIMIT 1", (name,)
            ).fetchone():
                raise BucketNotEmpty(name)
            parts = "SELECT blob FROM part JOIN upload ON upload.id = part.upload WHERE bucket = ?"
            blobs = [row[0] for row in connection.execute(parts, (name,))]
            connection.execute(
                "DELETE FROM part WHERE upload IN (SELECT id FROM upload WHERE bucket = ?)",
                (name,),
            )
            connection.execute("DELETE FROM upload WHERE bucket = ?", (name,))
            connection.execute("DELETE FROM bucket WHERE name = ?", (name,))
        self._index.flush()
        self._discard(blobs)

    # ---- objects over the wire ---------------------------------------------------------------

    @contextmanager
    def staging(self, source: Source) -> Iterator[Staged]:
        content = self._blobs.write(source, durable=True)
        with self._blobs.loose(content.blob):
            yield content

    @contextmanager
    def staging_copy(self, bucket: str, key: str) -> Iterator[tuple[StoredObject, Staged]]:
        found, blob = self._with_found(bucket, key, self._blobs.duplicate)
        with self._blobs.loose(blob):
            yield found, Staged(blob, found.info.size, found.info.etag)

    def commit(
        self,
        bucket: str,
        key: str,
        content: Staged,
        etag: str,
        attributes: Attributes,
        tags: Mapping[str, str],
        guard: Guard,
    ) -> ObjectInfo:
        _check_key(key)
        info = _info(bucket, key, content, etag)
        with self._index.transaction() as connection:
            bucket_of(connection, bucket)
            old = _replaceable(connection, bucket, key, guard)
            put_object(connection, info, content.blob, attributes, tags)
        self._blobs.keep(content.blob)
        self._index.flush()
        self._discard([old])
        return info

    def find(self, bucket: str, key: str) -> StoredObject | None:
        with self._index.reading() as connection:
            found = find_object(connection, bucket, key)
        return found[0] if found else None

    def open_found(self, bucket: str, key: str) -> tuple[StoredObject, BinaryIO]:
        return self._with_found(bucket, key, lambda blob: self._blobs.path(blob).open("rb"))

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        with self._index.transaction() as connection:
            changed = connection.execute(
                "UPDATE object SET tags = ? WHERE bucket = ? AND key = ?",
                (to_json(tags), bucket, encoded(key)),
            )
            if not changed.rowcount:
                raise _no_object(bucket, key)
        self._index.flush()

    def remove(self, bucket: str, keys: Iterable[str], guard: Guard) -> None:
        with self._index.transaction() as connection:
            bucket_of(connection, bucket)
            old = []
            for key in keys:
                _replaceable(connection, bucket, key, guard)
                old.append(delete_object(connection, bucket, key))
        self._index.flush()
        self._discard(old)

    def page(self, bucket: str, prefix: str, delimiter: str, start: bytes, limit: int) -> Folded:
        with self._index.reading() as connection:
            bucket_of(connection, bucket)
            return folded_page(
                connection, bucket, encoded(prefix), encoded(delimiter), start, limit
            )

    # ---- blobs -------------------------------------------------------------------------------

    def _discard(self, blobs: Iterable[str | None]) -> None:
        """Remove what no row names any more."""
        gone = [blob for blob in blobs if blob is not None]
        if gone:
            self._index.flush()  # or a power cut could bring a row back without its blob
        for blob in gone:
            self._blobs.discard(blob)

    def _with_found(
        self, bucket: str, key: str, use: Callable[[str], Used]
    ) -> tuple[StoredObject, Used]:
        """The object and `use(blob)`, again if it was replaced before it could be used."""
        missing = None
        while True:
            with self._index.reading() as connection:
                found = find_object(connection, bucket, key)
            if found is None:
                raise _no_object(bucket, key)
            stored, blob = found
            try:
                return stored, use(blob)
            except FileNotFoundError:
                if blob == missing:
                    raise
                missing = blob


def _replaceable(
    connection: sqlite3.Connection, bucket: str, key: str, guard: Guard
) -> str | None:
    """The blob that goes when the object is replaced; raises what `guard` raises."""
    found = find_object(connection, bucket, key)
    guard(found[0] if found else None)
    return found[1] if found else None


def _info(bucket: str, key: str, content: Staged, etag: str) -> ObjectInfo:
    return ObjectInfo(
        bucket=bucket, key=key, size=content.size, etag=etag, last_modified=time.time()
    )


def _no_object(bucket: str, key: str) -> KeyError:
    return KeyError(f"there is no object s3://{bucket}/{key}")


def _check_bucket_name(name: str) -> None:
    if not BUCKET_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a legal bucket name")


def _check_key(key: str) -> None:
    size = len(encoded(key))
    if not 0 < size <= KEY_BYTES:
        raise ValueError(f"a key has 1 to {KEY_BYTES} bytes; this one has {size}")
