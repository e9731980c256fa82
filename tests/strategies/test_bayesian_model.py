"""The Gaussian process: its derivatives, its numbers against a plain computation, its views."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from problems import SPACES, bowl, play, problem

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Continuous, SearchSpace
from tuner.strategies.base import ObservationState
from tuner.strategies.bayesian.acquisition import Improvement, log_improvement
from tuner.strategies.bayesian.beliefs import beliefs
from tuner.strategies.bayesian.features import Features
from tuner.strategies.bayesian.kernel import bent, matern
from tuner.strategies.bayesian.outputs import plain, warped
from tuner.strategies.bayesian.posterior import Posterior
from tuner.strategies.bayesian.strategy import Bayesian
from tuner.strategies.bayesian.surrogate import Data, Surrogate
from tuner.strategies.random_search import Random

Floats = NDArray[np.float64]


def slopes(function: Callable[[Floats], float], at: Floats, step: float = 1e-6) -> Floats:
    """Central differences."""
    moves = step * np.eye(len(at))
    return np.array([(function(at + m) - function(at - m)) / (2 * step) for m in moves])


def example(
    space: str, parents: int = 0
) -> tuple[Features, Surrogate, Data, Floats, np.random.Generator]:
    random = np.random.default_rng(len(space))
    features = Features(SPACES[space])
    rows = features.from_unit(random.random((25, features.size)))
    groups = np.sort(random.integers(0, parents + 1, 25))
    surrogate = Surrogate(features, parents)
    theta = surrogate.start + random.normal(0.0, 0.4, len(surrogate.start))
    return features, surrogate, Data(rows, random.standard_normal(25), groups), theta, random


@pytest.mark.parametrize("parents", [0, 2])
@pytest.mark.parametrize("space", ["continuous", "integers", "mixed", "categorical"])
def test_the_loss_has_the_gradient_it_says(space: str, parents: int) -> None:
    features, surrogate, data, theta, _ = example(space, parents)
    arguments = features.columns(data.rows), data, data.members()
    told = surrogate.loss(theta, *arguments)[1]
    assert np.allclose(
        told, slopes(lambda at: surrogate.loss(at, *arguments)[0], theta), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("parents", [0, 2])
@pytest.mark.parametrize("space", ["continuous", "mixed"])
def test_the_acquisition_has_the_gradient_it_says(space: str, parents: int) -> None:
    features, surrogate, data, theta, random = example(space, parents)
    improvement = Improvement(Posterior(surrogate, theta, data), float(data.outputs.min()))
    row = features.from_unit(random.random((1, features.size)))[0]

    def gain(numbers: Floats) -> float:
        moved = row.copy()
        moved[features.numeric] = numbers
        return float(improvement.at(moved[None])[0])

    told = improvement.with_gradient(row[None])[1][0]
    assert np.allclose(told, slopes(gain, row[features.numeric]), rtol=1e-3, atol=1e-4)


def test_the_posterior_is_that_of_the_textbook() -> None:
    features, surrogate, data, theta, random = example("categorical")
    posterior = Posterior(surrogate, theta, data)
    scales, variance, noise = np.exp(theta[:2]), math.exp(theta[2]), math.exp(theta[3])

    def covariance(left: Floats, right: Floats) -> Floats:
        apart = left[:, None] != right[None]
        return variance * matern((apart / scales**2).sum(-1))[0]

    inverse = np.linalg.inv(covariance(data.rows, data.rows) + (noise + 1e-9) * np.eye(25))
    ones = np.ones(25)
    mean = ones @ inverse @ data.outputs / (ones @ inverse @ ones)
    rows = features.from_unit(random.random((6, features.size)))
    across = covariance(rows, data.rows)
    told, deviation = posterior.predict(rows)
    assert np.allclose(told, mean + across @ inverse @ (data.outputs - mean))
    assert np.allclose(deviation**2, variance - np.diag(across @ inverse @ across.T))


@given(st.floats(-1e4, 40.0))
def test_the_logarithm_of_the_improvement_is_finite_and_rises(z: float) -> None:
    pair = np.array([z, z + 1e-3 * max(1.0, abs(z))])
    value, slope = log_improvement(pair)
    assert np.isfinite(value).all() and value[1] > value[0]
    assert np.isfinite(slope).all() and (slope > 0).all()
    if -5.0 < z < 5.0:
        density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        plainly = density + z * 0.5 * math.erfc(-z / math.sqrt(2.0))
        assert math.isclose(math.exp(value[0]), plainly, rel_tol=1e-6)


@hypothesis.example(1e-5, 0.5)
@hypothesis.example(0.0, 0.5)
@given(st.floats(-6.0, 6.0), st.floats(0.0, 0.99))
def test_a_bent_axis_keeps_its_ends_and_its_order(bend: float, place: float) -> None:
    places = np.array([[0.0], [place], [place + 0.01], [1.0]])
    value, by_bend, by_place = bent(places, np.array([bend]))
    assert value[0, 0] == 0.0 and math.isclose(value[3, 0], 1.0, abs_tol=1e-12)
    assert (np.diff(value[:, 0])[1:2] > 0.0).all()
    near = bent(places, np.array([bend + 1e-5]))[0], bent(places, np.array([bend - 1e-5]))[0]
    assert np.allclose(by_bend, (near[0] - near[1]) / 2e-5, atol=1e-3)
    beside = bent(places + 1e-6, np.array([bend]))[0], bent(places - 1e-6, np.array([bend]))[0]
    assert np.allclose(by_place, (beside[0] - beside[1]) / 2e-6, atol=1e-3)


@pytest.mark.parametrize("transform", [plain, warped])
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40).map(
        np.array
    )
)
def test_outputs_are_finite_and_keep_their_order(
    transform: Callable[[Floats], Floats], costs: Floats
) -> None:
    outputs = transform(costs)
    assert np.isfinite(outputs).all()
    assert (np.diff(outputs[np.argsort(costs, kind="stable")]) >= -1e-9).all()


def test_a_diverged_cost_does_not_hide_what_is_good() -> None:
    outputs = warped(np.array([0.1, 0.2, 0.3, 0.4, 1e30]))
    assert outputs[1] - outputs[0] > 0.1


@given(st.sampled_from(sorted(SPACES)), st.integers(0, 2**32))
def test_rows_are_configurations_and_back(space: str, seed: int) -> None:
    features = Features(SPACES[space])
    rows = features.from_unit(np.random.default_rng(seed).random((3, features.size)))
    again = features.encode(features.decode(row) for row in rows)
    listed = zip(features.levels, features.sizes, strict=True)
    coarse = [levels is not None and len(levels) == size for levels, size in listed]
    assert np.allclose(again, rows, atol=1e-3)
    assert np.allclose(again[:, coarse], rows[:, coarse], atol=1e-9)


def test_beliefs_are_in_the_objectives_unit_and_direction() -> None:
    space = SearchSpace((Continuous("steep", 0.0, 1.0), Continuous("idle", 0.0, 1.0)))
    task = problem(space, ObjectiveType.MAXIMIZE)
    record = play(
        Random(), task, lambda values: 900.0 - 100.0 * (float(values["steep"]) - 0.3) ** 2, 30
    )
    found = beliefs(task, record)
    assert found is not None
    at = {"steep": "0.9", "idle": "0.5"}
    along = found.along("steep", at)
    assert abs(float(along.values[int(np.argmax(along.mean))]) - 0.3) < 0.05
    assert np.allclose(
        along.mean, [900.0 - 100.0 * (float(one) - 0.3) ** 2 for one in along.values], atol=2.0
    )
    assert (along.deviation < 5.0).all() and (along.deviation > 0.0).all()
    importance = found.importance()
    assert importance["steep"] > 2.0 * importance["idle"]
    assert sum(importance.values()) == pytest.approx(1.0)
    near, far = {"steep": "0.3", "idle": "0.5"}, {"steep": "1.0", "idle": "0.5"}
    assert found.expected_improvement(near) > found.expected_improvement(far) >= 0.0


def test_there_are_no_beliefs_before_there_is_anything_to_learn_from() -> None:
    task = problem("mixed")
    record = play(Bayesian(), task, bowl(task.space), 2)
    assert beliefs(task, record) is None
    flat = play(Bayesian(), task, lambda values: 1.0, 8)
    assert beliefs(task, flat) is None
    assert all(item.state is ObservationState.SUCCEEDED for item in flat)


def test_beliefs_list_integers_and_categoricals_value_by_value() -> None:
    task = problem("mixed")
    record = play(Bayesian(), task, bowl(task.space), 14)
    found = beliefs(task, record)
    assert found is not None
    assert found.along("depth", record[0].values).values == tuple(map(str, range(1, 13)))
    assert found.along("booster", record[0].values).values == ("gbtree", "gblinear", '"dart"')
    with pytest.raises(KeyError):
        found.along("nothing", record[0].values)
