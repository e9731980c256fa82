"""Records of the domain to and from AWS's JSON: names, optional members, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

Record = TypeVar("Record")


def from_wire(kind: type[Record], wire: Mapping[str, object]) -> Record:
    """The record of a JSON object that passed `model.check`; null members count as absent, and
    members that the record does not have are left out."""
    return _converter.structure(_without_nulls(wire), kind)


def to_wire(record: object) -> dict[str, Any]:
    """A record as JSON, without the members that are None. Lists and maps that are empty stay,
    so that a record with a default of `()` always has all its lists."""
    wire: dict[str, Any] = _without_nulls(_converter.unstructure(record))
    return wire


def wire_name(field_name: str) -> str:
    """AWS's name of a record's field: `s3_uri` is S3Uri, `volume_size_in_gb` VolumeSizeInGB."""
    words = field_name.split("_")
    return "".join("GB" if word == "gb" else word.capitalize() for word in words)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value


def _renamed(kind: type[Any]) -> dict[str, Any]:
    return {item.name: override(rename=wire_name(item.name)) for item in fields(kind)}


_converter = Converter()
_converter.register_structure_hook_factory(
    is_dataclass,
    lambda kind: make_dict_structure_fn(kind, _converter, **_renamed(kind)),
)
_converter.register_unstructure_hook_factory(
    is_dataclass,
    lambda kind: make_dict_unstructure_fn(kind, _converter, **_renamed(kind)),
)
