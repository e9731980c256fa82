"""SkoptGP: a Gaussian process on what was observed, through scikit-optimize's ask and tell.

The first INITIAL_DESIGN configurations are a Latin hypercube that depends on the seed alone.
After that every suggestion is made afresh from the record: hyperparameters of the kernel are
fitted to the finished training jobs, running ones are added with the mean the model predicts for
them (kriging believer: neither hopeful nor gloomy, it only takes away the reason to ask the same
twice), and expected improvement is maximised. Failed jobs are left out of the data. What was
launched before, whatever became of it, is not proposed again while there is anything else.

With 6 hyperparameters a suggestion takes about 0.15 s at 50 observations and 0.6 s from 200 up,
on one core; it grows no further than that, because of FITTED and MODELLED below.
tests/benchmarks/suggestions.py measures it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical, SearchSpace
from tuner.strategies.base import (
    Exhausted,
    Observation,
    ObservationState,
    Problem,
    StrategyError,
    Suggestion,
)
from tuner.strategies.discrete import combination, ordinal_of
from tuner.strategies.draws import Draws, Point, free_ordinal, generator, uniform
from tuner.strategies.registry import missing_requirement
from tuner.strategies.telling import most_telling

INITIAL_DESIGN = 10
FITTED = 150
"""Observations the kernel's hyperparameters are fitted to, at most (cubic, many times over)."""
MODELLED = 400
"""Observations the model is conditioned on, at most (cubic, once or twice)."""
CANDIDATES = 1000

_DESIGN, _MODEL, _SEARCH = 1, 2, 3

Floats = NDArray[np.float64]


class SkoptGP:
    """See the module's docstring. Values that are not finite count as failures."""

    name = "SkoptGP"

    def __init__(self) -> None:
        self._design = Draws(_latin_hypercube)

    def needs_history(self, index: int) -> bool:
        return index >= INITIAL_DESIGN

    def suggest(
        self, problem: Problem, observations: Sequence[Observation], seed: int, index: int
    ) -> Suggestion | Exhausted:
        """Raises StrategyError where scikit-optimize is missing and needed."""
        space = problem.space
        if not self.needs_history(index):
            values = self._design.nth(space, seed, index)
            return Exhausted() if values is None else Suggestion(values=values)
        taken = _Taken(space, observations)
        if taken.everything:
            return Exhausted()
        data = _Data.of(problem, observations)
        if len(np.unique(data.costs)) < 2:
            return Suggestion(values=taken.free(seed, index))
        return Suggestion(values=_most_promising(space, data, taken, seed, index))


def _latin_hypercube(space: SearchSpace, seed: int, index: int) -> Point:
    """Points 0 to INITIAL_DESIGN - 1 hit every tenth of every axis once; then uniform ones."""
    if index >= INITIAL_DESIGN:
        return uniform(space, seed, index)
    random = generator(seed, 0, _DESIGN)
    shape = (space.dimension, INITIAL_DESIGN)
    order = random.permuted(np.broadcast_to(np.arange(INITIAL_DESIGN), shape), axis=1)
    return ((order + random.random(shape)) / INITIAL_DESIGN)[:, index]


class _Taken:
    """The configurations that were launched before."""

    def __init__(self, space: SearchSpace, observations: Sequence[Observation]) -> None:
        self._space = space
        self._keys = {self._key(item.values) for item in observations}

    def _key(self, values: Mapping[str, str]) -> int | tuple[str, ...]:
        if self._space.cardinality is None:
            return tuple(values[item.name] for item in self._space.ranges)
        return ordinal_of(self._space, values)

    def __contains__(self, values: Mapping[str, str]) -> bool:
        return self._key(values) in self._keys

    @property
    def everything(self) -> bool:
        total = self._space.cardinality
        return total is not None and len(self._keys) >= total

    def free(self, seed: int, index: int) -> dict[str, str]:
        """A random configuration that is not taken. There must be one."""
        random = generator(seed, index, _SEARCH)
        if self._space.cardinality is None:
            return self._space.decode(random.random(self._space.dimension))
        ordinal = free_ordinal(
            self._space, self._keys, lambda: random.random(self._space.dimension)
        )
        return combination(self._space, ordinal)

    def candidates(self, seed: int, index: int) -> Iterator[dict[str, str]]:
        """Free configurations to choose from: all of a small space, else random ones."""
        total = self._space.cardinality
        if total is not None and total <= CANDIDATES:
            drawn = (combination(self._space, ordinal) for ordinal in range(total))
        else:
            points = generator(seed, index, _SEARCH).random((CANDIDATES, self._space.dimension))
            drawn = (self._space.decode(point) for point in points)
        return (values for values in drawn if values not in self)


class _Data:
    """What the model learns from: coordinates and costs (lower is better) of finished jobs, and
    coordinates of running ones."""

    def __init__(self, points: list[list[Any]], costs: Floats, running: list[list[Any]]) -> None:
        self.points = points
        self.costs = costs
        self.running = running

    @classmethod
    def of(cls, problem: Problem, observations: Sequence[Observation]) -> _Data:
        ordered = sorted(observations, key=lambda item: item.index)
        ended = [
            item
            for item in ordered
            if item.state is ObservationState.SUCCEEDED
            and item.value is not None
            and math.isfinite(item.value)
        ]
        sign = -1.0 if problem.objective_type is ObjectiveType.MAXIMIZE else 1.0
        costs = sign * np.array([item.value for item in ended], dtype=float)
        kept = most_telling(costs, MODELLED)
        running = [item for item in ordered if item.state is ObservationState.RUNNING]
        return cls(
            [_coordinates(problem.space, ended[place].values) for place in kept],
            _tamed(costs[kept]),
            [_coordinates(problem.space, item.values) for item in running],
        )


def _tamed(costs: Floats) -> Floats:
    """Standardised, with diverged costs cut: how bad a bad one is must not hide what is good."""
    if len(costs) == 0:
        return costs
    costs = costs / (np.abs(costs).max() or 1.0)
    middle, best = np.median(costs), costs.min()
    if middle > best:
        costs = np.minimum(costs, middle + 5.0 * (middle - best))
    spread = costs.std()
    return (costs - costs.mean()) / spread if spread > 0.0 else np.zeros_like(costs)


def _coordinates(space: SearchSpace, values: Mapping[str, str]) -> list[Any]:
    """A point as scikit-optimize takes it: the unit axis, a categorical by its place."""
    return [
        item.values.index(values[item.name])
        if isinstance(item, Categorical)
        else min(max(item.encode(values[item.name]), 0.0), 1.0)
        for item in space.ranges
    ]


def _values(space: SearchSpace, coordinates: Sequence[Any]) -> dict[str, str]:
    """`_coordinates` turned round; integers are snapped."""
    return {
        item.name: item.values[int(place)]
        if isinstance(item, Categorical)
        else item.decode(float(place))
        for item, place in zip(space.ranges, coordinates, strict=True)
    }


def _most_promising(
    space: SearchSpace, data: _Data, taken: _Taken, seed: int, index: int
) -> dict[str, str]:
    """The free configuration of the highest expected improvement that could be found."""
    missing = missing_requirement(SkoptGP.name)
    if missing is not None:
        raise StrategyError(missing)
    from skopt.acquisition import gaussian_ei
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with warnings.catch_warnings(), threadpool_limits(1), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        random_state = int(generator(seed, index, _MODEL).integers(2**31))
        optimizer = _told(space, data, random_state)
        asked = _values(space, optimizer.ask())
        if space.cardinality is None and asked not in taken:
            return asked
        choice = [*([asked] if asked not in taken else []), *taken.candidates(seed, index)]
        if not choice:
            return taken.free(seed, index)
        points = optimizer.space.transform([_coordinates(space, values) for values in choice])
        gains = gaussian_ei(points, optimizer.models[-1], y_opt=np.min(optimizer.yi))
        return choice[int(np.argmax(gains))]


def _told(space: SearchSpace, data: _Data, random_state: int) -> Any:
    """A skopt Optimizer that knows the data and believes its model about running jobs."""
    from skopt import Optimizer
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    from skopt.space import Categorical as Choice
    from skopt.space import Real, Space

    axes = Space(
        [
            Choice(range(len(item.values))) if isinstance(item, Categorical) else Real(0.0, 1.0)
            for item in space.ranges
        ]
    )
    columns = axes.transformed_n_dims
    prior = ConstantKernel(1.0, (0.01, 1000.0)) * Matern(
        np.ones(columns), [(0.05, 50.0)] * columns, nu=2.5
    )
    fitted = GaussianProcessRegressor(
        prior, noise="gaussian", n_restarts_optimizer=1, random_state=random_state
    )
    part = most_telling(data.costs, FITTED)
    points = axes.transform(data.points)
    fitted.fit(points[part], data.costs[part])
    kernel = fitted.kernel_.k1 + WhiteKernel(fitted.noise_)
    model = GaussianProcessRegressor(kernel, noise="gaussian", optimizer=None)
    costs = data.costs.tolist()
    if data.running:
        believed = model.fit(points, data.costs).predict(axes.transform(data.running))
        costs += believed.tolist()
    optimizer = Optimizer(
        axes.dimensions,
        base_estimator=model,
        n_initial_points=0,
        acq_func="EI",
        acq_optimizer="lbfgs",
        acq_optimizer_kwargs={"n_points": CANDIDATES, "n_restarts_optimizer": 5},
        random_state=random_state,
    )
    optimizer.tell([*data.points, *data.running], costs)
    return optimizer
