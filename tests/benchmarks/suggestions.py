"""Milliseconds per suggestion at n observations, for every strategy.

    python tests/benchmarks/suggestions.py [STRATEGY ...]

The space is mixed (2 integers, 3 continuous, 1 categorical) with two running jobs; Grid gets a
categorical one. Medians of a few suggestions, in this process, imports not counted.
"""

from __future__ import annotations

import statistics
import sys
import time

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical, Continuous, Integer, SearchSpace
from tuner.strategies.base import Observation, ObservationState, Problem, StrategyError, Suggestion
from tuner.strategies.registry import find_strategy, strategy_names, warm_up

SIZES = (10, 25, 50, 100, 200, 400, 750)
REPEATS = 5
RUNNING = 2

MIXED = SearchSpace(
    (
        Integer("max_depth", 1, 12),
        Integer("num_round", 10, 1000),
        Continuous("eta", 1e-4, 1.0),
        Continuous("alpha", 1e-6, 2.0),
        Continuous("subsample", 0.5, 1.0),
        Categorical("tree_method", ("exact", "approx", "hist")),
    )
)
LISTS = SearchSpace(tuple(Categorical(f"p{place}", tuple("0123456789")) for place in range(6)))


def problem_for(name: str) -> Problem:
    problem = Problem(space=MIXED, objective_type=ObjectiveType.MINIMIZE)
    try:
        find_strategy(name).suggest(problem, (), 1, 0)
    except StrategyError:
        return Problem(space=LISTS, objective_type=ObjectiveType.MINIMIZE)
    return problem


def record(problem: Problem, count: int) -> tuple[Observation, ...]:
    """`count` finished jobs with a smooth objective, and RUNNING running ones."""
    random = find_strategy("Random")
    made = []
    for index in range(count + RUNNING):
        answer = random.suggest(problem, (), 7, index)
        assert isinstance(answer, Suggestion)
        ended = index < count
        made.append(
            Observation(
                index=index,
                values=answer.values,
                state=ObservationState.SUCCEEDED if ended else ObservationState.RUNNING,
                value=float(((problem.space.encode(answer.values) - 0.4) ** 2).sum())
                if ended
                else None,
            )
        )
    return tuple(made)


def milliseconds(name: str, count: int) -> float:
    strategy, problem = find_strategy(name), problem_for(name)
    history = record(problem, count)
    taken = []
    for seed in range(REPEATS):
        began = time.perf_counter()
        strategy.suggest(problem, history, seed, len(history))
        taken.append(time.perf_counter() - began)
    return 1000.0 * statistics.median(taken)


def main() -> None:
    names = sys.argv[1:] or strategy_names()
    print(f"{'n':>10}" + "".join(f"{size:>10}" for size in SIZES))
    for name in names:
        warm_up(name)
        row = "".join(f"{milliseconds(name, size):>10.3f}" for size in SIZES)
        print(f"{name:>10}{row}", flush=True)


if __name__ == "__main__":
    main()
