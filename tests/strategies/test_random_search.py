"""Random: depends on (seed, index) alone, uniform in the scaled ranges."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
from problems import SPACES, problem

from tuner.domain.ranges import Categorical, Integer, ScalingType, SearchSpace
from tuner.strategies import draws
from tuner.strategies.base import Exhausted, Suggestion
from tuner.strategies.random_search import Random


def values(strategy: Random, space: SearchSpace, seed: int, index: int) -> dict[str, str]:
    answer = strategy.suggest(problem(space), (), seed, index)
    assert isinstance(answer, Suggestion)
    return dict(answer.values)


def test_any_order_of_asking_gives_the_same_answers() -> None:
    for space in SPACES.values():
        count = min(space.cardinality or 40, 40)
        in_order = [values(Random(), space, 3, index) for index in range(count)]
        shuffled = random.Random(1).sample(range(count), count)
        strategy = Random()
        assert {index: values(strategy, space, 3, index) for index in shuffled} == dict(
            enumerate(in_order)
        )


def test_what_is_forgotten_is_drawn_again_the_same() -> None:
    strategy, space = Random(), SPACES["small"]
    before = [values(strategy, space, 0, index) for index in range(20)]
    for seed in range(1, draws.REPLAYS_KEPT + 2):
        values(strategy, space, seed, 0)
    assert len(strategy._draws._replays) == draws.REPLAYS_KEPT
    assert [values(strategy, space, 0, index) for index in range(20)] == before


def test_draws_are_uniform_on_the_scaled_axes() -> None:
    space = SPACES["continuous"]
    points = np.array([space.encode(values(Random(), space, 1, index)) for index in range(2000)])
    for axis in points.T:
        counts, _ = np.histogram(axis, bins=10, range=(0.0, 1.0))
        assert counts.min() > 140
        assert counts.max() < 260


def test_small_values_of_a_logarithmic_integer_come_as_often_as_their_share() -> None:
    space = SearchSpace((Integer("n", 1, 10**6, ScalingType.LOGARITHMIC),))
    drawn = [int(values(Random(), space, seed, 0)["n"]) for seed in range(2000)]
    below = sum(number <= 1000 for number in drawn) / len(drawn)
    assert 0.48 < below < 0.57


def test_seeds_and_neighbouring_indices_are_independent() -> None:
    space = SearchSpace((Categorical("c", tuple("0123456789")),))
    by_seed = Counter(values(Random(), space, seed, 0)["c"] for seed in range(1000))
    assert len(by_seed) == 10
    assert max(by_seed.values()) < 150


def test_a_skewed_discrete_space_is_used_up_without_endless_rejection() -> None:
    space = SearchSpace((Integer("n", 1, 5000, ScalingType.LOGARITHMIC),))
    strategy = Random()
    seen = {values(strategy, space, 1, index)["n"] for index in range(5000)}
    assert len(seen) == 5000
    assert isinstance(strategy.suggest(problem(space), (), 1, 5000), Exhausted)
    replay = next(iter(strategy._draws._replays.values()))
    assert replay.drawn <= 5000 * (draws.REJECTIONS + 1)
