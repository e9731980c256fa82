"""The operations on one object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

from tuner.domain.buckets import Attributes, BucketStore, Checksums, Staged, StoredObject
from tuner.endpoint.s3 import checksums
from tuner.endpoint.s3.attributes import (
    attributes_of,
    checked_tags,
    encryption_of,
    headers_of,
    overrides_of,
    tags_of,
    with_checksums,
)
from tuner.endpoint.s3.body import Body, Digested, refuse_too_large
from tuner.endpoint.s3.conditions import Range, check_copy, check_read, range_of, write_guard
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.request import Request
from tuner.endpoint.s3.response import Response, Window, xml
from tuner.endpoint.s3.xml import Element, document, parse, timestamp


def put(store: BucketStore, request: Request) -> Response:
    if request.header("x-amz-copy-source"):
        return _copy(store, request)
    store.bucket(request.bucket)
    refuse_too_large(request)
    attributes, tags, guard = attributes_of(request), tags_of(request), write_guard(request)
    body = Body(request)
    with store.staging(body) as content:
        attributes = with_checksums(attributes, body.check(content))
        info = store.commit(
            request.bucket, request.key, content, content.md5, attributes, tags, guard
        )
    headers = [
        ("ETag", f'"{info.etag}"'),
        *checksum_headers(attributes),
        *encryption_of(attributes.headers),
    ]
    return Response(200, headers)


def get(store: BucketStore, request: Request) -> Response:
    stored, file = store.open_found(request.bucket, request.key)
    try:
        check_read(request, stored)
        wanted = range_of(request, stored)
        headers = _read_headers(request, stored, wanted)
        return Response(
            206 if wanted.partial else 200, headers, Window(file, wanted.start, wanted.size)
        )
    except BaseException:
        file.close()
        raise


def head(store: BucketStore, request: Request) -> Response:
    return get(store, request)  # whoever sends it leaves out the content


def delete(store: BucketStore, request: Request) -> Response:
    store.remove(request.bucket, [request.key], write_guard(request))
    return Response(204)


def get_tags(store: BucketStore, request: Request) -> Response:
    stored = store.find(request.bucket, request.key)
    if stored is None:
        raise KeyError
    tags: list[Element] = [
        ("Tag", [("Key", name), ("Value", value)]) for name, value in stored.tags.items()
    ]
    return xml(document("Tagging", [("TagSet", tags)]))


def put_tags(store: BucketStore, request: Request) -> Response:
    tree = parse(Body(request).document(), "Tagging")
    pairs = [(tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in tree.iter("Tag")]
    store.set_tags(request.bucket, request.key, checked_tags(pairs))
    return Response(200)


def delete_tags(store: BucketStore, request: Request) -> Response:
    store.set_tags(request.bucket, request.key, {})
    return Response(204)


def copy_source(request: Request) -> tuple[str, str]:
    """Bucket and key of `x-amz-copy-source`. Raises InvalidArgument."""
    text = request.header("x-amz-copy-source") or ""
    path, _, version = text.partition("?versionId=")
    try:
        bucket, _, key = unquote_to_bytes(path).decode("utf-8").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        bucket = key = ""
    if not (bucket and key) or version not in ("", "null"):
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            ArgumentName="x-amz-copy-source",
            ArgumentValue=text,
        )
    return bucket, key


def checksum_headers(attributes: Attributes) -> Iterator[tuple[str, str]]:
    if attributes.checksums.values:
        shown = checksums.shown(attributes.checksums, len(attributes.part_sizes))
        for name, value in shown.items():
            yield checksums.HEADER + name, value
        yield "x-amz-checksum-type", checksums.type_of(attributes.checksums)


def checksum_elements(attributes: Attributes) -> list[Element]:
    if not attributes.checksums.values:
        return []
    shown = checksums.shown(attributes.checksums, len(attributes.part_sizes))
    values: list[Element] = [(f"Checksum{name.upper()}", value) for name, value in shown.items()]
    return [*values, ("ChecksumType", checksums.type_of(attributes.checksums))]


def _read_headers(request: Request, stored: StoredObject, wanted: Range) -> list[tuple[str, str]]:
    overrides = overrides_of(request)
    headers = [pair for pair in headers_of(stored) if pair[0].lower() not in overrides]
    headers += [
        *overrides.items(),
        ("ETag", f'"{stored.info.etag}"'),
        ("Last-Modified", formatdate(stored.info.last_modified, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if wanted.partial:
        end = wanted.start + wanted.size - 1
        headers.append(("Content-Range", f"bytes {wanted.start}-{end}/{stored.info.size}"))
    elif (request.header("x-amz-checksum-mode") or "").upper() == "ENABLED":
        headers += checksum_headers(stored.attributes)
    if wanted.parts is not None:
        headers.append(("x-amz-mp-parts-count", str(wanted.parts)))
    return headers


# ---- copies ----------------------------------------------------------------------------------


def _copy(store: BucketStore, request: Request) -> Response:
    source_bucket, source_key = copy_source(request)
    store.bucket(request.bucket)
    store.bucket(source_bucket)
    said, guard = attributes_of(request), write_guard(request)
    replaces = _replaces(request, "x-amz-metadata-directive")
    if (source_bucket, source_key) == (request.bucket, request.key) and not replaces:
        _refuse_idle(request, said)
    with _duplicate(store, request, source_bucket, source_key) as (source, content, sums):
        kept = said if replaces else source.attributes
        own = {name: value for name, value in said.headers.items() if name.startswith("x-amz-")}
        attributes = Attributes(
            headers={**kept.headers, **own},
            metadata=kept.metadata,
            checksums=sums,
            part_sizes=source.attributes.part_sizes,
        )
        tags = tags_of(request) if _replaces(request, "x-amz-tagging-directive") else source.tags
        info = store.commit(
            request.bucket, request.key, content, source.info.etag, attributes, tags, guard
        )
    result: list[Element] = [
        ("ETag", f'"{info.etag}"'),
        ("LastModified", timestamp(info.last_modified)),
        *checksum_elements(attributes),
    ]
    return xml(document("CopyObjectResult", result), encryption_of(attributes.headers))


@contextmanager
def _duplicate(
    store: BucketStore, request: Request, bucket: str, key: str
) -> Iterator[tuple[StoredObject, Staged, Checksums]]:
    """The content again, read only if a checksum is asked for that nobody has computed yet."""
    algorithm = request.header("x-amz-checksum-algorithm")
    if algorithm is None:
        with store.staging_copy(bucket, key) as (source, content):
            check_copy(request, source)
            yield source, content, source.attributes.checksums
        return
    source, file = store.open_found(bucket, key)
    with file:
        check_copy(request, source)
        digested = Digested(file, checksums.algorithm_of(algorithm))
        with store.staging(digested) as content:
            yield source, content, digested.checksums


def _refuse_idle(request: Request, said: Attributes) -> None:
    changes = {name for name in said.headers if name.startswith("x-amz-")}
    if not changes and not request.header("x-amz-checksum-algorithm"):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location or "
            "encryption attributes.",
        )


def _replaces(request: Request, name: str) -> bool:
    directive = request.header(name) or "COPY"
    if directive not in ("COPY", "REPLACE"):
        raise S3Error(
            "InvalidArgument",
            f"Unknown directive of {name}.",
            ArgumentName=name,
            ArgumentValue=directive,
        )
    return directive == "REPLACE"
