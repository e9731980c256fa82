"""Configurations drawn from a stream of points: the n-th depends on (seed, n) alone.

In a continuous space the n-th configuration is the n-th point. In a discrete space points that
fall on a configuration had before are skipped, so the n-th configuration replays all draws
before it; what was replayed is kept, which only saves time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tuner.domain.ranges import SearchSpace
from tuner.strategies.discrete import combination, ordinal_of

REJECTIONS = 64
"""Points in a row that may fall on known configurations before the next free one in product
order is taken instead: what is left then is so little of the space that drawing on would take
ever longer, and its order matters to nobody."""

REPLAYS_KEPT = 64

Point = NDArray[np.float64]
PointOf = Callable[[SearchSpace, int, int], Point]
"""(space, seed, index) to a point of the unit cube."""


def generator(seed: int, index: int, stream: int = 0) -> np.random.Generator:
    """Random numbers that depend on the arguments alone, as good for neighbours as for any."""
    key = np.array([seed % 2**64, index % 2**64], dtype=np.uint64)
    counter = np.array([0, 0, 0, stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def uniform(space: SearchSpace, seed: int, index: int) -> Point:
    """Uniform in the unit cube, which is uniform in the scaled ranges."""
    return generator(seed, index).random(space.dimension)


def free_ordinal(space: SearchSpace, taken: Container[object], draw: Callable[[], Point]) -> int:
    """The first drawn configuration of a discrete space that is not taken. One must be free."""
    assert space.cardinality is not None
    for _ in range(REJECTIONS):
        ordinal = ordinal_of(space, space.decode(draw()))
        if ordinal not in taken:
            return ordinal
    while ordinal in taken:
        ordinal = (ordinal + 1) % space.cardinality
    return ordinal


@dataclass(slots=True)
class _Replay:
    """What was drawn so far: accepted ordinals in order, and how many points that took."""

    ordinals: list[int] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    drawn: int = 0


class Draws:
    """The configurations that a stream of points gives, each once where the space is discrete.

    Thread-safe.
    """

    def __init__(self, point_of: PointOf) -> None:
        self._point_of = point_of
        self._replays: OrderedDict[tuple[SearchSpace, int], _Replay] = OrderedDict()
        self._lock = threading.Lock()

    def nth(self, space: SearchSpace, seed: int, index: int) -> dict[str, str] | None:
        """The configuration of launch `index` (from 0); None when there are not so many."""
        if space.cardinality is None:
            return space.decode(self._point_of(space, seed, index))
        if index >= space.cardinality:
            return None
        with self._lock:
            replay = self._replay(space, seed)
            while len(replay.ordinals) <= index:
                self._extend(replay, space, seed)
            return combination(space, replay.ordinals[index])

    def _replay(self, space: SearchSpace, seed: int) -> _Replay:
        key = (space, seed)
        replay = self._replays.setdefault(key, _Replay())
        self._replays.move_to_end(key)
        if len(self._replays) > REPLAYS_KEPT:
            self._replays.popitem(last=False)
        return replay

    def _extend(self, replay: _Replay, space: SearchSpace, seed: int) -> None:
        def draw() -> Point:
            replay.drawn += 1
            return self._point_of(space, seed, replay.drawn - 1)

        ordinal = free_ordinal(space, replay.taken, draw)
        replay.ordinals.append(ordinal)
        replay.taken.add(ordinal)
