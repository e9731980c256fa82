"""The covariance of two configurations, and its derivatives.

Matern-5/2 (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, 4.17) with a
length scale for every hyperparameter; axes of Auto scaling are bent first, as the input warping
of Snoek et al. (ICML 2014) but with one parameter; results of parent tuning jobs are tied to
ours by a correlation each (intrinsic coregionalisation: Swersky et al., Multi-Task Bayesian
Optimization, NeurIPS 2013, section 2.2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROOT5 = math.sqrt(5.0)
_STRAIGHT = 1e-8


def matern(squares: Floats) -> tuple[Floats, Floats]:
    """Values at squared distances, and -2 times the derivatives with respect to them."""
    value = np.sqrt(squares)
    value *= _ROOT5
    decay = np.exp(-value)
    value += 1.0
    value *= decay
    slope = value * (5.0 / 3.0)
    decay *= squares
    decay *= 5.0 / 3.0
    value += decay
    return value, slope


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Between rows; exactly 0 on the diagonal where `right` is `left`."""
    squares: Floats = (left * left).sum(1)[:, None] + (right * right).sum(1)
    squares -= 2.0 * (left @ right.T)
    np.maximum(squares, 0.0, out=squares)
    if left is right:
        squares.flat[:: len(left) + 1] = 0.0
    return squares


def bent(places: Floats, bends: Floats) -> tuple[Floats, Floats, Floats]:
    """Axes bent by expm1(b u) / expm1(b), one b per column, straight at b = 0; the derivatives
    with respect to b and to u. A b of log(high / low) turns a logarithmic axis into a linear one.
    """
    b = np.where(np.abs(bends) < _STRAIGHT, _STRAIGHT, bends)
    whole = np.expm1(b)
    value = np.expm1(b * places) / whole
    grown = value * whole + 1.0
    return value, (places * grown - value * (whole + 1.0)) / whole, b / whole * grown


def likeness(ties: Floats) -> Floats:
    """Correlations between groups: 0 is ours, group t (from 1) is tied to it with the logit
    `ties[t - 1]`."""
    loadings = np.append(1.0, 1.0 / (1.0 + np.exp(-ties)))
    alike = np.outer(loadings, loadings)
    np.fill_diagonal(alike, 1.0)
    return alike


def likeness_slope(alike: Floats, group: int) -> Floats:
    """Derivatives of row `group` (from 1) of `likeness` with respect to its logit."""
    loading = alike[0, group]
    slope: Floats = alike[0] * loading * (1.0 - loading)
    slope[group] = 0.0
    return slope
