"""Search expressions: which records match.

Rules: docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html, API_NestedFilters.html
and API_SearchExpression.html.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import ge, gt, le, lt
from typing import Any

from tuner.domain.errors import ValidationException
from tuner.shapes.search_properties import Kind, Property, number, property_of, values_at

MOST_CONDITIONS = 50

Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Expression:
    """`members` are the top-level members of a record that `matches` looks at."""

    matches: Test
    members: frozenset[str]


def compiled(resource: str, expression: Mapping[str, Any] | None) -> Expression:
    """A SearchExpression, which has passed `model.check`; None matches everything. Raises
    ValidationException for a property that is none, or a value or operator that it cannot have.
    """
    if expression is None:
        return Expression(lambda record: True, frozenset())
    compiler = _Compiler(resource)
    return Expression(compiler.expression(expression), frozenset(compiler.members))


class _Compiler:
    def __init__(self, resource: str) -> None:
        self._resource = resource
        self._conditions = 0
        self._contains: set[str] = set()
        self.members: set[str] = set()

    def expression(self, expression: Mapping[str, Any]) -> Test:
        parts: tuple[tuple[str, Callable[[Mapping[str, Any]], Test]], ...] = (
            ("Filters", self._filter),
            ("NestedFilters", self._nested),
            ("SubExpressions", self.expression),
        )
        tests = [
            self._counted(test_of, item)
            for member, test_of in parts
            for item in expression.get(member) or ()
        ]
        if not tests:
            raise ValidationException(
                "A SearchExpression must have at least one filter, nested filter or subexpression."
            )
        combine = any if expression.get("Operator") == "Or" else all
        return lambda record: combine(test(record) for test in tests)

    def _nested(self, nested: Mapping[str, Any]) -> Test:
        """All filters hold for one and the same item of a list."""
        name = nested["NestedPropertyName"]
        outer = self._property(name)
        if outer.kind is not Kind.WHOLE:
            raise ValidationException(f"{name} is not a property with nested properties.")
        filters = nested["Filters"]
        outside = [item["Name"] for item in filters if not item["Name"].startswith(f"{name}.")]
        if outside:
            raise ValidationException(f"{outside[0]} is not a property nested in {name}.")
        within = partial(self._filter, outer=outer.path)
        tests = [self._counted(within, item) for item in filters]
        return lambda record: any(
            all(test(item) for test in tests) for item in outer.values(record)
        )

    def _filter(self, item: Mapping[str, Any], outer: tuple[str, ...] = ()) -> Test:
        """`outer` is the path of the property in whose items the filter's is looked for."""
        found = self._property(item["Name"])
        value = item.get("Value")
        operator = item.get("Operator") or ("Exists" if value is None else "Equals")
        if operator == "Contains":
            if found.name in self._contains:
                raise ValidationException("'CONTAINS' operator usage limit of 1 exceeded.")
            self._contains.add(found.name)
        path = found.path[len(outer) :]
        test, wanted = _comparison(found, operator, value)
        return lambda record: any(map(test, values_at(record, path))) is wanted

    def _property(self, name: str) -> Property:
        found = property_of(self._resource, name)
        self.members.add(found.path[0])
        return found

    def _counted(
        self, test_of: Callable[[Mapping[str, Any]], Test], condition: Mapping[str, Any]
    ) -> Test:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise ValidationException(
                f"A SearchExpression can have at most {MOST_CONDITIONS} filters, nested filters "
                "and subexpressions in all."
            )
        return test_of(condition)


def _comparison(found: Property, operator: str, value: str | None) -> tuple[Test, bool]:
    """A test of one value, and whether one of the values, or none of them, has to pass it."""
    if operator in ("Exists", "NotExists"):
        return lambda _: True, operator == "Exists"
    if value is None:
        raise ValidationException(f"The operator {operator} on {found.name} needs a Value.")
    if operator in ("Contains", "In"):
        if found.kind not in (Kind.TEXT, Kind.FREE):
            raise _unsupported(found, operator)
        if operator == "Contains":
            return lambda text: value in text, True
        several = {item.strip() for item in value.split(",")}
        return lambda text: text in several, True
    compare = _compare(found, operator, value)
    if operator in ("Equals", "NotEquals"):
        return lambda one: compare(one) == 0, operator == "Equals"
    if found.kind in (Kind.TEXT, Kind.BOOLEAN):
        raise _unsupported(found, operator)
    holds = _ORDERS[operator]
    return lambda one: (order := compare(one)) is not None and holds(order, 0), True


_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThan": gt,
    "GreaterThanOrEqualTo": ge,
    "LessThan": lt,
    "LessThanOrEqualTo": le,
}


def _compare(found: Property, operator: str, value: str) -> Callable[[Any], float | None]:
    """Compares a value of the property with the filter's: below, at or above 0; None where
    they cannot be compared."""
    match found.kind:
        case Kind.WHOLE:
            raise _unsupported(found, operator)
        case Kind.TEXT:
            return lambda text: 0 if text == value else None
        case Kind.BOOLEAN:
            if value.lower() not in ("true", "false"):
                raise ValidationException(f"{found.name} is compared with true or false.")
            truth = value.lower() == "true"
            return lambda one: 0 if one is truth else None
        case Kind.TIME:
            time = _time(found, value)
            return lambda one: one - time
        case Kind.NUMBER:
            limit = number(value)
            if limit is None:
                raise ValidationException(
                    f"The Value {value!r} of the filter on {found.name} must be a number."
                )
            return lambda one: _difference(one, limit)
    return _free(found, operator, value)


def _free(found: Property, operator: str, value: str) -> Callable[[Any], float | None]:
    """Hyperparameters: as numbers where both are; as integers where the filter's value is one.
    Equal texts are equal in any case."""
    wanted = number(value)
    if wanted is None and operator not in ("Equals", "NotEquals"):
        raise ValidationException(
            f"The Value {value!r} of the filter on {found.name} must be a number, because "
            f"{operator} is not supported for text."
        )

    def compare(text: str) -> float | None:
        have = number(text)
        if wanted is None or have is None:
            return 0 if text == value else None
        if isinstance(wanted, int) and isinstance(have, float) and math.isfinite(have):
            have = math.trunc(have)
        return _difference(have, wanted)

    return compare


def _difference(one: float, other: float) -> int | None:
    """None for what is not a number."""
    return (one > other) - (one < other) if one == one else None


def _unsupported(found: Property, operator: str) -> ValidationException:
    return ValidationException(f"The operator {operator} is not supported for {found.name}.")


def _time(found: Property, value: str) -> float:
    """ISO 8601; without a time zone it is UTC."""
    try:
        time = datetime.fromisoformat(value)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return (aware - datetime.fromtimestamp(0, UTC)).total_seconds()
    except (ValueError, OverflowError):
        raise ValidationException(
            f"The Value {value!r} of the filter on {found.name} must be a time such as "
            "2026-01-31T12:00:00."
        ) from None


def hidden(conditions: Iterable[Mapping[str, str]], tags: Mapping[str, str]) -> bool:
    """Whether VisibilityConditions leave a record out: it has one of their tags with another
    value. Raises ValidationException for a key that is not that of a tag."""
    for condition in conditions:
        prefix, _, key = condition.get("Key", "").partition(".")
        if prefix != "Tags" or not key:
            raise ValidationException("The Key of a visibility condition must be Tags.<key>.")
        if tags.get(key, condition.get("Value", "")) != condition.get("Value", ""):
            return True
    return False
