"""The tasks of the comparison are what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.benchmarks.optimisers.task import Instance, Task, make_instance
from tests.benchmarks.optimisers.tasks import ALL, DEVELOPMENT, VALIDATION, chosen
from tuner.domain.ranges import Continuous

POINTS, STEPS = 400, 600

each_task = pytest.mark.parametrize("task", ALL.values(), ids=ALL)


def lowest_found(instance: Instance, random: np.random.Generator) -> float:
    """By random points, then steps of all sizes from the best of them."""
    space = instance.space

    def value(point: np.ndarray) -> float:
        found = instance.true_value(space.decode(point))
        return math.inf if math.isnan(found) else found

    best = min(random.random((POINTS, space.dimension)), key=value)
    lowest = value(best)
    for _ in range(STEPS):
        step = random.normal(size=space.dimension) * 10 ** random.uniform(-4, -0.5)
        step *= random.random(space.dimension) < random.choice([0.2, 0.5, 1.0])
        tried = np.clip(best + step, 0.0, 1.0)
        if value(tried) < lowest:
            best, lowest = tried, value(tried)
    return lowest


@each_task
def test_nothing_found_is_lower_than_the_optimum(task: Task) -> None:
    instance = task.instance(0)
    found = lowest_found(instance, np.random.default_rng(0))
    assert found >= instance.objective.optimum - 1e-9 * abs(instance.objective.optimum)
    assert found < instance.median


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
