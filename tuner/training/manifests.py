"""Manifests: objects that list what a channel consists of.

Sources: the API reference, S3DataSource; the developer guide, augmented-manifest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_REFERENCE = "-ref"


class ManifestError(ValueError):
    """A manifest is not what it should be; the text says how."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute that stands for the content of an object."""

    uri: str


def parse_manifest(content: bytes) -> tuple[str, list[str]]:
    """The prefix, an S3 URI, and what is appended to it for each object.

    `[{"prefix": "s3://bucket/some/"}, "path/one", "path/two"]`. Raises ManifestError.
    """
    document = _parsed(content)
    if not isinstance(document, list) or not document:
        raise ManifestError("it is not a JSON array")
    first, *suffixes = document
    prefix = first.get("prefix") if isinstance(first, dict) else None
    if not isinstance(prefix, str) or not prefix.startswith("s3://"):
        raise ManifestError('its first element is not {"prefix": "s3://BUCKET/..."}')
    for index, suffix in enumerate(suffixes, start=1):
        if not isinstance(suffix, str):
            raise ManifestError(f"its element {index} is not a string")
    if not suffixes:
        raise ManifestError("it lists no object")
    return prefix, suffixes


def parse_record(line: bytes, names: Sequence[str]) -> list[str | Reference]:
    """What one line of an augmented manifest streams, in the order of the attributes' names.

    Text is passed as it is, everything else as JSON; an attribute whose name ends in `-ref` is
    the URI of an object. Raises ManifestError.
    """
    document = _parsed(line)
    if not isinstance(document, dict):
        raise ManifestError("it is not a JSON object")
    return [_part(document, name) for name in names]


def is_reference(name: str) -> bool:
    return name.endswith(_REFERENCE)


def _part(document: dict[str, Any], name: str) -> str | Reference:
    if name not in document:
        raise ManifestError(f"it has no attribute {name!r}")
    value = document[name]
    if is_reference(name):
        if not isinstance(value, str) or not value.startswith("s3://"):
            raise ManifestError(f"the attribute {name!r} is not the S3 URI of an object")
        return Reference(value)
    text = value if isinstance(value, str) else _as_json(value)
    if not _encodable(text):
        raise ManifestError(f"the attribute {name!r} is not valid text")
    return text


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestError("it is not JSON") from None
