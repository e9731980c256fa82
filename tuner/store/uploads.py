"""Objects that come in parts: each part a blob of its own, joined into one when all are there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tuner.domain.buckets import (
    Attributes,
    Checksums,
    Guard,
    NoSuchUpload,
    Part,
    PartChanged,
    Staged,
    Upload,
)
from tuner.domain.ports import ObjectInfo
from tuner.store.blobs import Blobs
from tuner.store.object_index import (
    PART,
    UPLOAD,
    ObjectIndex,
    bucket_of,
    encoded,
    find_object,
    part_of,
    put_object,
    to_json,
    upload_of,
)


class FileUploads:
    """Implements `Uploads` of `tuner.domain.buckets`; a part of `FileObjects`."""

    def __init__(self, index: ObjectIndex, blobs: Blobs) -> None:
        self._index = index
        self._blobs = blobs

    def create(self, upload: Upload) -> None:
        with self._index.transaction() as connection:
            bucket_of(connection, upload.bucket)
            connection.execute(
                f"INSERT INTO upload ({UPLOAD}) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    upload.id,
                    upload.bucket,
                    encoded(upload.key),
                    to_json(upload.attributes),
                    to_json(upload.tags),
                    upload.initiated,
                ),
            )
        self._index.flush()

    def get(self, upload_id: str) -> Upload:
        query = f"SELECT {UPLOAD} FROM upload WHERE id = ?"
        with self._index.reading() as connection:
            row = connection.execute(query, (upload_id,)).fetchone()
        if row is None:
            raise NoSuchUpload(upload_id)
        return upload_of(row)

    def put_part(self, upload_id: str, number: int, content: Staged, checks: Checksums) -> Part:
        part = Part(
            number=number,
            blob=content.blob,
            size=content.size,
            etag=content.md5,
            checksums=checks,
            last_modified=time.time(),
        )
        with self._index.transaction() as connection:
            if not connection.execute(
                "SELECT 1 FROM upload WHERE id = ?", (upload_id,)
            ).fetchone():
                raise NoSuchUpload(upload_id)
            old = connection.execute(
                "SELECT blob FROM part WHERE upload = ? AND number = ?", (upload_id, number)
            ).fetchall()
            connection.execute(
                f"INSERT OR REPLACE INTO part (upload, {PART}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    upload_id,
                    number,
                    part.blob,
                    part.size,
                    part.etag,
                    to_json(checks),
                    part.last_modified,
                ),
            )
        self._blobs.keep(content.blob)
        self._index.flush()
        for (blob,) in old:
            self._blobs.discard(blob)
        return part

    def parts(self, upload_id: str) -> Sequence[Part]:
        query = f"SELECT {PART} FROM part WHERE upload = ? ORDER BY number"
        with self._index.reading() as connection:
            return [part_of(row) for row in connection.execute(query, (upload_id,))]

    def unfinished(self, bucket: str) -> Sequence[Upload]:
        query = f"SELECT {UPLOAD} FROM upload WHERE bucket = ? ORDER BY key, initiated, id"
        with self._index.reading() as connection:
            bucket_of(connection, bucket)
            return [upload_of(row) for row in connection.execute(query, (bucket,))]

    def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        etag: str,
        attributes: Attributes,
        guard: Guard,
    ) -> ObjectInfo:
        info = ObjectInfo(
            bucket=upload.bucket,
            key=upload.key,
            size=sum(part.size for part in parts),
            etag=etag,
            last_modified=time.time(),
        )
        with self._joined(upload, parts) as blob:
            with self._index.transaction() as connection:
                bucket_of(connection, upload.bucket)
                old = find_object(connection, upload.bucket, upload.key)
                guard(old[0] if old else None)
                rows = connection.execute(
                    "DELETE FROM part WHERE upload = ? RETURNING number, blob", (upload.id,)
                )
                present = dict(rows.fetchall())
                ended = connection.execute("DELETE FROM upload WHERE id = ?", (upload.id,))
                if not ended.rowcount:
                    raise NoSuchUpload(upload.id)
                for part in parts:
                    if present.get(part.number) != part.blob:
                        raise PartChanged(part.number)
                put_object(connection, info, blob, attributes, upload.tags)
            self._blobs.keep(blob)
            self._index.flush()
        gone = {*present.values(), *([old[1]] if old else ())} - {blob}
        for unused in gone:
            self._blobs.discard(unused)
        return info

    def abort(self, upload_id: str) -> None:
        with self._index.transaction() as connection:
            if not connection.execute("DELETE FROM upload WHERE id = ?", (upload_id,)).rowcount:
                raise NoSuchUpload(upload_id)
            gone = connection.execute(
                "DELETE FROM part WHERE upload = ? RETURNING blob", (upload_id,)
            ).fetchall()
        self._index.flush()
        for (blob,) in gone:
            self._blobs.discard(blob)

    @contextmanager
    def _joined(self, upload: Upload, parts: Sequence[Part]) -> Iterator[str]:
        """One blob of all parts. The blob of a single part is taken as it is."""
        if len(parts) == 1:
            yield parts[0].blob
            return
        try:
            blob = self._blobs.join([part.blob for part in parts])
        except FileNotFoundError:
            raise self._why_gone(upload, parts) from None
        with self._blobs.loose(blob):
            yield blob

    def _why_gone(self, upload: Upload, parts: Sequence[Part]) -> Exception:
        self.get(upload.id)
        present = {part.number: part.blob for part in self.parts(upload.id)}
        changed = (part.number for part in parts if present.get(part.number) != part.blob)
        return PartChanged(next(changed, parts[0].number))
