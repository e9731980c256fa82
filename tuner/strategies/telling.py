"""Which observations a model is given that cannot take all: its cost is cubic in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def most_telling(costs: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Places of the best half of `limit` and of the latest for the rest, in order; `costs` are
    lower for better, shape (observations,), the latest last."""
    if len(costs) <= limit:
        return np.arange(len(costs))
    best = np.argsort(costs, kind="stable")[: limit // 2]
    others = np.setdiff1d(np.arange(len(costs)), best)
    return np.sort(np.concatenate([best, others[-(limit - len(best)) :]]))
