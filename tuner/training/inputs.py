"""Input channels as directories: one per distinct content and shard, shared by all jobs."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from tuner.domain.definitions import Channel, S3DataDistributionType
from tuner.domain.errors import told_of
from tuner.domain.ports import ObjectInfo, Objects
from tuner.training import feeding, record_io
from tuner.training.sources import (
    InputError,
    Record,
    object_at,
    object_paths,
    objects_of,
    records_of,
    source_of,
    version_of,
)
from tuner.training.view_cache import ViewCache

_FILE = "object"
_REST_SECONDS = 600.0
_CHUNK_BYTES = 1 << 20


class InputViews:
    """Views of channel contents below `directory`, which belongs to one instance of this.

    A view is named by its content: (path, ETag) of all its files, and whether they are copies.
    Whoever asks for one uses it until it is forgotten.
    """

    def __init__(
        self, objects: Objects, directory: Path, *, rest_seconds: float = _REST_SECONDS
    ) -> None:
        self._objects = objects
        self._cache = ViewCache(directory, rest_seconds)

    def view(self, channel: Channel, shard: int, shards: int, *, user: str, copy: bool) -> Path:
        """The directory of a channel for host `shard` (from 0) of `shards`.

        Its files are hard links into the object store, to be mounted read-only or under an
        overlay; with `copy` they are the view's own. With ShardedByS3Key each host gets every
        `shards`-th object in their order, which may be none. Raises InputError.
        """
        with _told(channel):
            prefix, found = objects_of(self._objects, channel)
            if _is_sharded(channel):
                dealt = feeding.order(len(found), _seed(channel), 0, shard, shards)
                found = [found[number] for number in dealt]
            files = object_paths(channel.channel_name, prefix, list(dict.fromkeys(found)))
            return self._linked(files, user, copy=copy)

    def feed(
        self, channel: Channel, shard: int, shards: int, *, user: str, target: Path
    ) -> feeding.Feed:
        """What a host reads through the FIFOs that are made in `target`. All hosts share one
        view, for an order may deal its records anew in every epoch. Raises InputError."""
        with _told(channel):
            sharded = _is_sharded(channel)
            return {
                "channel": channel.channel_name,
                "target": str(target),
                "stream": str(self._stream(channel, user)),
                "wrapped": _is_wrapped(channel),
                "compressed": _is_compressed(channel),
                "seed": _seed(channel),
                "shard": shard if sharded else 0,
                "shards": shards if sharded else 1,
            }

    def file(self, uri: str, *, user: str) -> Path:
        """One object as a file that is only to be read. Raises InputError."""
        info = object_at(self._objects, uri)
        try:
            return self._linked({_FILE: info}, user, copy=False) / _FILE
        except (OSError, KeyError) as error:
            raise InputError(f'The object under S3 URL "{uri}" could not be provided.') from error

    def forget(self, user: str) -> None:
        """Whoever used these views is gone."""
        self._cache.forget(user)

    def keep_only(self, users: Collection[str]) -> None:
        """After a restart: nobody else uses any view."""
        self._cache.keep_only(users)

    def close(self) -> None:
        self._cache.close()

    def _linked(self, files: dict[str, ObjectInfo], user: str, *, copy: bool) -> Path:
        def make(place: Path) -> None:
            for relative, info in files.items():
                path = place / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                self._objects.link(info.bucket, info.key, path, copy)

        content = [copy, sorted((path, info.etag) for path, info in files.items())]
        return self._cache.get(_digest([json.dumps(content)]), user, make)

    def _stream(self, channel: Channel, user: str) -> Path:
        def make(place: Path) -> None:
            records = records_of(self._objects, channel)
            _make_stream(self._objects, channel, records, place)

        kind = ["stream", _is_wrapped(channel), _is_compressed(channel)]
        content = chain([kind], version_of(self._objects, channel))
        return self._cache.get(_digest(map(json.dumps, content)), user, make)


@contextmanager
def _told(channel: Channel) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError) as error:
        raise InputError(
            f"Channel {channel.channel_name} could not be provided: {told_of(error)}"
        ) from error


def _is_sharded(channel: Channel) -> bool:
    distribution = source_of(channel).s3_data_distribution_type
    return distribution is S3DataDistributionType.SHARDED_BY_S3_KEY


def _is_wrapped(channel: Channel) -> bool:
    return channel.record_wrapper_type == "RecordIO"


def _is_compressed(channel: Channel) -> bool:
    return channel.compression_type == "Gzip"


def _seed(channel: Channel) -> int | None:
    return channel.shuffle_config.seed if channel.shuffle_config is not None else None


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()[:32]


# ---- streams: see `feeding` -------------------------------------------------------------------


def _make_stream(
    objects: Objects, channel: Channel, records: Iterable[Record], place: Path
) -> None:
    """Fill a directory that can be fed from. What cannot be fed is found now: once a program
    reads, a stream that broke off would look like one that ended."""
    numbers: dict[tuple[str, str], int] = {}
    lengths = array(feeding.NUMBER)
    (place / feeding.OBJECTS).mkdir()

    def number_of(info: ObjectInfo) -> int:
        key = (info.bucket, info.key)
        if key not in numbers:
            numbers[key] = len(numbers)
            path = place / feeding.OBJECTS / str(numbers[key])
            objects.link(info.bucket, info.key, path, copy=False)
            lengths.append(_length(channel, info, path))
        return numbers[key]

    with (place / feeding.RECORDS).open("w", encoding="ascii") as file:
        for record in records:
            parts = [part if isinstance(part, str) else number_of(part) for part in record]
            file.write(json.dumps(parts) + "\n")
    (place / feeding.LENGTHS).write_bytes(lengths.tobytes())


def _length(channel: Channel, info: ObjectInfo, path: Path) -> int:
    length = path.stat().st_size
    uri = f"s3://{info.bucket}/{info.key}"
    if _is_compressed(channel):
        length = 0
        try:
            with gzip.open(path) as content:
                while chunk := content.read(_CHUNK_BYTES):
                    length += len(chunk)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise InputError(
                f'Channel {channel.channel_name}: the object under S3 URL "{uri}" is not '
                "compressed by gzip, or is cut off."
            ) from None
    if _is_wrapped(channel) and length > record_io.LONGEST:
        raise InputError(
            f'Channel {channel.channel_name}: the object under S3 URL "{uri}" has {length:,} '
            f"bytes; a record of RecordIO holds up to {record_io.LONGEST:,}."
        )
    return length
