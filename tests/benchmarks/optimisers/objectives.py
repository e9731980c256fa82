"""What a task asks to minimise: a function placed in a search space, a table, or a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tests.benchmarks.optimisers.functions import Floats, Function
from tuner.domain.ranges import Categorical, Continuous, Range, SearchSpace

Values = Mapping[str, str]


class Objective(Protocol):
    """Lower is better. `truth` is without noise, NaN where a training job would fail.

    `median` is that of random points, None where it is not known yet.
    """

    @property
    def space(self) -> SearchSpace: ...

    @property
    def optimum(self) -> float: ...

    @property
    def median(self) -> float | None: ...

    def truth(self, values: Values) -> float: ...

    def observed(self, values: Values, random: np.random.Generator) -> float:
        """What a training job would report; `truth` where training is deterministic."""
        ...


class Exact:
    """An objective that reports its true value."""

    median: float | None = None

    def truth(self, values: Values) -> float:
        raise NotImplementedError

    def observed(self, values: Values, random: np.random.Generator) -> float:
        return self.truth(values)


class Axes:
    """Hyperparameters as places in [0, 1]: on the axis of `seen_as` where it is given, and for a
    categorical at levels in a random order."""

    def __init__(
        self,
        ranges: Sequence[Range],
        random: np.random.Generator,
        seen_as: Mapping[str, Range] | None = None,
    ) -> None:
        self.space = SearchSpace(tuple(ranges))
        self._ranges = [(seen_as or {}).get(item.name, item) for item in ranges]
        self._orders = {
            item.name: random.permutation(len(item.values))
            for item in ranges
            if isinstance(item, Categorical)
        }

    def __call__(self, values: Values) -> Floats:
        return np.array([self._place(item, values[item.name]) for item in self._ranges])

    def _place(self, item: Range, value: str) -> float:
        if isinstance(item, Categorical):
            order = self._orders[item.name]
            return float(order[item.values.index(value)] + 0.5) / len(order)
        return item.encode(value)

    def somewhere(self, random: np.random.Generator) -> Floats:
        """A place that a configuration has, away from the borders."""
        values = {item.name: item.decode(random.uniform(0.15, 0.85)) for item in self._ranges}
        return self(values)


class Moved(Exact):
    """A function whose lowest point was moved to a random place of the space.

    Coordinates of the space beyond the function's dimension have no effect; which ones do is
    random. `rotated` mixes the coordinates, so that no axis can be searched alone.
    """

    def __init__(
        self,
        function: Function,
        axes: Axes,
        random: np.random.Generator,
        rotated: bool = False,
    ) -> None:
        assert function.everywhere
        size = function.dimension
        self.space, self.optimum = axes.space, function.minimum
        self.axes, self.best = axes, axes.somewhere(random)
        self._function = function
        self._used = np.sort(random.permutation(axes.space.dimension)[:size])
        turn = np.linalg.qr(random.normal(size=(size, size)))[0] if rotated else np.eye(size)
        self._map = turn * (function.high - function.low)

    def truth(self, values: Values) -> float:
        return self.value_at(self.axes(values))

    def value_at(self, point: Floats) -> float:
        away = self._map @ (point - self.best)[self._used]
        return self._function.value(self._function.place + away)


class Bent(Exact):
    """A function in its own box, each axis bent monotonously and maybe turned round.

    An axis u becomes c u / (1 + (c - 1) u), c from 1/2 to 2, so that what lies in the middle or
    is symmetric does not stay so.
    """

    def __init__(self, function: Function, axes: Axes, random: np.random.Generator) -> None:
        assert function.dimension == axes.space.dimension
        self.space, self.optimum = axes.space, function.minimum
        self._axes, self._function = axes, function
        self._bends = 2.0 ** random.uniform(-1.0, 1.0, function.dimension)
        self._turned = random.random(function.dimension) < 0.5

    def truth(self, values: Values) -> float:
        u = self._axes(values)
        u = self._bends * u / (1 + (self._bends - 1) * u)
        u = np.where(self._turned, 1 - u, u)
        function = self._function
        return function.value(function.low + u * (function.high - function.low))


class Walled(Exact):
    """An objective behind a wall that passes close to the best place.

    `height` None: training jobs beyond it fail; else they diverge, with values that grow
    exponentially from there. The larger part of the space lies before it.
    """

    def __init__(
        self, inner: Moved, random: np.random.Generator, distance: float, height: float | None
    ) -> None:
        self.space, self.optimum, self.best = inner.space, inner.optimum, inner.best
        self._inner, self._height = inner, height
        normal = random.normal(size=len(inner.best))
        normal /= np.linalg.norm(normal)
        self._normal = normal if normal @ (0.5 - inner.best) <= 0.0 else -normal
        self._limit = float(self._normal @ inner.best) + distance

    def truth(self, values: Values) -> float:
        return self.value_at(self._inner.axes(values))

    def value_at(self, point: Floats) -> float:
        beyond = float(self._normal @ point) - self._limit
        value = self._inner.value_at(point)
        if beyond <= 0.0:
            return value
        return math.nan if self._height is None else value + self._height * math.expm1(20 * beyond)


class Chain(Exact):
    """Lists only: the sum of a random share per value and of one per pair of neighbours.

    Neighbours are those in a hidden order of the hyperparameters; the shares of each shrink by
    `decay` along it. `interaction` weighs the pairs. The best sum is found by Viterbi's way.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        random: np.random.Generator,
        interaction: float = 0.5,
        decay: float = 0.8,
    ) -> None:
        ranges = tuple(
            Categorical(f"c{place}", tuple(f"v{level}" for level in range(size)))
            for place, size in enumerate(sizes)
        )
        self.space = SearchSpace(ranges)
        self._order = [ranges[place] for place in random.permutation(len(sizes))]
        weights = decay ** np.arange(len(sizes))
        self._single = [
            weight * random.normal(size=item.cardinality)
            for weight, item in zip(weights, self._order, strict=True)
        ]
        self._pairs = [
            interaction * weight * random.normal(size=(first.cardinality, second.cardinality))
            for weight, first, second in zip(weights, self._order, self._order[1:], strict=False)
        ]
        best = self._single[0]
        for pair, single in zip(self._pairs, self._single[1:], strict=True):
            best = (best[:, None] + pair).min(axis=0) + single
        self.optimum = float(best.min())

    def truth(self, values: Values) -> float:
        levels = [item.values.index(values[item.name]) for item in self._order]
        total = math.fsum(part[level] for part, level in zip(self._single, levels, strict=True))
        return total + math.fsum(
            pair[first, second]
            for pair, first, second in zip(self._pairs, levels, levels[1:], strict=False)
        )


class Choice(Exact):
    """A list says which function counts; each has its own continuous hyperparameters.

    Choices differ by an offset; the best one's is 0. Functions have their minimum at 0.
    """

    def __init__(
        self, functions: Mapping[str, Function], random: np.random.Generator, gap: float
    ) -> None:
        names = list(functions)
        ranges: list[Range] = [Categorical("model", tuple(names))]
        self._parts: dict[str, Moved] = {}
        for name, function in functions.items():
            assert function.minimum == 0.0
            own = [Continuous(f"{name}_{i}", 0.0, 1.0) for i in range(function.dimension)]
            ranges += own
            self._parts[name] = Moved(function, Axes(own, random), random)
        self.space, self.optimum = SearchSpace(tuple(ranges)), 0.0
        offsets = gap * np.arange(len(names))
        self._offsets = dict(zip(names, random.permutation(offsets), strict=True))
        self._scales = {
            name: np.median(
                [
                    part.truth(part.space.decode(u))
                    for u in random.random((201, part.space.dimension))
                ]
            )
            for name, part in self._parts.items()
        }

    def truth(self, values: Values) -> float:
        name = values["model"]
        return float(self._offsets[name] + self._parts[name].truth(values) / self._scales[name])


class Noisy:
    """Adds noise to what training jobs report, never to the truth.

    `spread` is its standard deviation as a share of `scale`, the distance of the median of random
    points from the optimum; `growth` adds that share of the regret; `heavy` draws from Student's
    t with 3 degrees of freedom in place of the normal distribution.
    """

    def __init__(
        self, inner: Objective, scale: float, spread: float, growth: float, heavy: bool
    ) -> None:
        self.space, self.optimum, self.median = inner.space, inner.optimum, inner.median
        self.truth = inner.truth
        self._floor, self._growth, self._heavy = spread * scale, growth, heavy

    def observed(self, values: Values, random: np.random.Generator) -> float:
        truth = self.truth(values)
        draw = random.standard_t(3) / math.sqrt(3) if self._heavy else random.normal()
        return float(truth + draw * (self._floor + self._growth * (truth - self.optimum)))
