"""The search space: parsed ranges, their scalings, and the way to and from the unit cube.

A point of the unit cube is a float64 array of shape (dimension,), one coordinate per
hyperparameter in the order of the request: integers, continuous, categoricals. Values on the
wire are strings. Integers are encoded over [min-0.5, max+0.5] and rounded, so that each gets an
equal share of a linear axis; a categorical of k values owns k equal intervals.
Scalings: docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuner.domain.definitions import (
    CategoricalParameterRange,
    ContinuousParameterRange,
    IntegerParameterRange,
    ParameterRanges,
    ScalingType,
)

AUTO_LOGARITHMIC_RATIO = 1000.0

_FORWARD: dict[ScalingType, Callable[[float], float]] = {
    ScalingType.LINEAR: lambda x: x,
    ScalingType.LOGARITHMIC: math.log,
    ScalingType.REVERSE_LOGARITHMIC: lambda x: -math.log1p(-x),
}
_BACKWARD: dict[ScalingType, Callable[[float], float]] = {
    ScalingType.LINEAR: lambda x: x,
    ScalingType.LOGARITHMIC: math.exp,
    ScalingType.REVERSE_LOGARITHMIC: lambda x: -math.expm1(-x),
}


def resolve_scaling(scaling: ScalingType | None, low: float, high: float) -> ScalingType:
    """What `Auto` (or no scaling) means: Logarithmic from three decades up, else Linear."""
    if scaling not in (None, ScalingType.AUTO):
        return scaling
    if low > 0 and high / low >= AUTO_LOGARITHMIC_RATIO:
        return ScalingType.LOGARITHMIC
    return ScalingType.LINEAR


def parse_integer(text: str) -> int:
    """An integer bound or value; raises ValueError for anything else."""
    return int(_plain(text))


def parse_continuous(text: str) -> float:
    """A finite double; raises ValueError for anything else."""
    value = float(_plain(text))
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {text!r}")
    return value


def _plain(text: str) -> str:
    """Refuses what only Python takes for a number: `1_000`, other scripts' digits, blanks."""
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError(f"not a number: {text!r}")
    return text


def _place(value: float, start: float, end: float) -> float:
    """Where `value` lies on the way from `start` (0) to `end` (1).

    Ends that differ by less than doubles can tell are one place, 0.5.
    """
    if start == end:
        return 0.5
    if math.isinf(end - start):
        value, start, end = value / 2, start / 2, end / 2
    return (value - start) / (end - start)


def _between(u: float, start: float, end: float) -> float:
    """The way back; never leaves [start, end] and never overflows."""
    return min(max(start * (1.0 - u) + end * u, start), end)


@dataclass(frozen=True)
class Integer:
    """Integers from `low` to `high`, both included."""

    name: str
    low: int
    high: int
    scaling: ScalingType = ScalingType.AUTO

    @cached_property
    def effective_scaling(self) -> ScalingType:
        return resolve_scaling(self.scaling, self.low, self.high)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        forward = _FORWARD[self.effective_scaling]
        return forward(self.low - 0.5), forward(self.high + 0.5)

    @property
    def cardinality(self) -> int:
        return self.high - self.low + 1

    def encode(self, value: str) -> float:
        """Place on the unit axis; outside [0, 1] for a value outside the range (of a parent)."""
        number = int(value) if value.lstrip("+-").isdecimal() else int(float(value))
        if self.effective_scaling is ScalingType.LINEAR:
            return (2 * (number - self.low) + 1) / (2 * self.cardinality)
        if self.effective_scaling is ScalingType.LOGARITHMIC:
            number = max(number, 1)
        return _place(_FORWARD[self.effective_scaling](number), *self._ends)

    def decode(self, u: float) -> str:
        if u <= 0.0:
            raw = self.low
        elif u >= 1.0:
            raw = self.high
        elif self.effective_scaling is ScalingType.LINEAR:
            raw = self.low + int(u * self.cardinality)
        else:
            raw = round(_BACKWARD[self.effective_scaling](_between(u, *self._ends)))
        return str(min(max(raw, self.low), self.high))


@dataclass(frozen=True)
class Continuous:
    """Doubles from `low` to `high`, both included."""

    name: str
    low: float
    high: float
    scaling: ScalingType = ScalingType.AUTO

    cardinality = None

    @cached_property
    def effective_scaling(self) -> ScalingType:
        return resolve_scaling(self.scaling, self.low, self.high)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        forward = _FORWARD[self.effective_scaling]
        return forward(self.low), forward(self.high)

    def encode(self, value: str) -> float:
        """Place on the unit axis; outside [0, 1] for a value outside the range (of a parent)."""
        number = float(value)
        if self.effective_scaling is ScalingType.LOGARITHMIC:
            number = max(number, math.ulp(0.0))
        elif self.effective_scaling is ScalingType.REVERSE_LOGARITHMIC:
            number = min(number, 1.0 - math.ulp(0.5))
        return _place(_FORWARD[self.effective_scaling](number), *self._ends)

    def decode(self, u: float) -> str:
        """Shortest text that reads back as the same double, as AWS writes it."""
        if u <= 0.0:
            raw = self.low
        elif u >= 1.0:
            raw = self.high
        else:
            raw = _BACKWARD[self.effective_scaling](_between(u, *self._ends))
        return repr(float(min(max(raw, self.low), self.high)))


@dataclass(frozen=True)
class Categorical:
    """One of `values`, verbatim."""

    name: str
    values: tuple[str, ...]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {value: index for index, value in enumerate(self.values)}

    @property
    def cardinality(self) -> int:
        return len(self.values)

    def encode(self, value: str) -> float:
        """Middle of the value's interval; NaN for a value the range does not have."""
        index = self._index.get(value)
        return math.nan if index is None else (index + 0.5) / len(self.values)

    def decode(self, u: float) -> str:
        return self.values[min(max(int(u * len(self.values)), 0), len(self.values) - 1)]


Range = Integer | Continuous | Categorical


def _integer(spec: IntegerParameterRange) -> Integer:
    low, high = parse_integer(spec.min_value), parse_integer(spec.max_value)
    return Integer(spec.name, low, high, spec.scaling_type or ScalingType.AUTO)


def _continuous(spec: ContinuousParameterRange) -> Continuous:
    low, high = parse_continuous(spec.min_value), parse_continuous(spec.max_value)
    return Continuous(spec.name, low, high, spec.scaling_type or ScalingType.AUTO)


def _categorical(spec: CategoricalParameterRange) -> Categorical:
    return Categorical(spec.name, spec.values)


@dataclass(frozen=True)
class SearchSpace:
    """The ranges of one training job definition."""

    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, spec: ParameterRanges) -> SearchSpace:
        """Parse validated ranges; raises ValueError for a bound that is no number."""
        return cls(
            (
                *map(_integer, spec.integer_parameter_ranges),
                *map(_continuous, spec.continuous_parameter_ranges),
                *map(_categorical, spec.categorical_parameter_ranges),
            )
        )

    @property
    def dimension(self) -> int:
        return len(self.ranges)

    @cached_property
    def cardinality(self) -> int | None:
        """Number of distinct configurations; None when a range is continuous."""
        total = 1
        for item in self.ranges:
            if item.cardinality is None:
                return None
            total *= item.cardinality
        return total

    def encode(self, values: Mapping[str, str]) -> NDArray[np.float64]:
        """Values of all hyperparameters to a point, shape (dimension,)."""
        return np.array([item.encode(values[item.name]) for item in self.ranges], dtype=float)

    def decode(self, point: Sequence[float] | NDArray[np.float64]) -> dict[str, str]:
        """A point of the unit cube, shape (dimension,), to the strings AWS would send."""
        pairs = zip(self.ranges, point, strict=True)
        return {item.name: item.decode(float(u)) for item, u in pairs}
