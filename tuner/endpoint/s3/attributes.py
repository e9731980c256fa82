"""What a client says about an object in headers: kept, echoed, or refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from tuner.domain.buckets import Attributes, Checksums, StoredObject
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.request import Request

META = "x-amz-meta-"
_METADATA_BYTES = 2048
_TAGS = 10

_CONTENT = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
ENCRYPTION = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
)
_STORAGE_CLASS = "x-amz-storage-class"
_KEPT = (*_CONTENT, *ENCRYPTION, _STORAGE_CLASS, "x-amz-website-redirect-location")

_UNSERVED = (
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-object-lock-",
    "x-amz-write-offset-bytes",
    "x-amz-grant-",
)
_ENCRYPTIONS = {"AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"}
_STORAGE_CLASSES = {
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "OUTPOSTS",
    "SNOW",
    "EXPRESS_ONEZONE",
}
# What an object owner's own bucket takes when ACLs are off, which they are in new buckets.
_ACLS = {"private", "bucket-owner-full-control"}

_OVERRIDES = {f"response-{name}": name for name in _CONTENT}


def refuse_unserved(request: Request) -> None:
    """Raises NotImplemented for a header that asks for what is not done here."""
    for name, _ in request.headers():
        if name.startswith(_UNSERVED):
            raise S3Error("NotImplemented", Header=name)
    acl = request.header("x-amz-acl")
    if acl is not None and acl not in _ACLS:
        raise S3Error("AccessControlListNotSupported")


def attributes_of(request: Request) -> Attributes:
    """Raises what is wrong with them."""
    headers = {name: value for name in _KEPT if (value := request.header(name))}
    encodings = [part.strip() for part in headers.pop("content-encoding", "").split(",")]
    if kept := ", ".join(part for part in encodings if part and part != "aws-chunked"):
        headers["content-encoding"] = kept
    if headers.get(_STORAGE_CLASS, "STANDARD") not in _STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass")
    if headers.get(ENCRYPTION[0], "AES256") not in _ENCRYPTIONS:
        raise S3Error(
            "InvalidArgument",
            "The encryption method specified is not supported",
            ArgumentName=ENCRYPTION[0],
            ArgumentValue=headers[ENCRYPTION[0]],
        )
    if headers.get(_STORAGE_CLASS) == "STANDARD":
        del headers[_STORAGE_CLASS]
    metadata = {
        name.removeprefix(META): value
        for name, value in request.headers()
        if name.startswith(META)
    }
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > _METADATA_BYTES:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(_METADATA_BYTES))
    return Attributes(headers=headers, metadata=metadata)


def tags_of(request: Request) -> dict[str, str]:
    """Of the header `x-amz-tagging`. Raises InvalidTag, InvalidArgument."""
    text = request.header("x-amz-tagging") or ""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
            ArgumentName="x-amz-tagging",
            ArgumentValue=text,
        ) from None
    return checked_tags(pairs)


def checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Raises InvalidTag, BadRequest."""
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    if len(tags) > _TAGS:
        raise S3Error("BadRequest", "Object tags cannot be greater than 10")
    for name, value in pairs:
        if not 0 < len(name) <= 128:
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=name)
        if len(value) > 256:
            raise S3Error("InvalidTag", TagKey=name, TagValue=value)
    return tags


def headers_of(stored: StoredObject) -> Iterator[tuple[str, str]]:
    """What a reader of the object is told of it."""
    kept = stored.attributes.headers
    yield "Content-Type", _mail_safe(kept.get("content-type", "binary/octet-stream"))
    for name, value in kept.items():
        if name != "content-type":
            yield name, _mail_safe(value)
    for name, value in stored.attributes.metadata.items():
        yield META + name, _mail_safe(value)
    if stored.tags:
        yield "x-amz-tagging-count", str(len(stored.tags))


def encryption_of(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a writer of the object is told again."""
    return [(name, _mail_safe(headers[name])) for name in ENCRYPTION if name in headers]


def overrides_of(request: Request) -> dict[str, str]:
    """Headers that the URL of a download asks for. Raises InvalidArgument."""
    found = {}
    for name, header in _OVERRIDES.items():
        value = request.query.get(name)
        if not value:
            continue
        if not value.isprintable():
            raise S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=value)
        found[header] = _mail_safe(value)
    return found


def with_checksums(attributes: Attributes, checksums: Checksums) -> Attributes:
    """The same words about content that came in one piece."""
    return Attributes(
        headers=attributes.headers, metadata=attributes.metadata, checksums=checksums
    )


def _mail_safe(value: str) -> str:
    """As S3 answers text that a header cannot hold: by RFC 2047."""
    if value.isascii() and value.isprintable():
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8')).decode('ascii')}?="
