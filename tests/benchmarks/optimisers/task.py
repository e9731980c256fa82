"""A task of the benchmark, and one instance of it for a seed."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tests.benchmarks.optimisers.objectives import Noisy, Objective, Values
from tuner.domain.ranges import SearchSpace

RANDOM_POINTS = 401
"""Random points whose median true value is the unit of regret."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """See objectives.Noisy."""

    spread: float
    growth: float = 0.0
    heavy: bool = False


@dataclass(frozen=True, kw_only=True)
class Task:
    """A family of problems: `build` makes the one of a seed from that seed's random numbers."""

    name: str
    family: str
    build: Callable[[np.random.Generator], Objective]
    noise: Noise | None = None

    def instance(self, seed: int) -> Instance:
        return make_instance(self, seed)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One problem: minimise over `space`.

    `median` is the true value of the median random point; `key` a number of the task and seed,
    which seeds methods too.
    """

    objective: Objective
    median: float
    key: int

    @property
    def space(self) -> SearchSpace:
        return self.objective.space

    def evaluate(self, values: Values, index: int) -> float | None:
        """What training job `index` reports; None if it fails. The same again when asked again."""
        random = np.random.default_rng([self.key, index])
        observed = self.objective.observed(values, random)
        return observed if math.isfinite(observed) else None

    def true_value(self, values: Values) -> float:
        return self.objective.truth(values)

    def regret(self, values: Values) -> float:
        """0 at the optimum, 1 at the median of random points."""
        excess = self.true_value(values) - self.objective.optimum
        return max(excess, 0.0) / (self.median - self.objective.optimum)

    def fingerprint(self) -> str:
        """Changes when the problem does: results of another one are not this one's."""
        random = np.random.default_rng(0)
        seen = [repr(self.space), f"{self.objective.optimum:.9g} {self.median:.9g}"]
        for index, point in enumerate(random.random((8, self.space.dimension))):
            value = self.evaluate(self.space.decode(point), index)
            seen.append("failed" if value is None else f"{value:.9g}")
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:12]


@lru_cache(maxsize=256)
def make_instance(task: Task, seed: int) -> Instance:
    """Raises AssertionError for a task whose median is its optimum."""
    key = zlib.crc32(f"{task.name} {seed}".encode()) % 2**31
    random = np.random.default_rng(key)
    objective = task.build(random)
    median = objective.median
    if median is None:
        points = random.random((RANDOM_POINTS, objective.space.dimension))
        drawn = [objective.truth(objective.space.decode(point)) for point in points]
        median = float(np.nanmedian(drawn))
    assert median > objective.optimum, task.name
    if task.noise is not None:
        noise, scale = task.noise, median - objective.optimum
        objective = Noisy(objective, scale, noise.spread, noise.growth, noise.heavy)
    return Instance(objective=objective, median=median, key=key)
