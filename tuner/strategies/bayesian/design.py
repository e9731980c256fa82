"""The first configurations: a scrambled net, evenly spread over the whole space and every axis.

The first 16 points of Sobol's sequence with the direction numbers of Joe and Kuo (SIAM J. Sci.
Comput. 30, 2008), scrambled as Owen does (Monte Carlo and Quasi-Monte Carlo Methods, 1995).
In numpy alone: the first training jobs do not wait for scipy to be imported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.domain.ranges import SearchSpace
from tuner.strategies.draws import generator, uniform

_STREAM = 1
_BITS = 4
_DIRECTIONS = (
    "8421 8caf 8c69 8c25 842b 8463 8cad 84a5 84a5 84eb "
    "84a1 8423 8ca5 8c69 842f 8c2d 842f 8c2f 84a5 8ceb "
    "8ced 846d 8ca9 8c2d 8c25 84ab 8ca3 84ed 8ce5 8469"
)
"""Of every axis: four direction numbers of four bits, a hexadecimal digit each."""
_NUMBERS = np.array([[int(digit, 16) for digit in word] for word in _DIRECTIONS.split()])


def initial(space: SearchSpace, seed: int, index: int) -> NDArray[np.float64]:
    """Point `index` of the unit cube, shape (dimension,). Points past the 16th, and axes past
    the 30th (AMT's limit), are uniform."""
    point = uniform(space, seed, index)
    if index >= 2**_BITS:
        return point
    axes = min(space.dimension, len(_NUMBERS))
    places = np.zeros(axes, dtype=np.int64)
    for bit in range(_BITS):
        if (index ^ index >> 1) >> bit & 1:
            places ^= _NUMBERS[:axes, bit]
    flips = generator(seed, 0, _STREAM).integers(0, 2, (space.dimension, 2**_BITS))
    point[:axes] = (_scrambled(places, flips[:axes]) + point[:axes]) / 2**_BITS
    return point


def _scrambled(places: NDArray[np.int64], flips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every bit flipped or not by chance that hangs on the bits above it: `flips`, shape
    (axes, 16), are the nodes of a tree of bits."""
    axes = np.arange(len(places))
    node, scrambled = np.ones_like(places), np.zeros_like(places)
    for level in reversed(range(_BITS)):
        bit = places >> level & 1
        scrambled = scrambled << 1 | bit ^ flips[axes, node]
        node = node << 1 | bit
    return scrambled
