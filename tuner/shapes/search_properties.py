"""What a search can ask of a record: its properties, and the order by one of them.

A record is JSON as the resource's shape in SearchRecord has it, with two differences: `Tags` is
a map, and `Metrics` maps names of metrics to their final values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from tuner.domain.errors import ValidationException
from tuner.shapes.service_model import service_model

TEXT_SORTED_BY = 256
"""Texts are ordered by so many of their first characters."""

Record = Mapping[str, Any]
SortKey = tuple[int, int, str | float]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")


class Kind(Enum):
    TEXT = auto()
    NUMBER = auto()
    TIME = auto()
    BOOLEAN = auto()
    FREE = auto()
    """A text that counts as a number where it is compared with one: a hyperparameter."""
    WHOLE = auto()
    """A structure, a map, or a list of structures: it exists, or it does not."""


@dataclass(frozen=True, slots=True)
class Property:
    """`path` leads from the record to the values; the lists on the way are gone through."""

    name: str
    path: tuple[str, ...]
    kind: Kind

    def values(self, record: Record) -> Iterator[Any]:
        return values_at(record, self.path)


def record_shape(resource: str) -> StructureShape:
    """The shape of a resource in the answer of Search."""
    answer: Any = service_model().operation_model("Search").output_shape
    shape: StructureShape = answer.members["Results"].member.members[resource]
    return shape


def property_of(resource: str, name: str) -> Property:
    """Raises ValidationException for what is not a property of the resource."""
    first, _, rest = name.partition(".")
    record = record_shape(resource)
    if first == "Metrics" and rest and "FinalMetricDataList" in record.members:
        return Property(name, (first, rest), Kind.NUMBER)
    if first == "Tags" and rest:
        return Property(name, (first, rest), Kind.TEXT)
    shape: Shape = record
    path: list[str] = []
    rest = name
    while rest:
        while isinstance(shape, ListShape):
            shape = shape.member
        if isinstance(shape, MapShape):
            return Property(name, (*path, rest), Kind.FREE)
        member, _, rest = rest.partition(".")
        if not isinstance(shape, StructureShape) or member not in shape.members:
            break
        shape = shape.members[member]
        path.append(member)
    else:
        if not name.endswith("."):
            return Property(name, tuple(path), _kind(shape))
    raise ValidationException(f"{name} is not a property of {resource} that can be searched by.")


def _kind(shape: Shape) -> Kind:
    match shape.type_name:
        case "string":
            return Kind.TEXT
        case "integer" | "long" | "float" | "double":
            return Kind.NUMBER
        case "timestamp":
            return Kind.TIME
        case "boolean":
            return Kind.BOOLEAN
    return _kind(shape.member) if isinstance(shape, ListShape) else Kind.WHOLE


def values_at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from values_at(value[path[0]], path[1:])


def number(text: str) -> float | None:
    """An integer where the text is one, without a fraction or an exponent."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


# ---- order -----------------------------------------------------------------------------------


def sorted_by(resource: str, name: str) -> Property:
    """Raises ValidationException for what records cannot be ordered by."""
    found = property_of(resource, name)
    if found.kind is Kind.WHOLE:
        raise ValidationException(f"{resource} cannot be sorted by {name}.")
    return found


def sort_key(found: Property, record: Record, descending: bool) -> SortKey:
    """Records are ordered by it, numbers before texts; those without a value come last, either
    way. Of several values the one counts that is first in the order."""
    keys = [_orderable(value, found.kind) for value in found.values(record)]
    if not keys:
        return (0 if descending else 1, 0, 0)
    rank, value = max(keys) if descending else min(keys)
    return (1 if descending else 0, rank, value)


def _orderable(value: Any, kind: Kind) -> tuple[int, str | float]:
    if kind is Kind.FREE:
        as_number = number(value)
        value = value if as_number is None else as_number
    if isinstance(value, str):
        return 1, value[:TEXT_SORTED_BY]
    return (0, value) if value == value else (1, "")
