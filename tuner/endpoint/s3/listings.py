"""Listings of a bucket: ListObjects, ListObjectsV2, ListMultipartUploads."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from urllib.parse import quote

from tuner.domain.buckets import BucketStore, Folded, Upload
from tuner.domain.ports import ObjectInfo
from tuner.endpoint.s3.buckets import OWNER
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.request import Request
from tuner.endpoint.s3.response import Response, xml
from tuner.endpoint.s3.xml import Element, document, timestamp

_PAGE = 1000


def list_objects(store: BucketStore, request: Request) -> Response:
    return (
        _second(store, request)
        if request.query.get("list-type") == "2"
        else _first(store, request)
    )


def _second(store: BucketStore, request: Request) -> Response:
    token, start_after = request.query.get("continuation-token"), request.query.get("start-after")
    start = _decoded(token) if token else _after_key(start_after or "")
    page, children = _page(store, request, start)
    shown = _encoding(request)
    with_owner = request.query.get("fetch-owner") == "true"
    children += [
        ("KeyCount", len(page.entries)),
        ("ContinuationToken", token),
        ("NextContinuationToken", _token(page.next)),
        ("StartAfter", shown(start_after) if start_after else None),
        *_entries(page, shown, with_owner=with_owner),
    ]
    return xml(document("ListBucketResult", children))


def _first(store: BucketStore, request: Request) -> Response:
    marker = request.query.get("marker", "")
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    page, children = _page(store, request, _after_marker(marker, prefix, delimiter))
    shown = _encoding(request)
    last = page.entries[-1] if page.next is not None and delimiter else None
    children += [
        ("Marker", shown(marker)),
        (
            "NextMarker",
            shown(last.key if isinstance(last, ObjectInfo) else last) if last else None,
        ),
        *_entries(page, shown, with_owner=True),
    ]
    return xml(document("ListBucketResult", children))


def _page(store: BucketStore, request: Request, start: bytes) -> tuple[Folded, list[Element]]:
    """The page, and what all listings say of it."""
    query, shown = request.query, _encoding(request)
    limit = request.number("max-keys", _PAGE, _PAGE)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    page = store.page(request.bucket, prefix, delimiter, start, limit)
    return page, [
        ("Name", request.bucket),
        ("Prefix", shown(prefix)),
        ("Delimiter", shown(delimiter) if delimiter else None),
        ("MaxKeys", limit),
        ("EncodingType", query.get("encoding-type") or None),
        ("IsTruncated", page.next is not None),
    ]


def _entries(page: Folded, shown: Callable[[str], str], *, with_owner: bool) -> list[Element]:
    objects: list[Element] = [
        (
            "Contents",
            [
                ("Key", shown(entry.key)),
                ("LastModified", timestamp(entry.last_modified)),
                ("ETag", f'"{entry.etag}"'),
                ("Size", entry.size),
                *([OWNER] if with_owner else []),
                ("StorageClass", "STANDARD"),
            ],
        )
        for entry in page.entries
        if isinstance(entry, ObjectInfo)
    ]
    prefixes = [entry for entry in page.entries if isinstance(entry, str)]
    return objects + [("CommonPrefixes", [("Prefix", shown(prefix))]) for prefix in prefixes]


def list_uploads(store: BucketStore, request: Request) -> Response:
    query, shown = request.query, _encoding(request)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    key_marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    limit = request.number("max-uploads", _PAGE, _PAGE)
    entries: list[tuple[str, Upload | None]] = []
    more = False
    for upload in _uploads_after(store.uploads.unfinished(request.bucket), key_marker, id_marker):
        if not upload.key.startswith(prefix):
            continue
        common = _common(upload.key, prefix, delimiter)
        if common is not None and (
            key_marker.startswith(common) or (entries and entries[-1] == (common, None))
        ):
            continue
        if len(entries) == limit:
            more = limit > 0
            break
        entries.append((upload.key, upload) if common is None else (common, None))
    last_key, last = entries[-1] if more else ("", None)
    children: list[Element] = [
        ("Bucket", request.bucket),
        ("KeyMarker", shown(key_marker)),
        ("UploadIdMarker", id_marker),
        ("NextKeyMarker", shown(last_key) if more else None),
        ("NextUploadIdMarker", last.id if last else None),
        ("Prefix", shown(prefix)),
        ("Delimiter", shown(delimiter) if delimiter else None),
        ("EncodingType", query.get("encoding-type") or None),
        ("MaxUploads", limit),
        ("IsTruncated", more),
    ]
    for key, entry in entries:
        if entry:
            children.append(("Upload", _upload(entry, shown)))
        else:
            children.append(("CommonPrefixes", [("Prefix", shown(key))]))
    return xml(document("ListMultipartUploadsResult", children))


def _upload(upload: Upload, shown: Callable[[str], str]) -> list[Element]:
    return [
        ("UploadId", upload.id),
        ("Key", shown(upload.key)),
        ("Initiated", timestamp(upload.initiated)),
        ("StorageClass", upload.attributes.headers.get("x-amz-storage-class", "STANDARD")),
        ("Initiator", OWNER[1]),
        OWNER,
    ]


def _uploads_after(uploads: Sequence[Upload], key_marker: str, id_marker: str) -> list[Upload]:
    """Without an id marker, those of later keys; with one, the later ones of its key as well."""
    ids = [upload.id for upload in uploads if upload.key == key_marker]
    seen = set(ids[: ids.index(id_marker) + 1]) if id_marker in ids else set(ids)
    mark = key_marker.encode()
    return [upload for upload in uploads if upload.key.encode() >= mark and upload.id not in seen]


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else None


# ---- where a page starts ---------------------------------------------------------------------


def _after_key(key: str) -> bytes:
    return key.encode() + b"\0" if key else b""


def _after_marker(marker: str, prefix: str, delimiter: str) -> bytes:
    """A marker inside of a common prefix is behind all of that prefix (in ListObjects only)."""
    common = _common(marker, prefix, delimiter) if marker.startswith(prefix) else None
    # UTF-8 has no 0xFF: this is behind every key with the prefix.
    return _after_key(marker) if common is None else common.encode() + b"\xff"


def _token(start: bytes | None) -> str | None:
    return None if start is None else base64.b64encode(start).decode("ascii")


def _decoded(token: str) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        raise S3Error(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            ArgumentName="continuation-token",
        ) from None


def _encoding(request: Request) -> Callable[[str], str]:
    """How names are written. Raises InvalidArgument."""
    encoding = request.query.get("encoding-type")
    if not encoding:
        return str
    if encoding != "url":
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=encoding,
        )
    return lambda name: quote(name.encode("utf-8", errors="surrogatepass"), safe="/")
