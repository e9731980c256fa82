"""A Gaussian process whose parameters are the most probable ones (MAP), found by L-BFGS.

Rasmussen and Williams (2006): likelihood 5.8 and its gradient 5.9. Every group of observations
has a constant mean, profiled out by generalised least squares (2.42 to 2.45, no prior).
Priors after the comparison of many: a length scale is log-normal with median 0.5 sqrt(d) (Hvarfner
et al., Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024, has the
growth with d), that of a categorical four times as long, so that what one value does among some
values of the others is expected among all; noise is Gamma(1.1, 30).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import fmin_l_bfgs_b

from tuner.strategies.bayesian.features import Features
from tuner.strategies.bayesian.kernel import (
    bent,
    likeness,
    likeness_slope,
    matern,
    squared_distances,
)

Floats = NDArray[np.float64]

JITTER = 1e-9
_IMPOSSIBLE = 1e10
_MEDIAN_SCALE = 0.5
_MEDIAN_CATEGORICAL_SCALE = 2.0
_SCALES = (0.01, 100.0)
_VARIANCES = (0.05, 20.0)
_NOISES = (1e-8, 1.0)
_LIKELY_NOISE = 1e-3
_NOISE_GAMMA = (0.1, 30.0)
"""Shape, less 1, and rate of its prior."""
_BENDS = (-6.0, 6.0)
_TIES = (-4.0, 6.0)
_LIKELY_TIE = 1.0


@dataclass(frozen=True)
class Data:
    """What a model learns from: rows, outputs (mean 0, standard deviation 1, lower is better)
    and the group of each, 0 for our own and t for those of parent t."""

    rows: Floats
    outputs: Floats
    groups: NDArray[np.intp]

    def part(self, places: NDArray[np.intp]) -> Data:
        return Data(self.rows[places], self.outputs[places], self.groups[places])

    def members(self) -> Floats:
        """Shape (rows, groups that are there), 1 where a row is of the group."""
        present = np.unique(self.groups)
        return np.where(self.groups[:, None] == present, 1.0, 0.0)


class Surrogate:
    """The model of one space with results of `parents` other tuning jobs.

    Parameters are a vector: logarithms of the length scales, the variance and the noise; bends
    of the axes whose scaling is learned; ties to the parents.
    """

    def __init__(self, features: Features, parents: int) -> None:
        self.features = features
        self.parents = parents
        size, bends = features.size, len(features.bendable)
        self.scales = slice(0, size)
        self.variance = size
        self.noise = size + 1
        self.bends = slice(size + 2, size + 2 + bends)
        self.ties = slice(size + 2 + bends, size + 2 + bends + parents)
        medians = np.where(features.is_categorical, _MEDIAN_CATEGORICAL_SCALE, _MEDIAN_SCALE)
        self.start = np.array(
            [*np.log(medians * math.sqrt(size)), 0.0, math.log(_LIKELY_NOISE), *[0.0] * bends]
            + [_LIKELY_TIE] * parents
        )
        self._bounds = [
            *[_logs(_SCALES)] * size,
            _logs(_VARIANCES),
            _logs(_NOISES),
            *[_BENDS] * bends,
            *[_TIES] * parents,
        ]

    def fit(self, data: Data, starts: Sequence[Floats], iterations: int) -> Floats:
        """The best parameters found from any of the starts."""
        seen = self.features.columns(data.rows)
        found = []
        for start in starts:
            theta, loss, _ = fmin_l_bfgs_b(
                self.loss,
                start,
                args=(seen, data, data.members()),
                bounds=self._bounds,
                maxiter=iterations,
                m=8,
                factr=1e8,
                pgtol=1e-3,
            )
            found.append((loss, theta))
        best: Floats = min(found, key=lambda pair: pair[0])[1]
        return best

    def loss(
        self, theta: Floats, seen: Floats, data: Data, members: Floats
    ) -> tuple[float, Floats]:
        """Minus the log posterior density of the parameters, up to a constant; its gradient."""
        features, count = self.features, len(seen)
        scales = np.exp(-theta[self.scales])[features.owner]
        bendable = features.bendable
        if len(bendable):
            seen = seen.copy()
            seen[:, bendable], by_bend, _ = bent(seen[:, bendable], theta[self.bends])
        points = seen * scales
        kernel, slope = matern(squared_distances(points, points))
        bare, several = kernel, members.shape[1] > 1
        if several:
            alike = likeness(theta[self.ties])
            tied = alike[data.groups[:, None], data.groups]
            kernel = kernel * tied
            slope *= tied
        variance, noise = math.exp(theta[self.variance]), math.exp(theta[self.noise])
        covariance = variance * kernel
        covariance.flat[:: count + 1] += noise + JITTER
        factor, failed = lapack.dpotrf(covariance, lower=1, clean=1)
        if failed:
            return _IMPOSSIBLE, np.zeros_like(theta)
        inverse = inverse_of(factor)
        residual = data.outputs - members @ means(inverse, members, data.outputs)
        solved = inverse @ residual
        likelihood = -0.5 * float(residual @ solved) - float(np.log(factor.diagonal()).sum())
        inner = np.outer(solved, solved)
        inner -= inverse
        inner *= 0.5
        gradient = np.zeros_like(theta)
        gradient[self.variance] = variance * float(np.vdot(inner, kernel))
        gradient[self.noise] = noise * float(inner.trace())
        for group in range(1, len(alike) if several else 0):
            own = data.groups == group
            pulls = (inner[own] * bare[own]).sum(0) * likeness_slope(alike, group)[data.groups]
            gradient[self.ties.start + group - 1] = 2.0 * variance * float(pulls.sum())
        inner *= slope
        inner *= variance
        totals, pulled = inner.sum(1), inner @ points
        columns = 2.0 * (totals @ (points * points) - (points * pulled).sum(0))
        gradient[self.scales] = np.bincount(features.owner, columns, features.size)
        if len(bendable):
            apart = totals[:, None] * points[:, bendable] - pulled[:, bendable]
            gradient[self.bends] = -2.0 * (by_bend * scales[bendable] * apart).sum(0)
        prior, prior_gradient = self._prior(theta)
        return -(likelihood + prior), -(gradient + prior_gradient)

    def _prior(self, theta: Floats) -> tuple[float, Floats]:
        """Log density and gradient; all but the noise are normal in their logarithms."""
        apart = theta - self.start
        apart[self.noise] = 0.0
        noise, (power, rate) = math.exp(theta[self.noise]), _NOISE_GAMMA
        gradient = -apart
        gradient[self.noise] = power - rate * noise
        density = power * float(theta[self.noise]) - rate * noise
        return density - 0.5 * float(apart @ apart), gradient


def means(inverse: Floats, members: Floats, outputs: Floats) -> Floats:
    """Of every group, by generalised least squares."""
    weighted = inverse @ members
    if members.shape[1] == 1:
        return np.array([float(weighted[:, 0] @ outputs) / max(float(weighted.sum()), 1e-12)])
    normal = members.T @ weighted
    return np.asarray(np.linalg.lstsq(normal, weighted.T @ outputs, rcond=None)[0], dtype=float)


def inverse_of(factor: Floats) -> Floats:
    """Of the matrix whose lower Cholesky factor is given."""
    lower, _ = lapack.dpotri(factor, lower=1)
    upper = lower.T.copy()
    upper.flat[:: len(upper) + 1] = 0.0
    whole: Floats = lower + upper
    return whole


def _logs(pair: tuple[float, float]) -> tuple[float, float]:
    return math.log(pair[0]), math.log(pair[1])
