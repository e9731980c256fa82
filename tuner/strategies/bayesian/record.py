"""The record of a tuning job, and of its parents, as the model reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from tuner.domain.definitions import ObjectiveType
from tuner.strategies.base import Observation, ObservationState, Problem
from tuner.strategies.bayesian.features import Features, features_of
from tuner.strategies.bayesian.outputs import Transform
from tuner.strategies.bayesian.surrogate import Data
from tuner.strategies.telling import most_telling

Floats = NDArray[np.float64]

MODELLED = 1000
"""Observations the model is conditioned on, at most: its cost is cubic in them."""
OF_A_PARENT = 100
"""Observations that are used of each parent on a scale of its own, at most."""


@dataclass(frozen=True)
class Results:
    """Rows as in features.py, and costs: objective values, lower is better, all finite."""

    rows: Floats
    costs: Floats

    def telling(self, limit: int) -> Results:
        """At most `limit`: the best half and the latest."""
        kept = most_telling(self.costs, limit)
        return Results(self.rows[kept], self.costs[kept])


@dataclass(frozen=True)
class Record:
    """`ended` are our own results in the order they ended in, after those of parents that
    trained the same; `parents` those of others. Jobs without a finite value have failed."""

    features: Features
    ended: Results
    failed: Floats
    running: Floats
    parents: tuple[Results, ...]
    taken: frozenset[bytes]
    memo: Mapping[str, Any]

    @classmethod
    def of(cls, problem: Problem, observations: Sequence[Observation]) -> Record:
        features = features_of(problem.space)
        sign = -1.0 if problem.objective_type is ObjectiveType.MAXIMIZE else 1.0
        ordered = sorted(observations, key=lambda item: item.index)
        running = [item for item in ordered if item.state is ObservationState.RUNNING]
        over = [item for item in ordered if item.state is not ObservationState.RUNNING]
        failed = [item for item in over if not _is_result(item.value)]
        ended = [item for item in over if _is_result(item.value)]
        ended.sort(key=lambda item: item.completion_order or 0)
        same: list[tuple[Mapping[str, str], float | None]] = []
        others = []
        for parent in problem.parents:
            pairs = [
                (item.values, item.value) for item in parent.results if features.holds(item.values)
            ]
            if parent.identical:
                same += pairs
            else:
                others.append(_results(features, pairs, sign).telling(OF_A_PARENT))
        own = _results(features, [*same, *((item.values, item.value) for item in ended)], sign)
        launched = features.encode(item.values for item in ordered)
        tried = np.vstack([own.rows[features.are_inside(own.rows)], launched])
        return cls(
            features=features,
            ended=own.telling(MODELLED),
            failed=features.encode(item.values for item in failed[-MODELLED // 4 :]),
            running=features.encode(item.values for item in running),
            parents=tuple(found for found in others if len(found.costs)),
            taken=frozenset(features.key(row) for row in tried),
            memo=next((item.memo for item in reversed(ordered) if item.memo), {}),
        )

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to learn from: fewer than three results of our own and no
        parent's, or all the same."""
        costs = [self.ended.costs, *(parent.costs for parent in self.parents)]
        enough = len(self.ended.costs) >= 3 or self.parents
        return not enough or not any(one.size and one.min() < one.max() for one in costs)

    def data(self, transform: Transform) -> Data:
        """Every group on its own scale; a failed job counts as the worst of ours."""
        outputs = transform(self.ended.costs)
        worst = float(outputs.max(initial=0.0))
        blocks = [(self.ended.rows, outputs), (self.failed, np.full(len(self.failed), worst))]
        own = len(outputs) + len(self.failed)
        blocks += [(parent.rows, transform(parent.costs)) for parent in self.parents]
        sizes = [own, *(len(parent.costs) for parent in self.parents)]
        return Data(
            rows=np.vstack([rows for rows, _ in blocks]),
            outputs=np.concatenate([block for _, block in blocks]),
            groups=np.repeat(np.arange(len(sizes)), sizes),
        )


def _is_result(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _results(
    features: Features, pairs: Sequence[tuple[Mapping[str, str], float | None]], sign: float
) -> Results:
    told = [(values, sign * value) for values, value in pairs if _is_result(value)]
    return Results(
        rows=features.encode(values for values, _ in told),
        costs=np.array([cost for _, cost in told], dtype=float),
    )
