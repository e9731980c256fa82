"""Requests held against the service model: required, type, enum, pattern, min and max.

Faults are worded as the service words them, and all faults of a request are found together
("1 validation error detected: Value '…' at 'trainingJobName' failed to satisfy constraint: …").
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.model import MapShape, Shape, StructureShape

from tuner.domain.errors import (
    Fault,
    InvalidParameterException,
    SerializationException,
    ValidationException,
)
from tuner.shapes.constraints import constraint_texts, printed, type_text, violated_texts
from tuner.shapes.extensions import ExtraValues, extra_values
from tuner.shapes.service_model import Place, has_plain_values, input_shape, walk

DEEPEST = 50
"""Requests nested more deeply are not read: no operation's goes half as far."""

_REFUSALS = {"sagemaker": ValidationException, "logs": InvalidParameterException}


def check(
    operation: str,
    params: object,
    service: str = "sagemaker",
    extra: ExtraValues = extra_values,
) -> None:
    """Pass a request that has the shape of the operation's, or values of enums from `extra`.

    Raises SerializationException where JSON of another type stands, or what no record could
    keep, else the service's ValidationException or InvalidParameterException, which names
    everything that is wrong; either carries all faults.
    """
    check_text(params)
    found = _inspect(operation, params, service, extra)
    faults = (*found.types, *found.constraints)
    if found.types:
        raise SerializationException(found.types[0].message, faults)
    if faults:
        errors = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
        text = "; ".join(fault.message for fault in faults)
        raise _REFUSALS[service](f"{errors} detected: {text}", faults)


def check_text(params: object) -> None:
    """Pass what can be stored: text that is valid UTF-8, in members of any name, and no deeper
    than `DEEPEST`. Raises SerializationException with the place."""
    waiting: list[tuple[object, Place, int]] = [(params, Place(), 0)]
    while waiting:
        value, place, depth = waiting.pop()
        if depth > DEEPEST:
            raise SerializationException(f"The request is nested more than {DEEPEST} deep.")
        if isinstance(value, str):
            _check_utf8(value, place)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                _check_utf8(name, place)
                waiting.append((item, place.member(name), depth + 1))
        elif isinstance(value, list):
            items = enumerate(value)
            waiting += [(item, place.item(index), depth + 1) for index, item in items]


def _check_utf8(text: str, place: Place) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        at = f" at '{place.wire}'" if place.wire else ""
        message = f"Text that is not valid UTF-8{at}"
        raise SerializationException(message, (Fault(place.path, message),)) from None


def structural_faults(
    operation: str, params: object, extra: ExtraValues = extra_values
) -> list[Fault]:
    """All that `check` would complain about."""
    found = _inspect(operation, params, "sagemaker", extra)
    return [*found.types, *found.constraints]


def unknown_members(operation: str, params: object) -> list[Fault]:
    """Members that the operation does not have. The service ignores them on the wire; in a
    file that a user wrote they are typing errors."""
    faults = []
    for shape, value, place in walk(input_shape(operation), params):
        if isinstance(shape, StructureShape) and isinstance(value, Mapping):
            unknown = (name for name in value if name not in shape.members)
            faults += [_unknown(str(name), shape, place) for name in unknown]
    return faults


def _unknown(name: str, shape: StructureShape, place: Place) -> Fault:
    near = difflib.get_close_matches(name, shape.members, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(shape.members)}."
    return Fault(place.member(name).path, f"There is no member {name} here; {hint}")


@dataclass(slots=True)
class _Found:
    extra: ExtraValues
    types: list[Fault] = field(default_factory=list)
    constraints: list[Fault] = field(default_factory=list)

    def wrong_type(self, text: str, place: Place) -> None:
        at = f" at '{place.wire}'" if place.wire else ""
        self.types.append(Fault(place.path, text + at))


def _inspect(operation: str, params: object, service: str, extra: ExtraValues) -> _Found:
    found = _Found(extra)
    for shape, value, place in walk(input_shape(operation, service), params):
        if value is None and place.path:
            found.constraints.append(place.null_fault())
        elif (wrong := type_text(shape, value)) is not None:
            found.wrong_type(wrong, place)
        else:
            _inspect_value(shape, value, place, found)
    return found


def _inspect_value(shape: Shape, value: object, place: Place, found: _Found) -> None:
    found.constraints += [
        place.fault(f"'{printed(value)}'", text)
        for text in violated_texts(shape, value, found.extra)
    ]
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        required = (name for name in shape.members if name in shape.required_members)
        missing = [name for name in required if value.get(name) is None]
        found.constraints += [place.member(name).null_fault() for name in missing]
    elif isinstance(shape, MapShape) and isinstance(value, Mapping) and has_plain_values(shape):
        _inspect_entries(shape, value, place, found)


def _inspect_entries(
    shape: MapShape, entries: Mapping[object, object], place: Place, found: _Found
) -> None:
    """The service makes one fault of all faulty keys of a map, and one of all faulty values."""
    keys = [key for key in entries if violated_texts(shape.key, key, found.extra)]
    values = []
    for key, value in entries.items():
        if value is None:
            found.constraints.append(place.entry(key).null_fault())
        elif (wrong := type_text(shape.value, value)) is not None:
            found.wrong_type(wrong, place.entry(key))
        elif violated_texts(shape.value, value, found.extra):
            values.append(key)
    for faulty, of, subject in ((keys, shape.key, "keys"), (values, shape.value, "value")):
        if faulty:
            constraints = ", ".join(constraint_texts(of, found.extra))
            text = f"Map {subject} must satisfy constraint: [{constraints}]"
            message = place.fault(f"'{printed(entries)}'", text).message
            found.constraints.append(Fault(place.entry(faulty[0]).path, message))
