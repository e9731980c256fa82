"""Test functions with known minima, each in the coordinates it is usually written in.

Definitions and minima: sfu.ca/~ssurjano/optimization.html, except where a docstring says more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Function:
    """What to minimise over the box from `low` to `high`, lowest (`minimum`) at `place`.

    `everywhere`: nowhere outside the box is it lower, so that the box may be moved.
    """

    value: Callable[[Floats], float]
    low: Floats
    high: Floats
    place: Floats
    minimum: float
    everywhere: bool = True

    @property
    def dimension(self) -> int:
        return len(self.place)


def _cube(
    value: Callable[[Floats], float],
    dimension: int,
    low: float,
    high: float,
    place: float | Floats,
    minimum: float = 0.0,
    everywhere: bool = True,
) -> Function:
    full = np.full(dimension, 1.0)
    return Function(
        value=value,
        low=low * full,
        high=high * full,
        place=place * full,
        minimum=minimum,
        everywhere=everywhere,
    )


def branin() -> Function:
    def value(x: Floats) -> float:
        bent = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
        return float(bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10)

    return Function(
        value=value,
        low=np.array([-5.0, 0.0]),
        high=np.array([10.0, 15.0]),
        place=np.array([math.pi, 2.275]),
        minimum=10 / (8 * math.pi),
    )


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A3 = np.array([[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
_A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann(a: Floats, p: Floats, place: list[float]) -> Function:
    def value(x: Floats) -> float:
        return -float(_ALPHA @ np.exp(-(a * (x - p) ** 2).sum(axis=1)))

    best = np.array(place)
    return _cube(value, len(place), 0.0, 1.0, best, value(best))


def hartmann3() -> Function:
    return _hartmann(_A3, _P3, [0.11458889, 0.55564884, 0.85254696])


def hartmann6() -> Function:
    return _hartmann(
        _A6, _P6, [0.20168951, 0.15001069, 0.47687397, 0.27533243, 0.31165162, 0.65730054]
    )


def ellipsoid(dimension: int, condition: float) -> Function:
    """A quadratic bowl whose axes differ in length by sqrt(condition)."""
    weights = condition ** np.linspace(0.0, 1.0, dimension)
    return _cube(lambda x: float(weights @ x**2), dimension, -1.0, 1.0, 0.0)


def rosenbrock(dimension: int) -> Function:
    def value(x: Floats) -> float:
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    return _cube(value, dimension, -2.0, 2.0, 1.0)


def dixon_price(dimension: int) -> Function:
    order = np.arange(1, dimension + 1)
    weights = np.arange(2, dimension + 1)

    def value(x: Floats) -> float:
        return float((x[0] - 1) ** 2 + (weights * (2 * x[1:] ** 2 - x[:-1]) ** 2).sum())

    return _cube(value, dimension, -5.0, 5.0, 2.0 ** (2.0 ** -(order - 1) - 1))


def ackley(dimension: int) -> Function:
    def value(x: Floats) -> float:
        far, wave = math.sqrt((x**2).mean()), np.cos(2 * math.pi * x).mean()
        return -20 * math.exp(-0.2 * far) - math.exp(wave) + 20 + math.e

    return _cube(value, dimension, -10.0, 10.0, 0.0)


def levy(dimension: int) -> Function:
    def value(x: Floats) -> float:
        w = 1 + (x - 1) / 4
        inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)
        last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
        return float(math.sin(math.pi * w[0]) ** 2 + inner.sum() + last)

    return _cube(value, dimension, -10.0, 10.0, 1.0)


def griewank(dimension: int) -> Function:
    roots = np.sqrt(np.arange(1, dimension + 1))

    def value(x: Floats) -> float:
        return float((x**2).sum() / 4000 - np.cos(x / roots).prod() + 1)

    return _cube(value, dimension, -20.0, 20.0, 0.0)


def rastrigin(dimension: int) -> Function:
    def value(x: Floats) -> float:
        return float(10 * dimension + (x**2 - 10 * np.cos(2 * math.pi * x)).sum())

    return _cube(value, dimension, -2.0, 2.0, 0.0)


def styblinski_tang(dimension: int) -> Function:
    def value(x: Floats) -> float:
        return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)

    place = np.full(dimension, -2.903534027771177)
    return _cube(value, dimension, -5.0, 5.0, place, value(place))


def michalewicz(dimension: int) -> Function:
    """The minimum is a sum over coordinates: each has its own, found on a fine grid."""
    order = np.arange(1, dimension + 1)

    def terms(x: Floats) -> Floats:
        return -np.sin(x) * np.sin(order * x**2 / math.pi) ** 20

    grid = np.linspace(0.0, math.pi, 200_001)
    place = np.array([grid[np.argmin(column)] for column in terms(grid[:, None]).T])
    return _cube(
        lambda x: float(terms(x).sum()),
        dimension,
        0.0,
        math.pi,
        place,
        float(terms(place).sum()) - 1e-8,
        everywhere=False,
    )


def schwefel(dimension: int) -> Function:
    def value(x: Floats) -> float:
        return float(418.9828872724339 * dimension - (x * np.sin(np.sqrt(np.abs(x)))).sum())

    return _cube(value, dimension, -500.0, 500.0, 420.968746, everywhere=False)


def eggholder() -> Function:
    def value(x: Floats) -> float:
        high = x[1] + 47
        return float(
            -high * math.sin(math.sqrt(abs(high + x[0] / 2)))
            - x[0] * math.sin(math.sqrt(abs(x[0] - high)))
        )

    place = np.array([512.0, 404.2318058])
    return _cube(value, 2, -512.0, 512.0, place, -959.6406627208507, everywhere=False)


def six_hump_camel() -> Function:
    def value(x: Floats) -> float:
        a, b = float(x[0]), float(x[1])
        return (4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (-4 + 4 * b**2) * b**2

    place = np.array([0.08984201368301331, -0.7126564032704135])
    return Function(
        value=value,
        low=np.array([-3.0, -2.0]),
        high=np.array([3.0, 2.0]),
        place=place,
        minimum=value(place),
    )


_SHEKEL_C = np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5]) / 10
_SHEKEL_A = np.array(
    [
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
    ]
).T


def shekel() -> Function:
    def value(x: Floats) -> float:
        return -float((1 / (((x - _SHEKEL_A) ** 2).sum(axis=1) + _SHEKEL_C)).sum())

    place = np.array([4.00074687, 3.99950948, 4.00074687, 3.99950948])
    return _cube(value, 4, 0.0, 10.0, place, value(place))


def basins(dimension: int, wide: float, narrow: float, depth: float) -> Function:
    """Two Gaussian wells: the wide one reaches `depth` (< 1), the narrow one 1, which is best.

    `wide` and `narrow` are standard deviations; the wells are 1.1 apart in the box of size 1.
    """
    second = np.full(dimension, 1.1 / math.sqrt(dimension))

    def value(x: Floats) -> float:
        far, near = ((x - second) ** 2).sum(), (x**2).sum()
        shallow = depth * math.exp(-far / (2 * wide**2))
        return 1.0 - max(shallow, math.exp(-near / (2 * narrow**2)))

    return _cube(value, dimension, 0.0, 1.0, 0.0)
