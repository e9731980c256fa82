"""Bayesian: what it proposes from which record."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import SPACES, best, bowl, play, problem

from tuner.domain.definitions import ObjectiveType, ScalingType
from tuner.domain.ranges import Categorical, Continuous, Integer, SearchSpace
from tuner.strategies.base import (
    Exhausted,
    Observation,
    ObservationState,
    Parent,
    Problem,
    Result,
    Suggestion,
)
from tuner.strategies.bayesian.strategy import INITIAL_DESIGN, Bayesian
from tuner.strategies.random_search import Random

SQUARE = SearchSpace((Continuous("x", 0.0, 1.0), Continuous("y", 0.0, 1.0)))


def suggested(task: Problem, record: tuple[Observation, ...], seed: int = 1) -> Mapping[str, str]:
    answer = Bayesian().suggest(task, record, seed, len(record))
    assert isinstance(answer, Suggestion)
    return answer.values


def test_the_first_configurations_visit_every_part_of_every_axis() -> None:
    space = SPACES["continuous"]
    points = np.array(
        [
            space.encode(Bayesian().suggest(problem(space), (), 5, index).values)  # type: ignore[union-attr]
            for index in range(8)
        ]
    )
    for axis in points.T:
        assert sorted((axis * 8).astype(int)) == list(range(8))


def test_the_first_configurations_do_not_import_scipy() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tests/strategies')\n"
        "from problems import problem\n"
        "from tuner.strategies.registry import find_strategy\n"
        f"find_strategy('Bayesian').suggest(problem('mixed'), (), 1, {INITIAL_DESIGN - 1})\n"
        "heavy = {'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_order_in_which_observations_are_listed_does_not_matter() -> None:
    task = problem("mixed")
    record = play(Bayesian(), task, bowl(task.space), INITIAL_DESIGN + 4)
    assert suggested(task, record) == suggested(task, tuple(reversed(record)))


def test_maximising_is_minimising_the_negative() -> None:
    low, high = problem("mixed"), problem("mixed", ObjectiveType.MAXIMIZE)
    record = play(Bayesian(), low, bowl(low.space), INITIAL_DESIGN + 4)
    negated = tuple(replace(item, value=-(item.value or 0.0)) for item in record)
    assert suggested(low, record) == suggested(high, negated)


def test_the_unit_and_the_zero_of_the_objective_do_not_matter() -> None:
    task = problem("continuous")
    record = play(Bayesian(), task, bowl(task.space), INITIAL_DESIGN + 4)
    other = tuple(replace(item, value=1024.0 * (item.value or 0.0) - 4.0) for item in record)
    here, there = suggested(task, record), suggested(task, other)
    assert np.allclose(task.space.encode(here), task.space.encode(there), atol=1e-3)


def test_running_jobs_keep_the_next_ones_away() -> None:
    task = problem(SQUARE)

    def hilly(values: Mapping[str, str]) -> float:
        return math.sin(13.0 * float(values["x"])) + math.cos(9.0 * float(values["y"]))

    record = play(Bayesian(), task, hilly, INITIAL_DESIGN)
    chosen = []
    for index in range(len(record), len(record) + 6):
        values = suggested(task, record)
        chosen.append(SQUARE.encode(values))
        running = Observation(index=index, values=values, state=ObservationState.RUNNING)
        record = (*record, running)
    apart = [math.dist(a, b) for place, a in enumerate(chosen) for b in chosen[:place]]
    assert min(apart) > 0.01


def test_where_jobs_fail_it_does_not_go_on_trying() -> None:
    """The objective falls towards x = 1, but from 0.7 on every job fails."""
    task = problem(SQUARE)

    def fails(values: Mapping[str, str]) -> bool:
        return float(values["x"]) > 0.7

    record: tuple[Observation, ...] = ()
    for index in range(40):
        values = suggested(task, record)
        failed = fails(values)
        ended = Observation(
            index=index,
            values=values,
            state=ObservationState.FAILED if failed else ObservationState.SUCCEEDED,
            value=None if failed else -float(values["x"]),
            completion_order=index,
        )
        record = (*record, ended)
    assert sum(fails(item.values) for item in record[INITIAL_DESIGN:]) <= 15
    assert best(record) < -0.69


def test_a_smooth_valley_is_followed_to_many_digits() -> None:
    task = problem("continuous")
    assert best(play(Bayesian(), task, bowl(task.space), 40)) < 1e-4


def test_the_best_of_a_small_space_is_found_before_it_is_used_up() -> None:
    space = SearchSpace((Categorical("a", tuple("0123456789")), Categorical("b", tuple("012345"))))

    def cost(values: Mapping[str, str]) -> float:
        return abs(int(values["a"]) - 7) + abs(int(values["b"]) - 2)

    found = [best(play(Bayesian(), problem(space), cost, 25, seed)) for seed in (1, 2, 3)]
    assert sum(found) <= 1


def test_a_space_is_used_up_without_a_repetition() -> None:
    space = SearchSpace((Integer("n", 1, 5), Categorical("c", tuple("abcdefg"))))
    record = play(Bayesian(), problem(space), bowl(space), 40, parallel=4)
    assert len({tuple(item.values.values()) for item in record}) == len(record) == 35
    assert isinstance(Bayesian().suggest(problem(space), record, 1, 35), Exhausted)


def test_memos_travel_as_json_and_make_no_difference_in_a_new_process() -> None:
    task = problem("mixed")
    record = play(Bayesian(), task, bowl(task.space), INITIAL_DESIGN + 8, parallel=3)
    stored = tuple(replace(item, memo=json.loads(json.dumps(item.memo))) for item in record)
    again = Bayesian().suggest(task, stored, 1, len(record))
    assert again == Bayesian().suggest(task, record, 1, len(record))
    assert isinstance(again, Suggestion)
    assert len(json.dumps(again.memo)) < 1000


def test_results_of_an_identical_parent_are_not_tried_again_and_count_as_ours() -> None:
    space = SearchSpace((Integer("n", 1, 30), Categorical("c", ("a", "b", "c"))))
    cost = bowl(space)
    past = play(Random(), problem(space), cost, 60)
    results = tuple(Result(values=item.values, value=item.value or 0.0) for item in past)
    task = replace(problem(space), parents=(Parent(results=results, identical=True),))
    record = play(Bayesian(), task, cost, 10)
    tried = {tuple(item.values.values()) for item in past}
    assert not tried & {tuple(item.values.values()) for item in record}
    every = [{"n": str(n), "c": c} for n in range(1, 31) for c in "abc"]
    left = [cost(one) for one in every if tuple(one.values()) not in tried]
    assert len(left) == 30
    assert best(record) == min(left)


def test_results_of_an_identical_parent_outside_our_ranges_use_nothing_up() -> None:
    space = SearchSpace((Integer("n", 1, 3),))
    results = tuple(Result(values={"n": str(n)}, value=float(n)) for n in (3, 4, 5, 6))
    task = replace(problem(space), parents=(Parent(results=results, identical=True),))
    record = play(Bayesian(), task, bowl(space), 9)
    assert {item.values["n"] for item in record} == {"1", "2"}


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_parent_on_another_scale_shows_where_to_begin(sign: float) -> None:
    objective_type = ObjectiveType.MINIMIZE if sign > 0 else ObjectiveType.MAXIMIZE
    task, cost = problem("mixed", objective_type), bowl(SPACES["mixed"])

    def ours(values: Mapping[str, str]) -> float:
        return sign * cost(values)

    past = play(Random(), task, ours, 40, seed=3)
    results = tuple(
        Result(values=item.values | {"other": "1"}, value=500.0 + 1000.0 * (item.value or 0.0))
        for item in past
    )
    warm = replace(task, parents=(Parent(results=results, identical=False),))
    cold = [sign * (item.value or 0.0) for item in play(Bayesian(), task, ours, 8)]
    told = [sign * (item.value or 0.0) for item in play(Bayesian(), warm, ours, 8, parallel=2)]
    assert min(told) < 0.5 * min(cold)
    assert min(told) < min(sign * (item.value or 0.0) for item in past)


def test_a_parent_that_misleads_is_given_up() -> None:
    task, cost = problem(SQUARE), bowl(SQUARE)
    past = play(Random(), task, cost, 40, seed=3)
    wrong = tuple(Result(values=item.values, value=-(item.value or 0.0)) for item in past)
    misled = replace(task, parents=(Parent(results=wrong, identical=False),))
    assert best(play(Bayesian(), misled, cost, 30)) < 0.003


def test_a_parent_may_have_had_other_ranges_and_values() -> None:
    space = SPACES["mixed"]
    odd = (
        {"depth": "40", "eta": "7.5", "booster": "unknown", "single": "only"},
        {"depth": "3", "eta": "1e-12", "booster": "gbtree", "single": "only"},
        {"depth": "5"},
        {"depth": "6", "eta": "0.1", "booster": "gblinear", "single": "only"},
        {"depth": "6", "eta": "1e300", "booster": "gblinear", "single": "only"},
        {"depth": "6", "eta": "nan", "booster": "gblinear", "single": "only"},
        {"depth": "auto", "eta": "0.1", "booster": "gblinear", "single": "only"},
    )
    results = tuple(Result(values=one, value=float(place)) for place, one in enumerate(odd))
    for identical in (False, True):
        parent = Parent(results=results, identical=identical)
        record = play(Bayesian(), replace(problem(space), parents=(parent,)), bowl(space), 6)
        assert len(record) == 6


@pytest.mark.filterwarnings("error")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("identical", [False, True])
def test_a_parents_result_from_far_outside_our_ranges_tells_nothing(identical: bool) -> None:
    """Its distance to all others would be infinite, and no covariance has that."""
    results = tuple(
        Result(values={"x": x, "y": "0.5"}, value=float(place))
        for place, x in enumerate(("0.1", "0.2", "0.7", "1.7e308", "-1.7e308"))
    )
    parent = Parent(results=results, identical=identical)
    near = Parent(results=results[:3], identical=identical)
    task, without = (replace(problem(SQUARE), parents=(one,)) for one in (parent, near))
    assert suggested(task, ()) == suggested(without, ())


def test_auto_scaling_is_learned_where_effects_go_with_the_logarithm() -> None:
    """Over two decades Auto is Linear; the bend of the axis must take that back."""
    space = SearchSpace((Continuous("rate", 0.01, 5.0),))

    def cost(values: Mapping[str, str]) -> float:
        return math.cos(4.0 * math.log10(float(values["rate"])))

    def bend(scaling: ScalingType) -> list[float]:
        one = SearchSpace((Continuous("rate", 0.01, 5.0, scaling),))
        record = play(Bayesian(), problem(one), cost, 40)
        return record[-1].memo["plain"]["theta"][3:]

    assert space.ranges[0].effective_scaling is ScalingType.LINEAR  # type: ignore[union-attr]
    assert bend(ScalingType.AUTO)[0] < -1.0
    assert bend(ScalingType.LINEAR) == []


def test_a_thousand_observations_and_many_more_are_answered_soon() -> None:
    task = problem("continuous")
    random = Random()
    record = play(random, task, bowl(task.space), 3000)
    began = time.monotonic()
    values = suggested(task, record)
    assert bowl(task.space)(values) < 0.01
    assert time.monotonic() - began < 60.0


HARD_VALUES = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, math.inf, -math.inf, math.nan, 5e-324, None]),
)


@settings(max_examples=150, deadline=None)
@given(
    space=st.sampled_from(["continuous", "integers", "mixed", "small", "wide"]),
    count=st.sampled_from([2, 3, 4, 11, 18]),
    data=st.data(),
)
def test_no_history_does_harm(space: str, count: int, data: st.DataObject) -> None:
    task = problem(space)
    record = []
    for item in play(Random(), task, bowl(task.space), count, seed=count):
        state = data.draw(st.sampled_from(ObservationState))
        value = data.draw(HARD_VALUES) if state is ObservationState.SUCCEEDED else None
        record.append(replace(item, state=state, value=value))
    with warnings.catch_warnings(), np.errstate(divide="raise", over="raise", invalid="raise"):
        warnings.simplefilter("error")
        answer = Bayesian().suggest(task, tuple(record), 1, INITIAL_DESIGN + count)
    if isinstance(answer, Exhausted):
        assert task.space.cardinality == count
    else:
        assert dict(answer.values) not in [dict(item.values) for item in record]
        assert set(answer.values) == {item.name for item in task.space.ranges}
