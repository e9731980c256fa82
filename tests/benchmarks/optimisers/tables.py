"""Real trainings, done once over a whole grid: an evaluation looks its value up.

Files are made by make_tables.py. Hyperparameters are integers and lists; an integer whose name
ends in `_half_decades` stands for ten to the power of its half, one in `_octaves` for a power of
two.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from tests.benchmarks.optimisers.functions import Floats
from tests.benchmarks.optimisers.objectives import Values
from tuner.domain.definitions import ScalingType
from tuner.domain.ranges import Categorical, Integer, Range, SearchSpace
from tuner.strategies.discrete import ordinal_of

DIRECTORY = Path(__file__).with_name("data")


def _steps(name: str, low: int, high: int) -> Integer:
    return Integer(name, low, high, ScalingType.LINEAR)


_BOOSTING: tuple[Range, ...] = (
    _steps("max_depth", 1, 7),
    _steps("eta_half_decades", -5, 0),
    _steps("rounds_octaves", 3, 9),
    _steps("min_child_weight_octaves", 0, 5),
    Categorical("subsample", ("0.5", "1.0")),
)
_NETWORK: tuple[Range, ...] = (
    _steps("hidden_octaves", 1, 7),
    _steps("rate_half_decades", -8, 0),
    _steps("alpha_half_decades", -8, 2),
    Categorical("activation", ("relu", "tanh", "logistic")),
)
GRIDS: dict[str, tuple[Range, ...]] = {
    "svm-digits": (
        _steps("c_half_decades", -6, 8),
        _steps("gamma_half_decades", -12, 2),
        _steps("components_octaves", 2, 5),
        Categorical("scaling", ("none", "standard", "minmax")),
    ),
    "boosting-diabetes": _BOOSTING,
    "boosting-breast-cancer": _BOOSTING,
    "network-wine": _NETWORK,
    "network-diabetes": _NETWORK,
    "linear-breast-cancer": (
        _steps("alpha_half_decades", -12, 0),
        _steps("eta0_half_decades", -8, 2),
        Categorical("loss", ("hinge", "log_loss", "modified_huber")),
        Categorical("penalty", ("l1", "l2", "elasticnet")),
        Categorical("learning_rate", ("constant", "optimal", "invscaling")),
    ),
    "forest-digits": (
        _steps("trees_octaves", 0, 6),
        _steps("max_depth", 1, 12),
        _steps("features_octaves", 0, 5),
        _steps("leaf_octaves", 0, 2),
        Categorical("criterion", ("gini", "entropy")),
        Categorical("bootstrap", ("yes", "no")),
    ),
}


class Table:
    """`values` has a row per configuration, in product order of the ranges, and a column per
    repetition of the training. Its true value is the mean; a training job reports one of the
    repetitions. NaN: it fails."""

    def __init__(self, ranges: tuple[Range, ...], values: Floats) -> None:
        self.space, self._values = SearchSpace(ranges), values
        means = values.mean(axis=1)
        self.optimum, self.median = float(np.nanmin(means)), float(np.nanmedian(means))

    def _row(self, values: Values) -> Floats:
        row: Floats = self._values[ordinal_of(self.space, values)]
        return row

    def truth(self, values: Values) -> float:
        return float(self._row(values).mean())

    def observed(self, values: Values, random: np.random.Generator) -> float:
        return float(random.choice(self._row(values)))


@cache
def load(name: str) -> Table:
    """Raises FileNotFoundError where make_tables.py has not been run."""
    with np.load(DIRECTORY / f"{name}.npz") as file:
        return Table(GRIDS[name], file["values"].astype(float))
