"""What S3 keeps about buckets, objects and unfinished uploads, and the protocol that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from tuner.domain.ports import ObjectInfo, Objects


class Source(Protocol):
    """What content is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`location` is the region it was made for; None for one that a job's output made."""

    name: str
    creation_time: float
    location: str | None


@dataclass(frozen=True, slots=True)
class Checksums:
    """Values in base64 by algorithm (`crc32`, `sha256`, …); `composite` ones are checksums of
    the parts' checksums, without the `-N` that S3 appends on the wire."""

    values: Mapping[str, str] = field(default_factory=dict)
    composite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a client says about an object, and what it takes back unchanged.

    `headers` by lower-case name (`content-type`, …); `metadata` by name without `x-amz-meta-`.
    `upload` and `part_sizes` are those of an object that came in parts.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    checksums: Checksums = field(default_factory=Checksums)
    upload: str | None = None
    part_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredObject:
    info: ObjectInfo
    attributes: Attributes
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Staged:
    """Content on the disk that no key has yet. `md5` is in hex."""

    blob: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An object that comes in parts. `attributes.checksums` says what was announced: the
    algorithm is the only key, with an empty value."""

    id: str
    bucket: str
    key: str
    attributes: Attributes
    tags: Mapping[str, str]
    initiated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    number: int
    blob: str
    size: int
    etag: str
    checksums: Checksums
    last_modified: float


@dataclass(frozen=True, slots=True)
class Folded:
    """One page of keys in order of bytes; those with the delimiter after the prefix are folded
    into one common prefix. `entries` are objects and prefixes in one order. `next` is where the
    following page starts, None after the last."""

    entries: tuple[ObjectInfo | str, ...]
    next: bytes | None


class NoSuchBucket(Exception):
    """The argument is the name."""


class BucketNotEmpty(Exception):
    """The argument is the name."""


class NoSuchUpload(Exception):
    """It never was, or it was completed or aborted. The argument is its id."""


class PartChanged(Exception):
    """A part was sent again while its upload was being completed. The argument is its number."""


# Called in the transaction with what is under the key now; raises to refuse the change.
Guard = Callable[[StoredObject | None], None]


class Uploads(Protocol):
    """Uploads in parts. What has an `upload` id raises NoSuchUpload."""

    def create(self, upload: Upload) -> None:
        """Raises NoSuchBucket."""

    def get(self, upload_id: str) -> Upload: ...

    def put_part(self, upload_id: str, number: int, content: Staged, checks: Checksums) -> Part:
        """Replaces a part of the same number; `content` is used up."""

    def parts(self, upload_id: str) -> Sequence[Part]:
        """By number."""

    def unfinished(self, bucket: str) -> Sequence[Upload]:
        """By key (UTF-8 bytes), then by time. Raises NoSuchBucket."""

    def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        etag: str,
        attributes: Attributes,
        guard: Guard,
    ) -> ObjectInfo:
        """Make `parts`, in that order, the object, as one blob. The object appears and the
        upload ends in one transaction. Raises PartChanged."""

    def abort(self, upload_id: str) -> None: ...


class BucketStore(Objects, Protocol):
    """`Objects` with all that S3's clients see. What these methods change is on the disk when
    they return, power cut included; reads see committed states only.

    Methods with a `guard` let through what it raises, with nothing changed.
    """

    @property
    def uploads(self) -> Uploads: ...

    def create_bucket(self, name: str, location: str | None) -> bool:
        """False when there is one already. Raises ValueError for a name S3 would not take."""

    def bucket(self, name: str) -> Bucket:
        """Raises NoSuchBucket."""

    def buckets(self) -> Sequence[Bucket]:
        """By name."""

    def delete_bucket(self, name: str) -> None:
        """With its unfinished uploads. Raises NoSuchBucket, BucketNotEmpty."""

    def staging(self, source: Source) -> AbstractContextManager[Staged]:
        """All that `source` gives, on the disk; removed on leaving unless it got a key.

        Whatever `source` raises comes out with nothing left behind.
        """

    def staging_copy(
        self, bucket: str, key: str
    ) -> AbstractContextManager[tuple[StoredObject, Staged]]:
        """The content of an object once more, without reading it. Raises KeyError."""

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
        """Raises NoSuchBucket, and ValueError for a key S3 would not take."""

    def find(self, bucket: str, key: str) -> StoredObject | None: ...

    def open_found(self, bucket: str, key: str) -> tuple[StoredObject, BinaryIO]:
        """The object and its content, which belong together. Raises KeyError."""

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Raises KeyError."""

    def remove(self, bucket: str, keys: Iterable[str], guard: Guard) -> None:
        """Those that are not there are no error. Raises NoSuchBucket."""

    def page(self, bucket: str, prefix: str, delimiter: str, start: bytes, limit: int) -> Folded:
        """From the key `start` (included) on. Raises NoSuchBucket."""
