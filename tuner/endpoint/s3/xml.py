"""S3's XML: answers written, requests read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias
from xml.etree import ElementTree

from tuner.endpoint.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# An element that is None is left out.
Element: TypeAlias = tuple[str, "str | int | bool | list[Element] | None"]

# As references, so that readers do not take them for white space; XML 1.0 has no way to say the
# others, and S3 writes them so all the same.
_ESCAPED = re.compile('[&<>"\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def document(root: str, children: Iterable[Element], *, namespace: bool = True) -> bytes:
    attribute = f' xmlns="{NAMESPACE}"' if namespace else ""
    return f"{DECLARATION}<{root}{attribute}>{_written(children)}</{root}>".encode()


def text_document(root: str, text: str) -> bytes:
    return f'{DECLARATION}<{root} xmlns="{NAMESPACE}">{_escaped(text)}</{root}>'.encode()


def timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def parse(body: bytes, root: str) -> ElementTree.Element:
    """The root element with all tags freed of their namespace. Raises MalformedXML."""
    try:
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text:
            raise S3Error("MalformedXML")
        tree = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        raise S3Error("MalformedXML") from None
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != root:
        raise S3Error("MalformedXML")
    return tree


def _written(children: Iterable[Element]) -> str:
    return "".join(
        f"<{name}>{_value(value)}</{name}>" for name, value in children if value is not None
    )


def _value(value: str | int | bool | list[Element] | None) -> str:
    if isinstance(value, list):
        return _written(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: _NAMED.get(match[0], f"&#{ord(match[0])};"), text)
