"""One value held against its shape: its JSON type, and the constraints in AWS's wording."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import regex
from botocore.model import Shape, StringShape

from tuner.shapes.extensions import ExtraValues

PRINTED_CHARACTERS = 256
"""More of a faulty value than this is not repeated in the message."""

_BITS = {"integer": 32, "long": 64}
_NUMBERS = ("integer", "long", "float", "double", "timestamp")
_WITH_ARTICLE = {
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "timestamp": "a Timestamp",
    "boolean": "a Boolean",
}


@dataclass(frozen=True, slots=True)
class _Constraint:
    text: str
    holds: Callable[[Any], bool]


def type_text(shape: Shape, value: object) -> str | None:
    """What the service's JSON reader says of a value that cannot be of the shape."""
    wanted = shape.type_name
    if _fits(wanted, value):
        return None
    if isinstance(value, list):
        return "Start of list found where not expected"
    if isinstance(value, Mapping):
        return "Start of structure or map found where not expected"
    if wanted in ("structure", "map", "list"):
        return f"Expected {wanted}"
    return f"{_token(value)} can not be converted to {_WITH_ARTICLE.get(wanted, 'a String')}"


def _fits(wanted: str, value: object) -> bool:
    if wanted in ("structure", "map"):
        return isinstance(value, Mapping)
    if wanted == "list":
        return isinstance(value, list)
    if wanted not in _NUMBERS:
        return isinstance(value, bool if wanted == "boolean" else str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    largest = 1 << _BITS.get(wanted, 64) - 1
    if wanted in _BITS:
        return isinstance(value, int) and -largest <= value < largest
    return -largest <= value < largest if isinstance(value, int) else math.isfinite(value)


def _token(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"


def constraint_texts(shape: Shape, extra: ExtraValues) -> list[str]:
    """All constraints of a shape, in the service's order."""
    texts = [item.text for item in _constraints(shape)]
    return [*texts, _enum_text(shape, extra(shape.name))] if _enum(shape) else texts


def violated_texts(shape: Shape, value: object, extra: ExtraValues) -> list[str]:
    """The constraints that a value, which is of the shape's type, does not satisfy."""
    texts = [item.text for item in _constraints(shape) if not item.holds(value)]
    if _enum(shape) and value not in _enum(shape):
        accepted = extra(shape.name)
        if value not in accepted:
            texts.append(_enum_text(shape, accepted))
    return texts


def _enum(shape: Shape) -> Sequence[str]:
    return shape.enum if isinstance(shape, StringShape) else ()


def _enum_text(shape: Shape, accepted: Sequence[str]) -> str:
    values = dict.fromkeys((*_enum(shape), *accepted))
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def printed(value: object) -> str:
    """A value as Java prints it in the service's messages, shortened if need be."""
    text = _printed(value)
    return text if len(text) <= PRINTED_CHARACTERS else f"{text[:PRINTED_CHARACTERS]}..."


def _printed(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_printed, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}={_printed(item)}' for key, item in value.items())}}}"
    return str(value)


@cache
def _constraints(shape: Shape) -> tuple[_Constraint, ...]:
    """All but an enum's. Shapes are objects of the one service model, so there are only so
    many."""
    return tuple(_constraints_of(shape))


def _constraints_of(shape: Shape) -> Iterator[_Constraint]:
    metadata = shape.metadata
    by_value = shape.type_name in _NUMBERS
    kind: str = "value" if by_value else "length"
    size: Callable[[Any], float] = float if by_value else len
    if "max" in metadata:
        yield _at_most(kind, size, metadata["max"])
    if "min" in metadata:
        yield _at_least(kind, size, metadata["min"])
    if "pattern" in metadata and not _enum(shape):
        pattern: str = metadata["pattern"]
        text = f"Member must satisfy regular expression pattern: {pattern}"
        yield _Constraint(text, lambda value: _compiled(pattern).fullmatch(value) is not None)


def _at_most(kind: str, size: Callable[[Any], float], limit: float) -> _Constraint:
    text = f"Member must have {kind} less than or equal to {limit}"
    return _Constraint(text, lambda value: size(value) <= limit)


def _at_least(kind: str, size: Callable[[Any], float], limit: float) -> _Constraint:
    text = f"Member must have {kind} greater than or equal to {limit}"
    return _Constraint(text, lambda value: size(value) >= limit)


class _Pattern(Protocol):
    def fullmatch(self, text: str, /) -> object: ...


@cache
def _compiled(pattern: str) -> _Pattern:
    """Java's regular expressions: `re` knows most, `regex` those with \\p{L}; the few that
    neither can read let everything pass."""
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        pass
    try:
        compiled: _Pattern = regex.compile(pattern)
        return compiled
    except regex.error:
        return re.compile("(?s).*")
