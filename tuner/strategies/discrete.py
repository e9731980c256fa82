"""The configurations of a discrete space, numbered in the order of itertools.product.

Ordinal 0 has the first value of every range; the last range turns fastest. Nothing is listed:
spaces of 10**200 configurations cost the same as small ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuner.domain.ranges import Categorical, Continuous, Integer, Range, SearchSpace


def combination(space: SearchSpace, ordinal: int) -> dict[str, str]:
    """The configuration of a number from 0 to `space.cardinality` - 1, as wire strings."""
    levels = []
    for item in reversed(space.ranges):
        ordinal, level = divmod(ordinal, _size(item))
        levels.append(level)
    pairs = zip(space.ranges, reversed(levels), strict=True)
    return {item.name: _value(item, level) for item, level in pairs}


def ordinal_of(space: SearchSpace, values: Mapping[str, str]) -> int:
    """The number of a configuration: `combination` turned round."""
    ordinal = 0
    for item in space.ranges:
        ordinal = ordinal * _size(item) + _level(item, values[item.name])
    return ordinal


def _size(item: Range) -> int:
    if isinstance(item, Continuous):
        raise TypeError(f"{item.name} is continuous: its values have no numbers")
    return item.cardinality


def _value(item: Range, level: int) -> str:
    if isinstance(item, Integer):
        return str(item.low + level)
    assert isinstance(item, Categorical)
    return item.values[level]


def _level(item: Range, value: str) -> int:
    if isinstance(item, Integer):
        return int(value) - item.low
    assert isinstance(item, Categorical)
    return item.values.index(value)
