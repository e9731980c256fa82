"""Search spaces of every kind, and a tuning job played against a strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tuner.domain.definitions import ObjectiveType, ScalingType
from tuner.domain.ranges import Categorical, Continuous, Integer, SearchSpace
from tuner.strategies.base import (
    Exhausted,
    Observation,
    ObservationState,
    Problem,
    Strategy,
)

Objective = Callable[[Mapping[str, str]], float]

SPACES = {
    "continuous": SearchSpace(
        (
            Continuous("linear", -2.0, 3.0, ScalingType.LINEAR),
            Continuous("log", 1e-7, 1.0, ScalingType.LOGARITHMIC),
            Continuous("reverse", 0.0, 0.9999, ScalingType.REVERSE_LOGARITHMIC),
            Continuous("auto", 0.1, 10.0),
        )
    ),
    "integers": SearchSpace(
        (
            Integer("linear", -3, 3, ScalingType.LINEAR),
            Integer("log", 1, 100_000, ScalingType.LOGARITHMIC),
            Integer("auto", 1, 12),
        )
    ),
    "mixed": SearchSpace(
        (
            Integer("depth", 1, 12),
            Continuous("eta", 1e-4, 1.0),
            Categorical("booster", ("gbtree", "gblinear", '"dart"')),
            Categorical("single", ("only",)),
        )
    ),
    "small": SearchSpace((Integer("n", 1, 4), Categorical("c", ("a", "b", "c", "d", "e")))),
    "categorical": SearchSpace(
        (Categorical("a", tuple("0123456789")), Categorical("b", ("x", "y", "z")))
    ),
    "wide": SearchSpace(
        (Integer("n", 0, 10**200), *(Continuous(f"x{i}", 0.0, 1.0) for i in range(29)))
    ),
}


def problem(
    space: str | SearchSpace, objective_type: ObjectiveType = ObjectiveType.MINIMIZE
) -> Problem:
    chosen = SPACES[space] if isinstance(space, str) else space
    return Problem(space=chosen, objective_type=objective_type)


def bowl(space: SearchSpace) -> Objective:
    """Smooth, lowest (0) at the configuration around 0.3 of every axis."""
    bottom = space.encode(space.decode([0.3] * space.dimension))

    def value(values: Mapping[str, str]) -> float:
        return math.fsum((space.encode(values) - bottom) ** 2)

    return value


def play(
    strategy: Strategy,
    task: Problem,
    objective: Objective,
    budget: int,
    seed: int = 1,
    parallel: int = 1,
    fails: Callable[[int], bool] = lambda index: False,
) -> tuple[Observation, ...]:
    """Run a tuning job: `parallel` at a time, each ending in turn; the record at its end."""
    record: list[Observation] = []
    for index in range(budget):
        if index >= parallel:
            place = index - parallel
            record[place] = _ended(record[place], objective, fails(place))
        answer = strategy.suggest(task, tuple(record), seed, index)
        if isinstance(answer, Exhausted):
            break
        record.append(
            Observation(
                index=index,
                values=answer.values,
                state=ObservationState.RUNNING,
                memo=answer.memo,
            )
        )
    return tuple(
        _ended(item, objective, fails(item.index))
        if item.state is ObservationState.RUNNING
        else item
        for item in record
    )


def _ended(item: Observation, objective: Objective, failed: bool) -> Observation:
    if failed:
        return replace(item, state=ObservationState.FAILED, completion_order=item.index + 1)
    return replace(
        item,
        state=ObservationState.SUCCEEDED,
        value=objective(item.values),
        completion_order=item.index + 1,
    )


def best(record: Sequence[Observation]) -> float:
    return min(item.value for item in record if item.value is not None)
