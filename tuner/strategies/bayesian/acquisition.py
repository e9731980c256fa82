"""Expected improvement in a form that does not vanish far from the best: its logarithm.

Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization
(NeurIPS 2023), section 4.1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from tuner.strategies.bayesian.posterior import Posterior

Floats = NDArray[np.float64]

_HALF_ROOT_PI = math.sqrt(math.pi / 2.0)
_LOG_DENSITY = -0.5 * math.log(2.0 * math.pi)
_FAR = -300.0
"""From here on the asymptote is exact to the last digit."""


class Improvement:
    """Log of the expected improvement below `target`, in the unit of the model's outputs."""

    def __init__(self, posterior: Posterior, target: float) -> None:
        self._posterior = posterior
        self._target = target

    def at(self, rows: Floats) -> Floats:
        """Shape (rows,)."""
        mean, deviation = self._posterior.predict(rows)
        value, _ = log_improvement((self._target - mean) / deviation)
        gain: Floats = value + np.log(deviation)
        return gain

    def with_gradient(self, rows: Floats) -> tuple[Floats, Floats]:
        """Shapes (rows,) and (rows, numeric hyperparameters)."""
        mean, deviation, by_mean, by_deviation = self._posterior.predict_with_gradient(rows)
        z = (self._target - mean) / deviation
        value, slope = log_improvement(z)
        gradient = (1.0 - slope * z)[:, None] * by_deviation - slope[:, None] * by_mean
        return value + np.log(deviation), gradient / deviation[:, None]


def log_improvement(z: Floats) -> tuple[Floats, Floats]:
    """log(phi(z) + z Phi(z)) and its derivative, for the standard normal phi and Phi."""
    value, slope = np.empty_like(z), np.empty_like(z)
    near = z > -1.0
    close = z[near]
    if close.size:
        below = ndtr(close)
        gain = np.exp(_LOG_DENSITY - 0.5 * close * close) + close * below
        value[near] = np.log(gain)
        slope[near] = below / gain
    far = z[~near]
    if far.size:
        ratio = _HALF_ROOT_PI * erfcx(far / -math.sqrt(2.0))
        gain = np.where(far < _FAR, 1.0 / (far * far), np.maximum(1.0 + far * ratio, 1e-300))
        value[~near] = _LOG_DENSITY - 0.5 * far * far + np.log(gain)
        slope[~near] = ratio / gain
    return value, slope
