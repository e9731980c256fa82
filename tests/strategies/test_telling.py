"""Which observations a model is given."""

from __future__ import annotations

import numpy as np

from tuner.strategies.telling import most_telling


def test_from_very_many_observations_the_best_and_the_latest_are_kept() -> None:
    costs = np.array([float(i % 100) for i in range(1000)])
    kept = most_telling(costs, 40)
    assert len(kept) == 40
    assert list(kept) == sorted(kept)
    assert set(range(980, 1000)) <= set(kept)
    assert {0, 100, 200} <= set(kept)
    assert list(most_telling(costs, 1000)) == list(range(1000))
