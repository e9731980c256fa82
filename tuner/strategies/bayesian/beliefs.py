"""What the model thinks, for people to look at: in the objective's own unit.

It is the model of the standardised outputs; the one of warped outputs, which takes its turn in
suggestions, has no mean and deviation on the objective's scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical
from tuner.strategies.base import Observation, Problem
from tuner.strategies.bayesian.acquisition import Improvement
from tuner.strategies.bayesian.outputs import plain
from tuner.strategies.bayesian.posterior import Posterior
from tuner.strategies.bayesian.record import Record
from tuner.strategies.bayesian.suggestion import fitted
from tuner.strategies.bayesian.surrogate import Surrogate

Floats = NDArray[np.float64]

SLICE_POINTS = 101


@dataclass(frozen=True)
class Slice:
    """The belief along one hyperparameter: its values as wire strings in the order of its axis,
    and the posterior mean and standard deviation of the objective at each, shape (values,)."""

    values: tuple[str, ...]
    mean: Floats
    deviation: Floats


class Beliefs:
    """The model after a record; see `beliefs`."""

    def __init__(self, problem: Problem, record: Record) -> None:
        self._space = problem.space
        self._features = record.features
        self._sign = -1.0 if problem.objective_type is ObjectiveType.MAXIMIZE else 1.0
        costs = record.ended.costs
        self._middle, self._unit = float(costs.mean()), float(costs.std()) or 1.0
        surrogate = Surrogate(record.features, len(record.parents))
        data = record.data(plain)
        theta, _ = fitted(surrogate, data, record.memo.get("plain"))
        self._posterior = Posterior(surrogate, theta, data)
        self._target = float(self._posterior.at_data[: len(costs)].min())
        self._closeness = np.exp(-theta[surrogate.scales])

    def along(self, name: str, at: Mapping[str, str]) -> Slice:
        """The belief along hyperparameter `name`, all others as in `at`. Raises KeyError."""
        place = {item.name: place for place, item in enumerate(self._space.ranges)}[name]
        item = self._space.ranges[place]
        if isinstance(item, Categorical):
            values = item.values
        else:
            ticks = np.linspace(0.0, 1.0, SLICE_POINTS)
            values = tuple(dict.fromkeys(item.decode(float(tick)) for tick in ticks))
        rows = self._features.encode({**at, name: value} for value in values)
        mean, deviation = self._posterior.predict(rows)
        return Slice(
            values=values,
            mean=self._sign * (self._middle + self._unit * mean),
            deviation=self._unit * deviation,
        )

    def expected_improvement(self, values: Mapping[str, str]) -> float:
        """Of a configuration, over the best mean at an observed one; not negative."""
        row = self._features.encode([values])
        return self._unit * math.exp(float(Improvement(self._posterior, self._target).at(row)[0]))

    def importance(self) -> dict[str, float]:
        """Shares, summing to 1, of the inverse length scales: the shorter a length scale, the
        faster the objective changes along that hyperparameter."""
        shares = self._closeness / self._closeness.sum()
        return {
            item.name: float(one) for item, one in zip(self._space.ranges, shares, strict=True)
        }


def beliefs(problem: Problem, observations: Sequence[Observation]) -> Beliefs | None:
    """What the model thinks after these observations; None before there is anything to learn
    from (three results of our own that are not all the same)."""
    record = Record.of(problem, observations)
    costs = record.ended.costs
    if len(costs) < 3 or costs.min() == costs.max():
        return None
    return Beliefs(problem, record)
