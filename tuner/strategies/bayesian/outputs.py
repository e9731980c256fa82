"""Objective values as the model sees them: lower is better, mean 0, standard deviation 1.

A Gaussian process believes in values that are spread like a normal distribution; objectives
rarely are. `warped` makes them so (Yeo and Johnson, Biometrika 87, 2000, on robustly scaled
values, with those that diverged cut logarithmically); `plain` only standardises, which keeps the
shape of the function where it was good.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]

_FLAT = 1e-12
_LARGEST = 1e100
_FARTHEST = 1e12
_DIVERGED = 5.0
_EXPONENTS = np.linspace(-2.0, 2.0, 33)


def plain(costs: Floats) -> Floats:
    """Standardised; zeros when all are equal."""
    if not len(costs):
        return costs
    costs = np.clip(costs, -_LARGEST, _LARGEST)
    scaled = costs / (np.abs(costs).max() or 1.0)
    spread = scaled.std()
    if spread <= _FLAT:
        return np.zeros_like(costs)
    outputs: Floats = (scaled - scaled.mean()) / spread
    return outputs


def warped(costs: Floats) -> Floats:
    """Standardised after the transform above; order is kept; zeros when all are equal."""
    standard = plain(costs)
    if not standard.any():
        return standard
    costs = np.clip(costs, -_LARGEST, _LARGEST)
    lower, middle, upper = np.quantile(costs, [0.25, 0.5, 0.75])
    scale = (upper - lower) / 1.349  # of a normal distribution: its standard deviation
    if scale <= 1e-9 * max(abs(lower), abs(upper)):
        costs, middle, scale = standard, 0.0, 1.0
    reach = _FARTHEST * scale
    scaled = (np.clip(costs, middle - reach, middle + reach) - middle) / scale
    high = scaled > _DIVERGED
    scaled[high] = _DIVERGED + np.log1p(scaled[high] - _DIVERGED)
    return plain(_yeo_johnson(scaled, _exponent(scaled)))


def _exponent(values: Floats) -> float:
    """The most likely exponent under a prior N(1, 1), 1 being no transform."""
    count = len(values)
    slopes = float((np.sign(values) * np.log1p(np.abs(values))).sum())
    variances = np.array([_yeo_johnson(values, one).var() for one in _EXPONENTS])
    with np.errstate(divide="ignore"):
        likelihood = -count / 2 * np.log(variances) + (_EXPONENTS - 1.0) * slopes
    likelihood[variances <= 1e-300] = -math.inf
    return float(_EXPONENTS[np.argmax(likelihood - 0.5 * (_EXPONENTS - 1.0) ** 2)])


def _yeo_johnson(values: Floats, exponent: float) -> Floats:
    sizes = np.log1p(np.abs(values))
    power = np.where(values >= 0.0, exponent, 2.0 - exponent)
    flat = np.abs(power) < 1e-8
    power = np.where(flat, 1.0, power)
    return np.sign(values) * np.where(flat, sizes, np.expm1(power * sizes) / power)
