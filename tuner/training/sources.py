"""Where the data of a channel come from: objects of S3, and what each is called in the channel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuner.domain.definitions import Channel, S3DataSource, S3DataType
from tuner.domain.ports import ObjectInfo, Objects
from tuner.training.manifests import (
    ManifestError,
    Reference,
    is_reference,
    parse_manifest,
    parse_record,
)

_SERVED = (S3DataType.S3_PREFIX, S3DataType.MANIFEST_FILE, S3DataType.AUGMENTED_MANIFEST_FILE)
_MANIFEST_BYTES = 256 << 20
"""A manifest is read as a whole, an augmented one by lines."""
_LINE_BYTES = 64 << 20

Record = list[str | ObjectInfo]
"""What is read together: objects, and texts that stand in an augmented manifest."""


class InputError(Exception):
    """A channel cannot be provided; the text is what a FailureReason (ClientError) says."""


def source_of(channel: Channel) -> S3DataSource:
    source = channel.data_source.s3_data_source
    if source is None or source.s3_data_type not in _SERVED:
        kind = source.s3_data_type if source is not None else "FileSystemDataSource"
        raise InputError(f"Channel {channel.channel_name}: {kind} is not served here.")
    return source


def objects_of(objects: Objects, channel: Channel) -> tuple[str, list[ObjectInfo]]:
    """The key prefix of an S3Prefix or a ManifestFile, and its objects: those of a prefix in the
    order of their keys, those of a manifest in its own. Raises InputError."""
    source = source_of(channel)
    if source.s3_data_type is S3DataType.MANIFEST_FILE:
        return _listed(objects, source.s3_uri)
    bucket, prefix = split_uri(source.s3_uri)
    found = [info for info in objects.list(bucket, prefix) if not is_marker(info)]
    if not found:
        raise InputError(f"{_none_under(source.s3_uri)} given in input data source.")
    return prefix, found


def _listed(objects: Objects, uri: str) -> tuple[str, list[ObjectInfo]]:
    manifest = object_at(objects, uri)
    if manifest.size > _MANIFEST_BYTES:
        raise InputError(f'The manifest "{uri}" has more than {_MANIFEST_BYTES >> 20} MiB.')
    with objects.open(manifest.bucket, manifest.key) as file:
        content = file.read()
    try:
        base, suffixes = parse_manifest(content)
    except ManifestError as error:
        raise InputError(f'The manifest "{uri}" cannot be read: {error}.') from None
    _, prefix = split_uri(base)
    return prefix, [object_at(objects, base + suffix) for suffix in suffixes]


def records_of(objects: Objects, channel: Channel) -> Iterator[Record]:
    """What a channel streams, in order. Raises InputError, also while it is walked through."""
    source = source_of(channel)
    if source.s3_data_type is not S3DataType.AUGMENTED_MANIFEST_FILE:
        for info in objects_of(objects, channel)[1]:
            yield [info]
        return
    uri, names = source.s3_uri, source.attribute_names or ()
    manifest = object_at(objects, uri)
    with objects.open(manifest.bucket, manifest.key) as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LINE_BYTES), b""), start=1):
            if not line.strip():
                continue
            try:
                if len(line) == _LINE_BYTES:
                    raise ManifestError(f"it has more than {_LINE_BYTES >> 20} MiB")
                parts = parse_record(line, names)
            except ManifestError as error:
                raise InputError(
                    f'Line {number} of the augmented manifest "{uri}" cannot be read: {error}.'
                ) from None
            yield [
                object_at(objects, part.uri) if isinstance(part, Reference) else part
                for part in parts
            ]


def version_of(objects: Objects, channel: Channel) -> Iterator[object]:
    """What is the same as long as `records_of` is, as JSON. Raises InputError."""
    source = source_of(channel)
    if source.s3_data_type is S3DataType.AUGMENTED_MANIFEST_FILE:
        names = source.attribute_names or ()
        yield [object_at(objects, source.s3_uri).etag, names]
        if not any(map(is_reference, names)):
            return
    for record in records_of(objects, channel):
        yield [part.etag for part in record if isinstance(part, ObjectInfo)]


def object_at(objects: Objects, uri: str) -> ObjectInfo:
    """Raises InputError."""
    bucket, key = split_uri(uri)
    info = objects.head(bucket, key) if key else None
    if info is None:
        raise InputError(f"{_none_under(uri)}.")
    return info


# ---- before a job is created -----------------------------------------------------------------


def missing_input(channel: Channel, objects: Objects, role_arn: str, region: str) -> str | None:
    """AWS's text at create when no object lies under the channel's S3 URI, or the manifest is
    not there; else None.

    Source: amazon-sagemaker-examples, stored outputs. Channels that are not of S3 pass.
    """
    source = channel.data_source.s3_data_source
    if source is None:
        return None
    if source.s3_data_type is not S3DataType.S3_PREFIX:
        return missing_object(source.s3_uri, objects, role_arn, region)

    def exists(bucket: str, prefix: str) -> bool:
        return any(not is_marker(info) for info in objects.list(bucket, prefix))

    return _missing(source.s3_uri, exists, role_arn, region)


def missing_object(uri: str, objects: Objects, role_arn: str, region: str) -> str | None:
    """The same for a URL that has to be one object's."""

    def exists(bucket: str, key: str) -> bool:
        return objects.head(bucket, key) is not None

    return _missing(uri, exists, role_arn, region)


def _missing(
    uri: str, exists: Callable[[str, str], bool], role_arn: str, region: str
) -> str | None:
    try:
        bucket, key = split_uri(uri)
    except InputError as error:
        return str(error)
    if exists(bucket, key):
        return None
    return (
        f"{_none_under(uri)} given in input data source. Please "
        f"ensure that the bucket exists in the selected region ({region}), that objects exist "
        f'under that S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions '
        f'on bucket "{bucket}".'
    )


def _none_under(uri: str) -> str:
    return f'No S3 objects found under S3 URL "{uri}"'


# ---- names -----------------------------------------------------------------------------------


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
