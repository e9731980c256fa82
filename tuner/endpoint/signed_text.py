"""The parts of a request as signatures see them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuner.endpoint import signature_errors as errors
from tuner.endpoint.incoming import Incoming
from tuner.endpoint.s3.request import RAW_HEADERS


def pairs_of(incoming: Incoming) -> Sequence[tuple[str, str]]:
    """Of the query, decoded, in order. Raises Refused where it is malformed."""
    try:
        return incoming.pairs
    except ValueError:
        raise errors.malformed(incoming) from None


def url_path(path: str) -> str:
    """The path with nothing in it that urllib cuts off or leaves out: what it does not see,
    nobody would have signed."""
    return re.sub(r"[^!-~]|#", lambda match: f"%{ord(match[0]):02X}", path)


def headers_of(incoming: Incoming) -> dict[str, list[str]]:
    """By lower-case name, in order, as they were sent: the server is to keep them so."""
    raw: Sequence[tuple[str, str]] = incoming.environ[RAW_HEADERS]
    headers: dict[str, list[str]] = {}
    for name, value in raw:
        headers.setdefault(name.lower(), []).append(_text(value))
    return headers


def _text(value: str) -> str:
    """WSGI has header bytes as Latin-1; what is not ASCII is signed as UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
