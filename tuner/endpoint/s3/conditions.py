"""Conditional requests and ranges: RFC 9110 as far as S3 goes along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tuner.domain.buckets import Guard, StoredObject
from tuner.endpoint.s3.errors import NotModified, S3Error
from tuner.endpoint.s3.request import Request

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_COPY = "x-amz-copy-source-"


@dataclass(frozen=True, slots=True)
class Range:
    """`partial` answers are 206."""

    start: int
    size: int
    partial: bool
    parts: int | None = None


def check_read(request: Request, stored: StoredObject) -> None:
    """Raises PreconditionFailed, NotModified."""
    if _fails_match(request, stored, ""):
        raise S3Error("PreconditionFailed", Condition=_first_of(request, ""))
    none_match = request.header("if-none-match")
    if none_match is not None:
        if _matches(none_match, stored.info.etag):
            raise NotModified(stored.info.etag)
        return
    since = _seconds(request.header("if-modified-since"))
    if since is not None and int(stored.info.last_modified) <= since:
        raise NotModified(stored.info.etag)


def check_copy(request: Request, stored: StoredObject) -> None:
    """Raises PreconditionFailed."""
    none_match = request.header(f"{_COPY}if-none-match")
    since = _seconds(request.header(f"{_COPY}if-modified-since"))
    fails = _fails_match(request, stored, _COPY)
    if none_match is not None:
        fails = fails or _matches(none_match, stored.info.etag)
    elif since is not None:
        fails = fails or int(stored.info.last_modified) <= since
    if fails:
        raise S3Error("PreconditionFailed", Condition=_first_of(request, _COPY))


def write_guard(request: Request) -> Guard:
    """Judges what is under the key when a write is about to replace or delete it.

    Raises NotImplemented at once for what S3 does not do.
    """
    match, none_match = request.header("if-match"), request.header("if-none-match")
    if none_match not in (None, "*"):
        raise S3Error("NotImplemented", Header="If-None-Match")

    def guard(current: StoredObject | None) -> None:
        if none_match and current is not None:
            raise S3Error("PreconditionFailed", Condition="If-None-Match")
        if match is not None and current is None:
            raise S3Error("NoSuchKey")
        if match is not None and current is not None and not _matches(match, current.info.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")

    return guard


def range_of(request: Request, stored: StoredObject) -> Range:
    """What of the object is asked for. Raises InvalidRange, InvalidPartNumber.

    As S3 does, a malformed range and several ranges give the whole.
    """
    size, text = stored.info.size, request.header("range")
    if "partNumber" in request.query:
        if text is not None:
            raise S3Error(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
            )
        return _part(request, stored)
    match = _RANGE.fullmatch(text or "")
    if match is None or not (match[1] or match[2]):
        return Range(0, size, partial=False)
    if match[1]:
        start, end = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < start:
            return Range(0, size, partial=False)
    else:
        start, end = max(0, size - int(match[2])), size - 1
    if start > end:
        raise S3Error("InvalidRange", RangeRequested=text or "", ActualObjectSize=str(size))
    return Range(start, end - start + 1, partial=True)


def _part(request: Request, stored: StoredObject) -> Range:
    text, sizes = request.query["partNumber"], stored.attributes.part_sizes
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 1 <= int(text) <= 10_000:
        raise S3Error(
            "InvalidArgument",
            "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text,
        )
    number = int(text)
    if number > max(1, len(sizes)):
        raise S3Error("InvalidPartNumber")
    if not sizes:
        return Range(0, stored.info.size, partial=stored.info.size > 0)
    start = sum(sizes[: number - 1])
    return Range(start, sizes[number - 1], partial=sizes[number - 1] > 0, parts=len(sizes))


def _fails_match(request: Request, stored: StoredObject, prefix: str) -> bool:
    match = request.header(f"{prefix}if-match")
    if match is not None:
        return not _matches(match, stored.info.etag)
    since = _seconds(request.header(f"{prefix}if-unmodified-since"))
    return since is not None and int(stored.info.last_modified) > since


def _first_of(request: Request, prefix: str) -> str:
    names = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")
    return next(prefix + name for name in names if request.header(prefix + name) is not None)


def _matches(header: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)


def _seconds(date: str | None) -> float | None:
    """Epoch seconds; None for no date and for one that cannot be read, which is ignored."""
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
