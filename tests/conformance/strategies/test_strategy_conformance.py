"""What every strategy must keep to: ours and each one that an installed package brings.

A strategy may refuse a space with StrategyError; everything else here holds for all of them.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "strategies"))
from problems import SPACES, bowl, play, problem

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical, Integer, SearchSpace
from tuner.strategies.base import (
    Exhausted,
    Observation,
    ObservationState,
    Problem,
    Strategy,
    StrategyError,
    Suggestion,
)
from tuner.strategies.registry import find_strategy, missing_requirement, strategy_names

FAR = 10_000
"""An index at which a strategy that ever looks at the history looks at it."""


def accepts(name: str, space: str) -> bool:
    try:
        find_strategy(name).suggest(problem(space), (), 1, 0)
    except StrategyError:
        return False
    return True


def pairs(*spaces: str) -> list[tuple[str, str]]:
    """Strategies with those of the spaces that they take on."""
    return [(name, space) for name in strategy_names() for space in spaces if accepts(name, space)]


LEARNERS = [name for name in strategy_names() if find_strategy(name).needs_history(FAR)]


@pytest.fixture
def strategy(name: str) -> Strategy:
    missing = missing_requirement(name)
    if missing is not None:
        pytest.skip(f"needs skopt: {missing}")
    return find_strategy(name)


@pytest.fixture
def task(space: str) -> Problem:
    return problem(space)


everywhere = pytest.mark.parametrize(("name", "space"), pairs(*SPACES))


def afresh(name: str) -> Strategy:
    """Another instance, which knows nothing of what the first was asked."""
    return find_strategy.__wrapped__(name)


def assert_valid(space: SearchSpace, answer: Suggestion) -> None:
    assert set(answer.values) == {item.name for item in space.ranges}
    for item in space.ranges:
        text = answer.values[item.name]
        assert isinstance(text, str)
        if isinstance(item, Categorical):
            assert text in item.values
        elif isinstance(item, Integer):
            assert text == str(int(text))
            assert item.low <= int(text) <= item.high
        else:
            assert text == repr(float(text))
            assert item.low <= float(text) <= item.high
    assert json.loads(json.dumps(answer.memo)) == answer.memo


def launched(record: Sequence[Observation]) -> list[tuple[tuple[str, str], ...]]:
    return [tuple(sorted(item.values.items())) for item in record]


@pytest.mark.parametrize("name", strategy_names())
def test_has_its_name(name: str, strategy: Strategy) -> None:
    assert strategy.name == name


@everywhere
def test_suggests_strings_that_lie_in_their_ranges(strategy: Strategy, task: Problem) -> None:
    record = play(strategy, task, bowl(task.space), budget=14, parallel=2)
    for item in record:
        assert_valid(task.space, Suggestion(values=item.values, memo=item.memo))


@everywhere
def test_never_repeats_itself_and_knows_when_a_discrete_space_is_used_up(
    strategy: Strategy, task: Problem
) -> None:
    total = task.space.cardinality
    budget = 15 if total is None or total > 50 else total + 5
    record = play(strategy, task, bowl(task.space), budget, parallel=3, fails=lambda i: i % 4 == 3)
    assert len(set(launched(record))) == len(record)
    assert len(record) == (budget if total is None else min(budget, total))


@everywhere
def test_the_record_alone_decides(name: str, strategy: Strategy, task: Problem) -> None:
    record = play(strategy, task, bowl(task.space), budget=13, parallel=2)
    for index in (len(record) - 1, 0, 11, 4):
        history = record[:index]
        answer = strategy.suggest(task, history, 1, index)
        assert answer == afresh(name).suggest(task, history, 1, index)
        assert answer == strategy.suggest(task, history, 1, index)


@everywhere
def test_the_seed_matters_unless_nothing_is_random(strategy: Strategy, task: Problem) -> None:
    def first(seed: int) -> list[Suggestion | Exhausted]:
        return [strategy.suggest(task, (), seed, index) for index in range(3)]

    assert first(0) == first(0)
    assert strategy.name == "Grid" or len({str(first(seed)) for seed in (0, 1, 2, 2**63)}) > 1


@everywhere
def test_without_need_of_history_it_makes_no_difference(strategy: Strategy, task: Problem) -> None:
    record = play(strategy, task, bowl(task.space), budget=13)
    for index in range(len(record)):
        if not strategy.needs_history(index):
            told = strategy.suggest(task, record[:index], 1, index)
            assert told == strategy.suggest(task, (), 1, index)


@everywhere
def test_failed_and_running_jobs_are_not_proposed_again(strategy: Strategy, task: Problem) -> None:
    record = play(strategy, task, bowl(task.space), budget=12)
    for state in (ObservationState.FAILED, ObservationState.RUNNING):
        changed = tuple(
            replace(item, state=state, value=None) if item.index % 2 else item for item in record
        )
        answer = strategy.suggest(task, changed, 1, len(record))
        if isinstance(answer, Suggestion):
            assert launched([replace(record[0], values=answer.values)])[0] not in launched(record)


def every(value: float | None, state: ObservationState) -> Callable[[Observation], Observation]:
    return lambda item: replace(item, value=value, state=state)


def only_first(value: float) -> Callable[[Observation], Observation]:
    return lambda item: replace(item, value=value) if item.index == 0 else item


SUCCEEDED = ObservationState.SUCCEEDED
HOSTILE: dict[str, Callable[[Observation], Observation]] = {
    "all equal": every(0.5, SUCCEEDED),
    "all zero": every(0.0, SUCCEEDED),
    "all failed": every(None, ObservationState.FAILED),
    "all running": every(None, ObservationState.RUNNING),
    "all not a number": every(math.nan, SUCCEEDED),
    "one not a number": only_first(math.nan),
    "one infinite": only_first(math.inf),
    "one huge": only_first(1e300),
    "one hugely good": only_first(-1e300),
    "all denormal": lambda item: replace(item, value=5e-324 * item.index),
    "one column constant": lambda item: replace(
        item, values={**item.values, **dict.fromkeys(list(item.values)[:1], "3")}
    ),
}


@pytest.mark.parametrize("history", HOSTILE)
@pytest.mark.parametrize(("name", "space"), pairs("mixed", "integers"))
@pytest.mark.filterwarnings("error")
def test_a_hostile_history_does_no_harm(
    strategy: Strategy, task: Problem, history: str, capfd: pytest.CaptureFixture[str]
) -> None:
    record = play(find_strategy("Random"), task, bowl(task.space), budget=12, seed=7)
    answer = strategy.suggest(task, tuple(map(HOSTILE[history], record)), 1, 12)
    assert isinstance(answer, Suggestion)
    assert_valid(task.space, answer)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("objective_type", ObjectiveType)
@pytest.mark.parametrize("space", ["mixed", "continuous"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_strategy_that_learns_beats_chance(
    strategy: Strategy, space: str, objective_type: ObjectiveType
) -> None:
    task = problem(space, objective_type)
    cost = bowl(task.space)
    sign = -1.0 if objective_type is ObjectiveType.MAXIMIZE else 1.0

    def mean_best(player: Strategy) -> float:
        runs = [
            play(player, task, lambda values: sign * cost(values), 20, seed, parallel=2)
            for seed in (1, 2, 3)
        ]
        return sum(min(cost(item.values) for item in record) for record in runs) / len(runs)

    assert mean_best(strategy) < 0.5 * mean_best(find_strategy("Random"))
