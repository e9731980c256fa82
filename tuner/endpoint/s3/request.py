"""A request of S3's protocol: which bucket and key, by path or by host name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from tuner.endpoint.s3.errors import S3Error

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A server that keeps header names as they were sent puts all headers here, as (name, value)
# pairs: `x-amz-meta-a_b` and `x-amz-meta-a-b` are one name in CGI's form.
RAW_HEADERS = "amtlocal.raw_headers"

_ENDPOINT = r"(?:s3(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.)?localhost(?::\d+)?"
_VIRTUAL_HOST = re.compile(
    rf"(?!{_ENDPOINT}$)(?P<bucket>.+?)\.{_ENDPOINT}", re.IGNORECASE | re.ASCII
)
_SCOPE = re.compile(r"/\d{8}/([a-z0-9-]+)/s3/aws4_request")
_QUERY_FIELDS = 100

# Those of the S3 API reference that may not be taken for the bucket or object itself.
_SUB_RESOURCES = {
    *("abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "delete"),
    *("encryption", "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location"),
    *("logging", "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable"),
    *("metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock"),
    *("ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject"),
    *("replication", "requestPayment", "restore", "retention", "select", "session", "tagging"),
    *("torrent", "uploads", "versioning", "versions", "website"),
}
# Parameters that may be empty; every other one without a value is one of those, too.
_VALUES = {
    *("prefix", "delimiter", "marker", "max-keys", "encoding-type"),
    *("list-type", "continuation-token", "start-after", "fetch-owner"),
    *("key-marker", "upload-id-marker", "max-uploads"),
    *("part-number-marker", "max-parts", "partNumber"),
    *("max-buckets", "bucket-region", "versionId", "x-id"),
}


@dataclass(frozen=True)
class Request:
    """`bucket` is empty for the service itself, `key` for a bucket."""

    environ: WSGIEnvironment
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]

    def header(self, name: str) -> str | None:
        """By lower-case name; non-ASCII text is UTF-8."""
        cgi = name.upper().replace("-", "_")
        value = self.environ.get(cgi if cgi in _BARE else f"HTTP_{cgi}")
        return None if value is None or value == "" else _text(value)

    def headers(self) -> Iterator[tuple[str, str]]:
        """All of them by lower-case name, as they were sent if the server knows."""
        raw = self.environ.get(RAW_HEADERS)
        if raw is not None:
            for name, value in raw:
                yield name.lower(), _text(value)
            return
        for cgi, value in self.environ.items():
            if cgi.startswith("HTTP_"):
                yield cgi[5:].lower().replace("_", "-"), _text(value)

    @cached_property
    def sub_resource(self) -> str | None:
        if "uploadId" in self.query:
            return "uploadId"
        for name, value in self.query.items():
            if name in _SUB_RESOURCES or not (value or name in _VALUES or _is_option(name)):
                return name
        return None

    @property
    def region(self) -> str:
        """The one it was signed for."""
        credential = self.header("authorization") or self.query.get("X-Amz-Credential", "")
        scope = _SCOPE.search(credential)
        return scope[1] if scope else "us-east-1"

    def number(self, name: str, default: int, largest: int) -> int:
        """A parameter that counts something, cut off at `largest`. Raises InvalidArgument."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII):
            raise S3Error(
                "InvalidArgument",
                f"Provided {name} not an integer or within integer range",
                ArgumentName=name,
                ArgumentValue=text,
            )
        if not 0 <= int(text) < 2**31:
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647",
                ArgumentName=name,
                ArgumentValue=text,
            )
        return min(int(text), largest)


_BARE = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def request_of(environ: WSGIEnvironment) -> Request:
    """Raises InvalidURI."""
    try:
        path = unquote_to_bytes(_raw_path(environ)).decode("utf-8")
        query = dict(
            parse_qsl(
                environ.get("QUERY_STRING", ""),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_QUERY_FIELDS,
            )
        )
    except ValueError:
        raise S3Error("InvalidURI") from None
    if not path.startswith("/"):
        raise S3Error("InvalidURI")
    bucket, key = bucket_of_host(environ.get("HTTP_HOST", "")), path[1:]
    if not bucket:
        bucket, _, key = path[1:].partition("/")
    if key and not bucket:
        raise S3Error("InvalidURI")
    return Request(environ, environ["REQUEST_METHOD"], bucket, key, query)


def bucket_of_host(host: str) -> str:
    """In virtual-host style; empty where the Host names none."""
    parts = _VIRTUAL_HOST.fullmatch(host)
    return parts["bucket"].lower() if parts else ""


def _raw_path(environ: WSGIEnvironment) -> str:
    """As it was sent, because servers tidy PATH_INFO (waitress folds slashes in front)."""
    target: str | None = environ.get("REQUEST_URI")
    if target is None:
        return quote(environ.get("PATH_INFO", "").encode("latin-1"))
    target = target.partition("?")[0]
    if not target.startswith("/"):
        target = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*", "", target) or "/"
    return target


def _text(value: str) -> str:
    """WSGI has header bytes as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _is_option(name: str) -> bool:
    """Signatures and what SDKs say by the way, in presigned URLs."""
    return name.lower().startswith(("x-amz-", "response-"))
