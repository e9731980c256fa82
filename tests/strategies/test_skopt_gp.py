"""SkoptGP: the initial design, the data the model sees, and what it proposes."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import SPACES, bowl, play, problem

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical, Continuous, SearchSpace
from tuner.strategies import registry, skopt_gp
from tuner.strategies.base import Observation, ObservationState, StrategyError, Suggestion
from tuner.strategies.skopt_gp import INITIAL_DESIGN, SkoptGP

MODEL = "needs skopt: pip install 'amtlocal[skopt]'"


def test_the_initial_design_visits_every_tenth_of_every_axis() -> None:
    space = SPACES["continuous"]
    points = []
    for index in range(INITIAL_DESIGN):
        answer = SkoptGP().suggest(problem(space), (), 5, index)
        assert isinstance(answer, Suggestion)
        points.append(space.encode(answer.values))
    for axis in np.array(points).T:
        assert sorted((axis * 10).astype(int)) == list(range(10))


def test_the_initial_design_does_not_import_scikit_optimize() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tests/strategies')\n"
        "from problems import problem\n"
        "from tuner.strategies.registry import find_strategy\n"
        "find_strategy('SkoptGP').suggest(problem('mixed'), (), 1, 9)\n"
        "heavy = {'skopt', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_missing_scikit_optimize_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    record = play(SkoptGP(), problem("mixed"), bowl(SPACES["mixed"]), INITIAL_DESIGN)
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(StrategyError) as caught:
        SkoptGP().suggest(problem("mixed"), record, 1, INITIAL_DESIGN)
    assert str(caught.value) == (
        "The SkoptGP strategy needs scikit-optimize: pip install 'amtlocal[skopt]'"
    )


def test_the_order_in_which_observations_are_listed_does_not_matter() -> None:
    pytest.importorskip("skopt", reason=MODEL)
    task = problem("mixed")
    record = play(SkoptGP(), task, bowl(task.space), INITIAL_DESIGN + 2)
    answer = SkoptGP().suggest(task, record, 1, len(record))
    assert answer == SkoptGP().suggest(task, tuple(reversed(record)), 1, len(record))


def test_maximising_is_minimising_the_negative() -> None:
    pytest.importorskip("skopt", reason=MODEL)
    low = problem("mixed")
    high = problem("mixed", ObjectiveType.MAXIMIZE)
    record = play(SkoptGP(), low, bowl(low.space), INITIAL_DESIGN + 2)
    negated = tuple(replace(item, value=-(item.value or 0.0)) for item in record)
    answer = SkoptGP().suggest(low, record, 1, len(record))
    assert answer == SkoptGP().suggest(high, negated, 1, len(record))


def test_a_running_job_keeps_the_next_one_away_from_it() -> None:
    pytest.importorskip("skopt", reason=MODEL)
    space = SearchSpace((Continuous("x", 0.0, 1.0), Continuous("y", 0.0, 1.0)))
    task = problem(space)
    record = play(SkoptGP(), task, bowl(space), INITIAL_DESIGN)
    index = len(record)
    chosen = []
    for step in range(4):
        answer = SkoptGP().suggest(task, record, 1, index + step)
        assert isinstance(answer, Suggestion)
        chosen.append(space.encode(answer.values))
        running = Observation(
            index=index + step, values=answer.values, state=ObservationState.RUNNING
        )
        record = (*record, running)
    apart = [math.dist(a, b) for i, a in enumerate(chosen) for b in chosen[:i]]
    assert min(apart) > 0.01


def test_the_best_of_a_small_space_is_found_before_it_is_used_up() -> None:
    pytest.importorskip("skopt", reason=MODEL)
    space = SearchSpace((Categorical("a", tuple("0123456789")), Categorical("b", tuple("012345"))))
    task = problem(space)

    def cost(values: dict[str, str]) -> float:
        return abs(int(values["a"]) - 7) + abs(int(values["b"]) - 2)

    found = [
        min(item.value for item in play(SkoptGP(), task, cost, 25, seed) if item.value is not None)
        for seed in (1, 2)
    ]
    assert sum(found) <= 1


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40).map(
        np.array
    )
)
def test_tamed_costs_are_finite_and_keep_their_order(costs: np.ndarray) -> None:
    tamed = skopt_gp._tamed(costs)
    assert np.isfinite(tamed).all()
    assert (np.diff(tamed[np.argsort(costs, kind="stable")]) >= -1e-12).all()


def test_a_diverged_cost_does_not_hide_what_is_good() -> None:
    tamed = skopt_gp._tamed(np.array([0.1, 0.2, 0.3, 0.4, 1e30]))
    assert tamed[1] - tamed[0] > 0.1
