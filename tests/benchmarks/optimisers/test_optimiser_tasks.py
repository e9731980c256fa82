"""The tasks of the comparison are what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.benchmarks.optimisers import functions as f
from tests.benchmarks.optimisers.live import LIVE, live
from tests.benchmarks.optimisers.objectives import Chain, Moved, Walled
from tests.benchmarks.optimisers.task import Instance, Task, make_instance
from tests.benchmarks.optimisers.tasks import ALL, DEVELOPMENT, VALIDATION, chosen
from tuner.domain.ranges import Continuous
from tuner.strategies.discrete import combination

POINTS, STEPS = 400, 600
EXPENSIVE = 40, 40
"""For real trainings."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small only wait for each other's threads."""
    with threadpool_limits(1):
        yield


each_task = pytest.mark.parametrize("task", ALL.values(), ids=ALL)


def lowest_found(
    instance: Instance, random: np.random.Generator, points: int, steps: int
) -> float:
    """By random points, then steps of all sizes from the best of them."""
    space = instance.space

    def value(point: np.ndarray) -> float:
        found = instance.true_value(space.decode(point))
        return math.inf if math.isnan(found) else found

    best = min(random.random((points, space.dimension)), key=value)
    lowest = value(best)
    for _ in range(steps):
        step = random.normal(size=space.dimension) * 10 ** random.uniform(-4, -0.5)
        step *= random.random(space.dimension) < random.choice([0.2, 0.5, 1.0])
        tried = np.clip(best + step, 0.0, 1.0)
        if value(tried) < lowest:
            best, lowest = tried, value(tried)
    return lowest


@each_task
def test_nothing_found_is_lower_than_the_optimum(task: Task) -> None:
    instance = task.instance(0)
    effort = EXPENSIVE if task.name in LIVE else (POINTS, STEPS)
    found = lowest_found(instance, np.random.default_rng(0), *effort)
    assert found >= instance.objective.optimum - 1e-9 * abs(instance.objective.optimum)
    assert found < instance.median


@pytest.mark.parametrize(
    "function",
    [
        f.branin(),
        f.hartmann3(),
        f.hartmann6(),
        f.ellipsoid(5, 1000.0),
        f.rosenbrock(4),
        f.dixon_price(4),
        f.ackley(5),
        f.levy(6),
        f.griewank(3),
        f.rastrigin(4),
        f.styblinski_tang(4),
        f.michalewicz(5),
        f.schwefel(3),
        f.eggholder(),
        f.six_hump_camel(),
        f.shekel(),
        f.basins(4, 0.5, 0.25, 0.8),
    ],
    ids=lambda function: function.value.__qualname__.split(".")[0],
)
def test_a_function_has_its_minimum_where_it_says(function: f.Function) -> None:
    assert function.value(function.place) == pytest.approx(function.minimum, abs=1e-4)
    if function.everywhere:
        for step in 1e-4 * np.random.default_rng(0).normal(size=(50, function.dimension)):
            assert function.value(function.place + step) >= function.minimum - 1e-12


@each_task
def test_the_optimum_of_a_moved_function_can_be_had(task: Task) -> None:
    objective = task.build(np.random.default_rng(3))
    if isinstance(objective, Moved | Walled):
        assert objective.value_at(objective.best) == pytest.approx(objective.optimum, abs=1e-9)


def test_the_optimum_of_a_chain_is_that_of_all_its_combinations() -> None:
    chain = Chain([4, 3, 5], np.random.default_rng(0))
    every = [chain.truth(combination(chain.space, ordinal)) for ordinal in range(60)]
    assert min(every) == pytest.approx(chain.optimum)


@pytest.mark.parametrize("name", LIVE)
def test_the_best_configuration_known_of_a_training_has_its_lowest_loss(name: str) -> None:
    known = live(name)
    assert known.best is not None
    assert known.truth(known.best) == pytest.approx(known.optimum, rel=1e-4)


@each_task
def test_an_evaluation_is_the_same_when_repeated_and_another_for_another_job(task: Task) -> None:
    instance = task.instance(1)
    point = np.full(instance.space.dimension, 0.4)
    first = instance.evaluate(instance.space.decode(point), 3)
    assert instance.evaluate(instance.space.decode(point), 3) == first
    if task.noise is not None:
        assert instance.evaluate(instance.space.decode(point), 4) != first


@each_task
def test_an_instance_made_again_is_the_same_problem(task: Task) -> None:
    before = task.instance(1).fingerprint()
    make_instance.cache_clear()
    assert task.instance(1).fingerprint() == before


@each_task
def test_values_of_a_space_read_back(task: Task) -> None:
    space = task.instance(0).space
    for point in np.random.default_rng(0).random((20, space.dimension)):
        values = space.decode(point)
        assert space.decode(space.encode(values)).keys() == values.keys()
        for item in space.ranges:
            if not isinstance(item, Continuous):
                assert item.decode(item.encode(values[item.name])) == values[item.name]


def test_the_sets_are_disjoint_and_named() -> None:
    assert len(ALL) == len(DEVELOPMENT) + len(VALIDATION)
    assert chosen(["dev"]) == list(DEVELOPMENT)
    assert chosen(["branin", "validation"]) == [ALL["branin"], *VALIDATION]
    with pytest.raises(LookupError, match="no task 'nope'"):
        chosen(["nope"])
