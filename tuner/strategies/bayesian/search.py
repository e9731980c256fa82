"""Where the acquisition is highest: candidates, gradients, and steps from value to value."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from tuner.strategies.bayesian.acquisition import Improvement
from tuner.strategies.bayesian.features import Features

Floats = NDArray[np.float64]

UNIFORM_CANDIDATES = 512
NEAR_CANDIDATES = 256
LISTED_SPACE = 1024
"""Spaces of no more configurations are looked through whole."""
_STARTS = 6
_CLIMBERS = 4
_CLIMBS = 6
_KEPT = 32
_LISTED_LEVELS = 12


class Search:
    """One search for the most promising configuration that is not taken."""

    def __init__(
        self,
        features: Features,
        improvement: Improvement,
        taken: Container[bytes],
        random: np.random.Generator,
    ) -> None:
        self._features = features
        self._improvement = improvement
        self._taken = taken
        self._random = random

    def best(self, promising: Floats) -> Floats | None:
        """The best free row found, shape (size,); None if all that were looked at are taken.

        `promising` are rows in whose neighbourhood to look closer, shape (some, size).
        """
        features = self._features
        if features.cardinality <= LISTED_SPACE:
            return self._best_free(features.every_row)
        uniform = features.from_unit(self._random.random((UNIFORM_CANDIDATES, features.size)))
        candidates = np.vstack([uniform, self._near(promising)])
        order = np.argsort(-self._improvement.at(candidates), kind="stable")
        near = order[order >= len(uniform)]
        rows = candidates[np.concatenate([order[: _STARTS - _STARTS // 3], near[: _STARTS // 3]])]
        pool = [candidates[order[:_KEPT]]]
        if features.smooth.any():
            rows = self._uphill(rows, features.smooth)
            pool.append(rows)
        if not features.is_continuous.all():
            rows = self._climb(rows)
            pool.append(rows)
            if features.is_continuous.any():
                pool.append(self._uphill(rows[: _STARTS // 2], features.is_continuous))
        found = self._best_free(np.vstack(pool))
        return self._best_free(candidates) if found is None else found

    def _best_free(self, rows: Floats) -> Floats | None:
        order = np.argsort(-self._improvement.at(rows), kind="stable")
        free = (row for row in rows[order] if self._features.key(row) not in self._taken)
        return next(free, None)

    def _near(self, rows: Floats) -> Floats:
        """Neighbours of `rows`: each changed in a few columns, by steps of many sizes."""
        features, random = self._features, self._random
        count, size = NEAR_CANDIDATES, features.size
        chosen = rows[random.integers(len(rows), size=count)]
        changed = random.random((count, size)) < max(0.3, min(1.0, 2.0 / size))
        changed[np.arange(count), random.integers(size, size=count)] = True
        sizes = np.maximum(10.0 ** random.uniform(-2.5, -0.5, (count, 1)), features.spacing)
        steps = sizes * random.standard_normal((count, size))
        steps = np.copysign(np.maximum(np.abs(steps), 0.51 * features.spacing), steps)
        moved = chosen + steps
        for column in np.flatnonzero(features.is_categorical):
            moved[:, column] = random.integers(features.sizes[column], size=count)
        return features.snap(np.where(changed, moved, chosen))

    def _uphill(self, rows: Floats, columns: NDArray[np.bool_]) -> Floats:
        """All rows at once along the gradient in `columns`, the others held."""
        free = np.flatnonzero(columns)
        within = np.searchsorted(self._features.numeric, free)
        rows = rows.copy()

        def loss(flat: Floats) -> tuple[float, Floats]:
            rows[:, free] = flat.reshape(len(rows), len(free))
            value, gradient = self._improvement.with_gradient(rows)
            return -float(value.sum()), -gradient[:, within].ravel()

        start = rows[:, free].ravel()
        found, _, _ = fmin_l_bfgs_b(
            loss,
            start,
            bounds=[(0.0, 1.0)] * len(start),
            maxiter=25,
            m=10,
            factr=1e9,
            pgtol=1e-5,
        )
        rows[:, free] = found.reshape(len(rows), len(free))
        return self._features.snap(rows)

    def _climb(self, rows: Floats) -> Floats:
        """From value to value of integers and categoricals while there is a better free one."""
        features = self._features
        gains = self._improvement.at(rows)
        order = np.argsort(-gains, kind="stable")[:_CLIMBERS]
        rows, gains = rows[order], gains[order]
        active = list(range(len(rows)))
        for _ in range(_CLIMBS):
            blocks = [(place, self._neighbours(rows[place])) for place in active]
            blocks = [(place, block) for place, block in blocks if len(block)]
            if not blocks:
                break
            values = self._improvement.at(np.vstack([block for _, block in blocks]))
            ends = np.cumsum([len(block) for _, block in blocks])
            active = []
            for (place, block), part in zip(blocks, np.split(values, ends[:-1]), strict=True):
                top = int(np.argmax(part))
                if part[top] > gains[place] + 1e-9 or features.key(rows[place]) in self._taken:
                    rows[place], gains[place] = block[top], part[top]
                    active.append(place)
        return rows

    def _neighbours(self, row: Floats) -> Floats:
        """Free rows that differ from `row` in one integer or categorical."""
        features = self._features
        found = []
        for column, levels in enumerate(features.levels):
            if levels is None or len(levels) < 2:
                continue
            here = int(np.argmin(np.abs(levels - row[column])))
            if len(levels) <= _LISTED_LEVELS or features.is_categorical[column]:
                others = [place for place in range(len(levels)) if place != here]
            else:
                jump = max(1, len(levels) // 8)
                steps = {1, 3, jump}
                around = {here + step for step in steps} | {here - step for step in steps}
                others = sorted(place for place in around if 0 <= place < len(levels))
            block = np.repeat(row[None], len(others), axis=0)
            block[:, column] = levels[others]
            found.append(block)
        rows = np.vstack(found) if found else np.empty((0, len(row)))
        return rows[[features.key(one) not in self._taken for one in rows]]
