"""Input channels as directories: one per distinct content and shard, shared by all jobs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from tuner.domain.definitions import Channel, S3DataDistributionType, S3DataSource, S3DataType
from tuner.domain.errors import told_of
from tuner.domain.ports import ObjectInfo, Objects

_UNFINISHED = ".making-"
_FILE = "object"


class InputError(Exception):
    """A channel cannot be provided; the text is what a FailureReason (ClientError) says."""


class InputViews:
    """Directories of channel contents below `directory`, which belongs to one instance of this.

    A view is made once under a temporary name and renamed, so it is whole when it is there. It
    is named by its content: (path, ETag) of all its files, and whether they are copies.
    """

    def __init__(self, objects: Objects, directory: Path) -> None:
        self._objects = objects
        self._directory = directory
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for left_over in directory.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)

    def view(self, channel: Channel, shard: int, shards: int, *, copy: bool) -> Path:
        """The directory of a channel for host `shard` (from 0) of `shards`.

        Its files are hard links into the object store, to be mounted read-only or under an
        overlay; with `copy` they are the view's own. With ShardedByS3Key each host gets every
        `shards`-th object in order of keys, which may be none. Raises InputError.
        """
        source = _s3_source(channel)
        bucket, prefix = split_uri(source.s3_uri)
        found = [info for info in self._objects.list(bucket, prefix) if not is_marker(info)]
        if not found:
            raise InputError(
                f'No S3 objects found under S3 URL "{source.s3_uri}" given in input data source.'
            )
        if source.s3_data_distribution_type is S3DataDistributionType.SHARDED_BY_S3_KEY:
            found = found[shard::shards]
        files = object_paths(channel.channel_name, prefix, found)
        try:
            return self._made(files, copy)
        except (OSError, KeyError) as error:
            raise InputError(
                f"Channel {channel.channel_name} could not be provided: {told_of(error)}"
            ) from error

    def file(self, uri: str) -> Path:
        """One object as a file that is only to be read. Raises InputError."""
        bucket, key = split_uri(uri)
        info = self._objects.head(bucket, key)
        if info is None:
            raise InputError(f'No S3 objects found under S3 URL "{uri}".')
        try:
            return self._made({_FILE: info}, copy=False) / _FILE
        except (OSError, KeyError) as error:
            raise InputError(f'The object under S3 URL "{uri}" could not be provided.') from error

    def _made(self, files: dict[str, ObjectInfo], copy: bool) -> Path:
        digest = _content_key(files, copy)
        target = self._directory / digest
        with self._lock:
            making = self._making.setdefault(digest, threading.Lock())
        with making:
            if not target.is_dir():
                self._make(target, files, copy)
        return target

    def _make(self, target: Path, files: dict[str, ObjectInfo], copy: bool) -> None:
        place = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._directory))
        try:
            place.chmod(0o755)
            for relative, info in files.items():
                path = place / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                self._objects.link(info.bucket, info.key, path, copy)
            place.rename(target)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise


def missing_input(channel: Channel, objects: Objects, role_arn: str, region: str) -> str | None:
    """AWS's text at create when no object lies under the channel's S3 URI; else None.

    Source: amazon-sagemaker-examples, stored outputs. Channels that are no S3 prefix pass.
    """
    source = channel.data_source.s3_data_source
    if source is None or source.s3_data_type is not S3DataType.S3_PREFIX:
        return None
    try:
        bucket, prefix = split_uri(source.s3_uri)
    except InputError as error:
        return str(error)
    if any(not is_marker(info) for info in objects.list(bucket, prefix)):
        return None
    return _not_found(source.s3_uri, bucket, role_arn, region)


def missing_object(uri: str, objects: Objects, role_arn: str, region: str) -> str | None:
    """The same for a URL that has to be one object's."""
    try:
        bucket, key = split_uri(uri)
    except InputError as error:
        return str(error)
    found = objects.head(bucket, key)
    return None if found is not None else _not_found(uri, bucket, role_arn, region)


def _not_found(uri: str, bucket: str, role_arn: str, region: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
        f"ensure that the bucket exists in the selected region ({region}), that objects exist "
        f'under that S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions '
        f'on bucket "{bucket}".'
    )


def _s3_source(channel: Channel) -> S3DataSource:
    source = channel.data_source.s3_data_source
    if source is None or source.s3_data_type is not S3DataType.S3_PREFIX:
        kind = source.s3_data_type if source is not None else "FileSystemDataSource"
        raise InputError(
            f"Channel {channel.channel_name}: {kind} is not served here; use S3Prefix."
        )
    return source


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key prefix of `s3://bucket/prefix`."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme.lower() != "s3" or not bucket:
        raise InputError(f'"{uri}" is not an S3 URL of the form s3://bucket/prefix.')
    return bucket, prefix


def is_marker(info: ObjectInfo) -> bool:
    """Consoles make empty objects named like a directory; they are not data."""
    return info.key.endswith("/")


def object_paths(channel: str, prefix: str, found: Sequence[ObjectInfo]) -> dict[str, ObjectInfo]:
    """Where each object lies in the channel's directory. Raises InputError for keys that cannot
    be files there: keys are no paths, and must not become a way out of the directory."""
    files: dict[str, ObjectInfo] = {}
    for info in found:
        relative = _relative(prefix, info.key)
        parts = [part for part in relative.split("/") if part]  # as a file system reads a//b
        path = "/".join(parts)
        if relative.startswith("/") or {".", ".."} & set(parts) or not _storable(parts):
            raise InputError(f"Channel {channel}: the S3 key {info.key!r} cannot be a file name.")
        if path in files:
            raise InputError(
                f"Channel {channel}: the S3 keys {files[path].key!r} and {info.key!r} would be "
                "the same file."
            )
        files[path] = info
    for path, info in files.items():
        for parent in Path(path).parents:
            if str(parent) in files:
                raise InputError(
                    f"Channel {channel}: the S3 key {files[str(parent)].key!r} would have to be a "
                    f"file and, for {info.key!r}, a directory."
                )
    return files


def _relative(prefix: str, key: str) -> str:
    """The path of a key below the channel's directory.

    What follows the prefix where the prefix names a directory, with or without its slash
    (s3://sagemaker-sample-data-REGION/tensorflow/mnist gives CHANNEL/train_data.npy); else the
    prefix ends within a name, which is kept whole (`p/train` matching `p/train-1.csv`, or a
    single object).
    """
    if prefix and not prefix.endswith("/") and key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def _storable(parts: Sequence[str]) -> bool:
    try:
        return all("\0" not in part and len(os.fsencode(part)) <= 255 for part in parts)
    except UnicodeEncodeError:
        return False


def _content_key(files: dict[str, ObjectInfo], copy: bool) -> str:
    content = [copy, sorted((path, info.etag) for path, info in files.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
