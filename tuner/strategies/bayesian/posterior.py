"""What the process believes about our own objective after seeing the data.

Rasmussen and Williams (2006), 2.25 and 2.26.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from tuner.strategies.bayesian.kernel import bent, likeness, matern, squared_distances
from tuner.strategies.bayesian.surrogate import JITTER, Data, Surrogate, inverse_of, means

Floats = NDArray[np.float64]

_LEAST_VARIANCE = 1e-12
_JITTERS = 15


class Posterior:
    """`at_data` are the posterior means at the rows of the data, as if all were of our group."""

    def __init__(self, surrogate: Surrogate, theta: Floats, data: Data) -> None:
        self.features = surrogate.features
        self.data = data
        self._scales = np.exp(-theta[surrogate.scales])[self.features.owner]
        self._bends = theta[surrogate.bends]
        self._variance = math.exp(theta[surrogate.variance])
        self._points, _ = self._placed(data.rows)
        kernel = matern(squared_distances(self._points, self._points))[0] * self._variance
        covariance, self._tied = kernel.copy(), None
        if surrogate.parents:
            alike = likeness(theta[surrogate.ties])
            covariance *= alike[data.groups[:, None], data.groups]
            self._tied = alike[0, data.groups]
        self._inverse = inverse_of(_factor(covariance, math.exp(theta[surrogate.noise])))
        members = data.members()
        found = means(self._inverse, members, data.outputs)
        self._mean = float(found[0]) if (data.groups == 0).any() else 0.0
        self._solved = self._inverse @ (data.outputs - members @ found)
        if self._tied is not None:
            kernel *= self._tied
        self.at_data = self._mean + kernel @ self._solved

    def predict(self, rows: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (of the noise-free objective) at rows."""
        kernel = matern(squared_distances(self._placed(rows)[0], self._points))[0]
        kernel *= self._variance
        if self._tied is not None:
            kernel *= self._tied
        explained = np.einsum("ij,ij->i", kernel @ self._inverse, kernel)
        variance = np.maximum(self._variance - explained, _LEAST_VARIANCE)
        return self._mean + kernel @ self._solved, np.sqrt(variance)

    def predict_with_gradient(self, rows: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean and deviation, then the gradients of both in the numeric columns,
        shape (rows, numeric hyperparameters)."""
        features = self.features
        points, slopes = self._placed(rows)
        kernel, slope = matern(squared_distances(points, self._points))
        kernel *= self._variance
        slope *= self._variance
        if self._tied is not None:
            kernel *= self._tied
            slope *= self._tied
        solved = kernel @ self._inverse
        explained = np.einsum("ij,ij->i", solved, kernel)
        deviation = np.sqrt(np.maximum(self._variance - explained, _LEAST_VARIANCE))
        columns = features.numeric_columns
        here, there, scales = points[:, columns], self._points[:, columns], self._scales[columns]
        for_mean, for_variance = slope * self._solved, slope * solved
        mean_gradient = for_mean @ there - for_mean.sum(1)[:, None] * here
        deviation_gradient = for_variance.sum(1)[:, None] * here - for_variance @ there
        mean_gradient *= scales
        deviation_gradient *= scales / deviation[:, None]
        if len(features.bendable):
            within = features.bendable_within
            mean_gradient[:, within] *= slopes
            deviation_gradient[:, within] *= slopes
        return self._mean + kernel @ self._solved, deviation, mean_gradient, deviation_gradient

    def _placed(self, rows: Floats) -> tuple[Floats, Floats]:
        """Rows in units of the length scales; the slopes of the bent columns."""
        columns = self.features.columns(rows)
        bendable = self.features.bendable
        if not len(bendable):
            return columns * self._scales, columns
        columns = columns.copy()
        columns[:, bendable], _, slopes = bent(columns[:, bendable], self._bends)
        return columns * self._scales, slopes


def _factor(covariance: Floats, noise: float) -> Floats:
    """The Cholesky factor, with as much more noise as it takes to have one.

    Raises LinAlgError where no noise helps: the matrix is no covariance.
    """
    diagonal = covariance.diagonal().copy()
    for more in JITTER * 10.0 ** np.arange(_JITTERS):
        covariance.flat[:: len(covariance) + 1] = diagonal + noise + more
        factor, failed = lapack.dpotrf(covariance, lower=1, clean=1)
        if not failed:
            found: Floats = factor
            return found
    raise np.linalg.LinAlgError("the covariance of the observations has no Cholesky factor")
