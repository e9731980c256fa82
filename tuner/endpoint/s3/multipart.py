"""Uploads in parts."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Iterable
from urllib.parse import quote
from xml.etree.ElementTree import Element as Tree

from tuner.domain.buckets import (
    Attributes,
    BucketStore,
    Checksums,
    NoSuchUpload,
    Part,
    PartChanged,
    Upload,
)
from tuner.domain.ports import ObjectInfo
from tuner.endpoint.s3 import checksums
from tuner.endpoint.s3.attributes import attributes_of, encryption_of, tags_of, with_checksums
from tuner.endpoint.s3.body import Body, Digested, refuse_too_large
from tuner.endpoint.s3.buckets import OWNER
from tuner.endpoint.s3.conditions import check_copy, write_guard
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.objects import checksum_elements, copy_source
from tuner.endpoint.s3.request import Request
from tuner.endpoint.s3.response import Response, Window, xml
from tuner.endpoint.s3.xml import Element, document, parse, timestamp

_MOST_PARTS = 10_000
_SMALLEST_PART = 5 * 1024 * 1024
_PAGE = 1000


def create(store: BucketStore, request: Request) -> Response:
    announced = _announced(request)
    attributes = with_checksums(attributes_of(request), announced)
    upload = Upload(
        id=uuid.uuid4().hex,
        bucket=request.bucket,
        key=request.key,
        attributes=attributes,
        tags=tags_of(request),
        initiated=time.time(),
    )
    store.uploads.create(upload)
    headers = encryption_of(attributes.headers)
    for name in announced.values:
        headers.append(("x-amz-checksum-algorithm", name.upper()))
        headers.append(("x-amz-checksum-type", checksums.type_of(announced)))
    result: list[Element] = [
        ("Bucket", request.bucket),
        ("Key", request.key),
        ("UploadId", upload.id),
    ]
    return xml(document("InitiateMultipartUploadResult", result), headers)


def put_part(store: BucketStore, request: Request) -> Response:
    number, upload = _part_number(request), _upload(store, request)
    if request.header("x-amz-copy-source"):
        return _copy_part(store, request, upload, number)
    refuse_too_large(request)
    body = Body(request)
    with store.staging(body) as content:
        given = body.check(content)
        _refuse_other_checksum(upload, given)
        store.uploads.put_part(upload.id, number, content, given)
    headers = [("ETag", f'"{content.md5}"'), *encryption_of(upload.attributes.headers)]
    headers += [(checksums.HEADER + name, value) for name, value in given.values.items()]
    return Response(200, headers)


def list_parts(store: BucketStore, request: Request) -> Response:
    upload = _upload(store, request)
    after = request.number("part-number-marker", 0, _MOST_PARTS)
    limit = request.number("max-parts", _PAGE, _PAGE)
    found = [part for part in store.uploads.parts(upload.id) if part.number > after]
    page = found[:limit]
    more = bool(page) and len(found) > len(page)
    announced = upload.attributes.checksums
    children: list[Element] = [
        ("Bucket", upload.bucket),
        ("Key", upload.key),
        ("UploadId", upload.id),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", page[-1].number if more else None),
        ("MaxParts", limit),
        ("IsTruncated", more),
        ("Initiator", OWNER[1]),
        OWNER,
        ("StorageClass", upload.attributes.headers.get("x-amz-storage-class", "STANDARD")),
    ]
    for name in announced.values:
        children.append(("ChecksumAlgorithm", name.upper()))
        children.append(("ChecksumType", checksums.type_of(announced)))
    children += [("Part", _part_elements(part)) for part in page]
    return xml(document("ListPartsResult", children))


def complete(store: BucketStore, request: Request) -> Response:
    guard = write_guard(request)
    tree = parse(Body(request, of_object=True).document(), "CompleteMultipartUpload")
    try:
        upload = _upload(store, request)
        parts = _chosen(tree, store.uploads.parts(upload.id))
        attributes = _attributes(request, upload, parts)
        info = store.uploads.complete(upload, parts, _etag(parts), attributes, guard)
    except NoSuchUpload:
        info, attributes = _completed_before(store, request)
    except PartChanged as error:
        raise S3Error("InvalidPart", PartNumber=str(error)) from None
    result: list[Element] = [
        ("Location", f"http://{request.header('host') or 'localhost'}/{_path(info)}"),
        ("Bucket", info.bucket),
        ("Key", info.key),
        ("ETag", f'"{info.etag}"'),
        *checksum_elements(attributes),
    ]
    return xml(
        document("CompleteMultipartUploadResult", result), encryption_of(attributes.headers)
    )


def abort(store: BucketStore, request: Request) -> Response:
    store.uploads.abort(_upload(store, request).id)
    return Response(204)


def _copy_part(store: BucketStore, request: Request, upload: Upload, number: int) -> Response:
    bucket, key = copy_source(request)
    store.bucket(bucket)
    source, file = store.open_found(bucket, key)
    with file:
        check_copy(request, source)
        start, size = _copied_range(request, source.info.size)
        algorithm = next(iter(upload.attributes.checksums.values), None)
        digested = Digested(Window(file, start, size), algorithm)
        with store.staging(digested) as content:
            part = store.uploads.put_part(upload.id, number, content, digested.checksums)
    result: list[Element] = [
        ("ETag", f'"{part.etag}"'),
        ("LastModified", timestamp(part.last_modified)),
        *((f"Checksum{name.upper()}", value) for name, value in part.checksums.values.items()),
    ]
    return xml(document("CopyPartResult", result), encryption_of(upload.attributes.headers))


def _copied_range(request: Request, size: int) -> tuple[int, int]:
    text = request.header("x-amz-copy-source-range")
    if text is None:
        return 0, size
    match = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})", text, re.ASCII)
    if match is None or int(match[1]) > int(match[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    if int(match[2]) >= size:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    return int(match[1]), int(match[2]) - int(match[1]) + 1


def _upload(store: BucketStore, request: Request) -> Upload:
    """Raises NoSuchUpload, for that of another key as well."""
    store.bucket(request.bucket)
    upload = store.uploads.get(request.query["uploadId"])
    if (upload.bucket, upload.key) != (request.bucket, request.key):
        raise NoSuchUpload(upload.id)
    return upload


def _part_number(request: Request) -> int:
    text = request.query.get("partNumber", "")
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 1 <= int(text) <= _MOST_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text,
        )
    return int(text)


def _announced(request: Request) -> Checksums:
    """The algorithm of the upload's checksums. Raises InvalidRequest."""
    name, kind = request.header("x-amz-checksum-algorithm"), request.header("x-amz-checksum-type")
    if name is None:
        if kind is not None:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the "
                "x-amz-checksum-algorithm header.",
            )
        return Checksums()
    algorithm = checksums.algorithm_of(name)
    kind = kind or ("FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
    if (kind == "FULL_OBJECT" and not algorithm.startswith("crc")) or (
        kind == "COMPOSITE" and algorithm == "crc64nvme"
    ):
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm.",
        )
    if kind not in ("FULL_OBJECT", "COMPOSITE"):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    return Checksums({algorithm: ""}, composite=kind == "COMPOSITE")


def _refuse_other_checksum(upload: Upload, given: Checksums) -> None:
    announced, found = set(upload.attributes.checksums.values), set(given.values)
    if announced and announced != found:
        raise S3Error(
            "InvalidRequest",
            "Checksum Type mismatch occurred, expected checksum Type: "
            f"{min(announced)}, actual checksum Type: {min(found, default='null')}",
        )


def _part_elements(part: Part) -> list[Element]:
    return [
        ("PartNumber", part.number),
        ("LastModified", timestamp(part.last_modified)),
        ("ETag", f'"{part.etag}"'),
        ("Size", part.size),
        *((f"Checksum{name.upper()}", value) for name, value in part.checksums.values.items()),
    ]


def _chosen(tree: Tree, present: Iterable[Part]) -> list[Part]:
    """The parts that the client wants, in its order. Raises what is wrong with them."""
    by_number = {str(part.number): part for part in present}
    chosen: list[Part] = []
    for element in tree.iter("Part"):
        number = (element.findtext("PartNumber") or "").strip()
        etag = (element.findtext("ETag") or "").strip().strip('"')
        if not number.isdecimal():
            raise S3Error("MalformedXML")
        part = by_number.get(number)
        if part is None or part.etag != etag or not _same_checksums(element, part):
            raise S3Error("InvalidPart", PartNumber=number, ETag=etag)
        if chosen and chosen[-1].number >= part.number:
            raise S3Error("InvalidPartOrder")
        chosen.append(part)
    if not chosen:
        raise S3Error("MalformedXML")
    for part in chosen[:-1]:
        if part.size < _SMALLEST_PART:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(_SMALLEST_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return chosen


def _same_checksums(element: Tree, part: Part) -> bool:
    said = ((name, element.findtext(f"Checksum{name.upper()}")) for name in checksums.NAMES)
    return all(value in (None, part.checksums.values.get(name)) for name, value in said)


def _attributes(request: Request, upload: Upload, parts: list[Part]) -> Attributes:
    """Those of the object. Raises BadDigest, InvalidRequest."""
    size = sum(part.size for part in parts)
    if request.header("x-amz-mp-object-size") not in (None, str(size)):
        raise S3Error(
            "InvalidRequest",
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        )
    announced = upload.attributes.checksums
    whole = Checksums(
        {name: value for name in announced.values if (value := _whole(name, announced, parts))},
        composite=announced.composite,
    )
    expected = checksums.given(request.header, [name for name, _ in request.headers()])
    for name, value in expected.items():
        if name in whole.values and value.partition("-")[0] != whole.values[name]:
            raise S3Error(
                "BadDigest",
                f"The {name.upper()} you specified did not match the calculated checksum.",
            )
    return Attributes(
        headers=upload.attributes.headers,
        metadata=upload.attributes.metadata,
        checksums=whole,
        upload=upload.id,
        part_sizes=tuple(part.size for part in parts),
    )


def _whole(name: str, announced: Checksums, parts: list[Part]) -> str | None:
    values = [(part.checksums.values[name], part.size) for part in parts]
    if announced.composite:
        return checksums.of_checksums(name, [value for value, _ in values])
    return checksums.joined(name, values)


def _etag(parts: list[Part]) -> str:
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _completed_before(store: BucketStore, request: Request) -> tuple[ObjectInfo, Attributes]:
    """A client that missed the answer asks again and gets it again."""
    stored = store.find(request.bucket, request.key)
    if stored is None or stored.attributes.upload != request.query["uploadId"]:
        raise NoSuchUpload(request.query["uploadId"])
    return stored.info, stored.attributes


def _path(info: ObjectInfo) -> str:
    return f"{info.bucket}/{quote(info.key.encode('utf-8', errors='surrogatepass'))}"
