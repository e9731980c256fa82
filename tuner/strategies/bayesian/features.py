"""The coordinates that the model and its search work in.

A configuration is a row of float64, one column per hyperparameter: a number's place on its
scaled axis, 0 at its lowest value and 1 at its highest, or the index of a categorical's value.
The kernel sees a categorical as one column per value, two different values a distance of 1
apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tuner.domain.definitions import ScalingType
from tuner.domain.ranges import Categorical, Continuous, Integer, Range, SearchSpace

Floats = NDArray[np.float64]

FINEST_LEVELS = 4096
"""Integers that lie closer than this share of their axis are searched as if continuous."""
COARSE_LEVELS = 8
"""Integers with more values than this are searched by gradient as well as value by value."""
REMEMBERED = 20_000
"""Configurations whose coordinates are kept."""
LEARNED_RATIO = 10.0
"""Auto scaling is learned on axes whose ends are at least so many times apart."""
_KEY_DIGITS = 9


class Features:
    """The coordinates of one search space."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._names = [item.name for item in space.ranges]
        self._units: dict[tuple[str, ...], tuple[float, ...]] = {}
        ranges = space.ranges
        self.size = len(ranges)
        self.is_categorical = np.array([isinstance(item, Categorical) for item in ranges], bool)
        self.is_integer = np.array([isinstance(item, Integer) for item in ranges], bool)
        self.numeric = np.flatnonzero(~self.is_categorical)
        self.levels = [_levels(item) for item in ranges]
        self.sizes = [item.cardinality or 0 for item in ranges]
        self.is_continuous = np.array([levels is None for levels in self.levels], bool)
        self.spacing = np.array([_spacing(levels) for levels in self.levels])
        """Mean distance of neighbouring values; 0 where they are dense."""
        self.smooth = np.array([_is_smooth(item) for item in ranges], bool)
        """Columns in which a gradient leads somewhere."""
        ends = np.array([_ends(item) for item in ranges])
        self._start, self._width = ends[:, 0], ends[:, 1] - ends[:, 0]
        counts = [item.cardinality if isinstance(item, Categorical) else 1 for item in ranges]
        self.owner = np.repeat(np.arange(self.size), counts)
        """The hyperparameter of each column that the kernel sees."""
        self.numeric_columns = np.flatnonzero(~self.is_categorical[self.owner])
        wanted = np.array([_may_bend(item) for item in ranges], bool)
        self.bendable = np.flatnonzero(wanted[self.owner])
        """Columns whose scaling the model learns."""
        self.bendable_within = np.searchsorted(self.numeric_columns, self.bendable)
        self._categorical_columns = np.flatnonzero(self.is_categorical[self.owner])
        self._categorical_values = np.concatenate([np.arange(count) for count in counts])[
            self._categorical_columns
        ]

    @cached_property
    def cardinality(self) -> float:
        return math.inf if self.space.cardinality is None else self.space.cardinality

    @cached_property
    def every_row(self) -> Floats:
        """All configurations of a discrete space."""
        levels = [one for one in self.levels if one is not None]
        grid = np.meshgrid(*levels, indexing="ij")
        return np.stack([axis.ravel() for axis in grid], axis=1)

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether they tell anything about this space: a parent may have had other
        hyperparameters, other values of a categorical, and numbers out of range by more than
        the range is wide."""
        try:
            row = self.encode([values])[0]
        except (KeyError, ValueError, OverflowError):
            return False
        return bool(((row >= -1.0) & (row <= self._top + 1.0)).all())

    def encode(self, values: Iterable[Mapping[str, str]]) -> Floats:
        """Configurations as wire strings to rows; a number out of range lies outside [0, 1].

        Raises KeyError or ValueError for what `holds` would have refused, but a categorical's
        unknown value is NaN.
        """
        rows = [self._unit_of(tuple(one[name] for name in self._names)) for one in values]
        return self._from_axes(np.array(rows, dtype=float).reshape(len(rows), self.size))

    def _unit_of(self, values: tuple[str, ...]) -> tuple[float, ...]:
        """Remembered: the same training jobs come with every suggestion."""
        unit = self._units.get(values)
        if unit is None:
            pairs = zip(self.space.ranges, values, strict=True)
            unit = tuple(item.encode(value) for item, value in pairs)
            if len(self._units) < REMEMBERED:
                self._units[values] = unit
        return unit

    def from_unit(self, units: Floats) -> Floats:
        """Points of the unit cube to the configurations they fall on."""
        return self.snap(self._from_axes(units))

    def decode(self, row: Floats) -> dict[str, str]:
        """A row to wire strings."""
        middle = (row + 0.5) / self._width
        place = self._start + row * self._width
        return self.space.decode(np.where(self.is_categorical, middle, place))

    def _from_axes(self, units: Floats) -> Floats:
        rows: Floats = (units - self._start) / self._width
        chosen = self.is_categorical
        rows[:, chosen] = np.floor(units[:, chosen] * self._width[chosen])
        return rows

    def snap(self, rows: Floats) -> Floats:
        """The nearest configurations."""
        rows = np.clip(rows, 0.0, self._top)
        for column in np.flatnonzero(self.is_categorical):
            rows[:, column] = np.round(rows[:, column])
        for column in np.flatnonzero(self.is_integer):
            levels = self.levels[column]
            if levels is None:
                continue
            coarse = rows[:, column] <= levels[-1]
            middles = (levels[1:] + levels[:-1]) / 2
            nearest = levels[np.searchsorted(middles, rows[:, column])]
            rows[:, column] = np.where(coarse, nearest, rows[:, column])
        return rows

    def are_inside(self, rows: Floats) -> NDArray[np.bool_]:
        """Which rows lie in the ranges: those of a parent may not."""
        return np.array(((rows >= 0.0) & (rows <= self._top)).all(axis=1), dtype=bool)

    @cached_property
    def _top(self) -> Floats:
        return np.where(self.is_categorical, self._width - 1.0, 1.0)

    def columns(self, rows: Floats) -> Floats:
        """What the kernel sees, shape (rows, len(owner))."""
        if not len(self._categorical_columns):
            return rows
        seen = np.empty((len(rows), len(self.owner)))
        seen[:, self.numeric_columns] = rows[:, self.numeric]
        places = self._categorical_columns
        hit = rows[:, self.owner[places]] == self._categorical_values
        seen[:, places] = hit * math.sqrt(0.5)
        return seen

    @staticmethod
    def key(row: Floats) -> bytes:
        """Equal for rows of the same configuration."""
        rounded: Floats = np.round(row, _KEY_DIGITS) + 0.0
        return rounded.tobytes()


@lru_cache(maxsize=64)
def features_of(space: SearchSpace) -> Features:
    return Features(space)


def _ends(item: Range) -> tuple[float, float]:
    """Places of the lowest and highest value on the unit axis; for a categorical 0 and how many
    values it has."""
    if isinstance(item, Categorical):
        return 0.0, float(item.cardinality)
    if isinstance(item, Continuous):
        return 0.0, 1.0
    low, high = item.encode(str(item.low)), item.encode(str(item.high))
    return (low, high) if high > low else (low, low + 1.0)


def _levels(item: Range) -> Floats | None:
    """Coordinates of the values that lie so far apart that it matters, from the lowest up."""
    if isinstance(item, Continuous):
        return None
    if isinstance(item, Categorical):
        return np.arange(item.cardinality, dtype=float)
    count = item.cardinality
    if count > FINEST_LEVELS:
        if item.effective_scaling is not ScalingType.LOGARITHMIC:
            return None
        span = math.log((item.high + 0.5) / (item.low - 0.5))
        count = int(FINEST_LEVELS / span) - item.low
        if count < 2:
            return None
    start, end = _ends(item)
    values = range(item.low, item.low + count)
    return np.array([(item.encode(str(value)) - start) / (end - start) for value in values])


def _spacing(levels: Floats | None) -> float:
    return 0.0 if levels is None or len(levels) < 2 else float(np.diff(levels).mean())


def _is_smooth(item: Range) -> bool:
    return isinstance(item, Continuous) or (
        isinstance(item, Integer) and item.cardinality > COARSE_LEVELS
    )


def _may_bend(item: Range) -> bool:
    """Where `Auto` leaves open whether effects go with the value or with its logarithm."""
    if isinstance(item, Categorical) or item.scaling is not ScalingType.AUTO:
        return False
    return item.low > 0 and item.high / item.low >= LEARNED_RATIO
