"""The index of the object store: its SQLite file, and its rows as records."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cattrs

from tuner.domain.buckets import (
    Attributes,
    Bucket,
    Checksums,
    Folded,
    NoSuchBucket,
    Part,
    StoredObject,
    Upload,
)
from tuner.domain.ports import ObjectInfo
from tuner.store import schema
from tuner.store.connections import Readers, open_writer

INFO = "bucket, key, size, etag, last_modified"
OBJECT = f"{INFO}, attributes, tags"
UPLOAD = "id, bucket, key, attributes, tags, initiated"
PART = "number, blob, size, etag, checksums, last_modified"

_converter = cattrs.Converter(omit_if_default=True)


class ObjectIndex:
    """One writer at a time, any number of readers.

    A commit is safe against kill -9; `flush` makes all commits so far safe against a power cut.
    It runs outside the lock, so that writers at the same time share the disk's work.
    """

    def __init__(self, path: Path) -> None:
        self.writer = open_writer(path)
        try:
            schema.migrate(self.writer, schema.OBJECTS)
            # A write makes the log, which stays the same file until the writer is closed.
            self.writer.execute("UPDATE meta SET value = value WHERE name = 'schema'")
            self._log = path.with_name(f"{path.name}-wal").open("rb", buffering=0)
        except BaseException:
            self.writer.close()
            raise
        self._writing = threading.Lock()
        readers = Readers(path)
        self.reading = readers.reading
        self._close_readers = readers.close

    def close(self) -> None:
        self._close_readers()
        self.writer.close()
        self._log.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
                self.writer.execute("COMMIT")
            finally:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")

    def flush(self) -> None:
        os.fsync(self._log.fileno())


# ---- statements ------------------------------------------------------------------------------


def make_bucket(connection: sqlite3.Connection, name: str, location: str | None) -> bool:
    """False when it is there."""
    made = connection.execute(
        "INSERT INTO bucket (name, creation_time, location) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (name, time.time(), location),
    )
    return made.rowcount > 0


def bucket_of(connection: sqlite3.Connection, name: str) -> Bucket:
    """Raises NoSuchBucket."""
    query = "SELECT name, creation_time, location FROM bucket WHERE name = ?"
    row = connection.execute(query, (name,)).fetchone()
    if row is None:
        raise NoSuchBucket(name)
    return Bucket(*row)


def find_object(
    connection: sqlite3.Connection, bucket: str, key: str
) -> tuple[StoredObject, str] | None:
    """The object and its blob."""
    query = f"SELECT blob, {OBJECT} FROM object WHERE bucket = ? AND key = ?"
    row = connection.execute(query, (bucket, encoded(key))).fetchone()
    return (object_of(row[1:]), row[0]) if row else None


def put_object(
    connection: sqlite3.Connection,
    info: ObjectInfo,
    blob: str,
    attributes: Attributes,
    tags: Mapping[str, str],
) -> None:
    connection.execute(
        f"INSERT OR REPLACE INTO object (blob, {OBJECT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            blob,
            info.bucket,
            encoded(info.key),
            info.size,
            info.etag,
            info.last_modified,
            to_json(attributes),
            to_json(tags),
        ),
    )


def delete_object(connection: sqlite3.Connection, bucket: str, key: str) -> str | None:
    """The blob that no row names any more."""
    row = connection.execute(
        "DELETE FROM object WHERE bucket = ? AND key = ? RETURNING blob", (bucket, encoded(key))
    ).fetchone()
    return row[0] if row else None


# ---- rows ------------------------------------------------------------------------------------


def encoded(key: str) -> bytes:
    return key.encode("utf-8", errors="surrogatepass")


def decoded(key: bytes) -> str:
    return key.decode("utf-8", errors="surrogatepass")


def to_json(value: Attributes | Checksums | Mapping[str, str]) -> str:
    return json.dumps(_converter.unstructure(value), separators=(",", ":"))


def info_of(row: tuple[Any, ...]) -> ObjectInfo:
    """Of the columns `INFO`."""
    bucket, key, size, etag, last_modified = row
    return ObjectInfo(
        bucket=bucket, key=decoded(key), size=size, etag=etag, last_modified=last_modified
    )


def object_of(row: tuple[Any, ...]) -> StoredObject:
    """Of the columns `OBJECT`."""
    *info, attributes, tags = row
    return StoredObject(info_of(tuple(info)), _attributes_of(attributes), json.loads(tags))


def upload_of(row: tuple[Any, ...]) -> Upload:
    """Of the columns `UPLOAD`."""
    upload, bucket, key, attributes, tags, initiated = row
    return Upload(
        id=upload,
        bucket=bucket,
        key=decoded(key),
        attributes=_attributes_of(attributes),
        tags=json.loads(tags),
        initiated=initiated,
    )


def part_of(row: tuple[Any, ...]) -> Part:
    """Of the columns `PART`."""
    number, blob, size, etag, checksums, last_modified = row
    return Part(
        number=number,
        blob=blob,
        size=size,
        etag=etag,
        checksums=_converter.structure(json.loads(checksums), Checksums),
        last_modified=last_modified,
    )


def _attributes_of(text: str) -> Attributes:
    return _converter.structure(json.loads(text), Attributes)


# ---- pages -----------------------------------------------------------------------------------


def folded_page(
    connection: sqlite3.Connection,
    bucket: str,
    prefix: bytes,
    delimiter: bytes,
    start: bytes,
    limit: int,
) -> Folded:
    """As `BucketStore.page`; jumps over what it folds."""
    query = (
        f"SELECT {INFO} FROM object"
        " WHERE bucket = ? AND key >= ? AND (? IS NULL OR key < ?) ORDER BY key"
    )
    end = after_prefix(prefix)
    start = max(start, prefix)
    entries: list[ObjectInfo | str] = []
    jumped = limit > 0
    while jumped:
        jumped = False
        for row in connection.execute(query, (bucket, start, end, end)):
            if len(entries) == limit:
                return Folded(tuple(entries), start)
            common = common_prefix(row[1], prefix, delimiter)
            if common is None:
                entries.append(info_of(row))
                start = row[1] + b"\0"
                continue
            entries.append(decoded(common))
            start, jumped = after_prefix(common) or b"", True
            break
    return Folded(tuple(entries), None)


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """What `key` is folded into: all up to the first delimiter after the prefix."""
    if not delimiter or not key.startswith(prefix):
        return None
    at = key.find(delimiter, len(prefix))
    return key[: at + len(delimiter)] if at >= 0 else None


def after_prefix(prefix: bytes) -> bytes | None:
    """The first key after all that start with `prefix`; None when there is none.

    UTF-8 has no 0xFF, so that the last byte can always be counted up.
    """
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None
