"""Real trainings that take milliseconds, in continuous hyperparameters, done when asked for.

Losses are leave-one-out or cross-validated ones of a fixed data set, without noise. OPTIMA holds
the best configuration known of each, its loss and the median loss of random points;
search_optima.py finds them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import lapack

from tests.benchmarks.optimisers.functions import Floats
from tests.benchmarks.optimisers.objectives import Exact, Values
from tuner.domain.ranges import Categorical, Continuous, Range, SearchSpace

SMOOTHING = 0.1
"""Share of a label's probability that goes to the others: no training is perfect."""

OPTIMA = Path(__file__).with_name("data") / "optima.json"


class Live(Exact):
    """A training with its search space, lowest known loss and median loss of random points."""

    def __init__(self, ranges: list[Range], loss: Callable[[Values], float], name: str) -> None:
        self.space, self.truth = SearchSpace(tuple(ranges)), loss  # type: ignore[method-assign]
        known = json.loads(OPTIMA.read_text()).get(name) if OPTIMA.exists() else None
        self.best: Values | None = known and known["values"]
        self.optimum: float = known["lowest"] if known else 0.0
        self.median = known["median"] if known else 1.0


def _standardised(name: str, rows: int) -> tuple[Floats, Floats]:
    """The first `rows` of a shuffled data set of scikit-learn, columns (and floats to predict)
    with mean 0 and deviation 1."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:rows]
    x, y = x[order].astype(float), y[order].astype(float)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return x, y


def _squares(x: Floats) -> Floats:
    """Squared distances of all rows from each other."""
    norms = (x**2).sum(axis=1)
    squares: Floats = np.maximum(norms[:, None] + norms - 2 * x @ x.T, 0.0)
    return squares


def kernel_ridge_diabetes() -> Live:
    """Kernel ridge regression with a length scale per feature: 11 hyperparameters."""
    x, y = _standardised("diabetes", 150)
    y = (y - y.mean()) / y.std()
    names = [f"length_{place}" for place in range(x.shape[1])]

    def loss(values: Values) -> float:
        scales = np.array([float(values[name]) for name in names])
        kernel = np.exp(-_squares(x / scales) / 2)
        kernel.flat[:: len(y) + 1] += float(values["ridge"])
        factor, failed = lapack.dpotrf(kernel, lower=1)
        if failed:
            return float("nan")
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse += np.tril(inverse, -1).T
        return float(np.mean((inverse @ y / np.diag(inverse)) ** 2))

    ranges: list[Range] = [Continuous("ridge", 1e-4, 1e2)]
    ranges += [Continuous(name, 1e-1, 1e3) for name in names]
    return Live(ranges, loss, "kernel-ridge-diabetes")


def neighbours(data: str, rows: int) -> Live:
    """Votes of all other rows, weighted by distance, with a weight per feature."""
    x, y = _standardised(data, rows)
    same = y[:, None] == y
    names = [f"weight_{place}" for place in range(x.shape[1])]

    def loss(values: Values) -> float:
        weights = np.array([float(values[name]) for name in names])
        logits = -_squares(x * weights)
        np.fill_diagonal(logits, -np.inf)
        votes = np.exp(logits - logits.max(axis=1, keepdims=True))
        chance = (votes * same).sum(axis=1) / votes.sum(axis=1)
        return float(-np.log((1 - SMOOTHING) * chance + SMOOTHING / 2).mean())

    ranges: list[Range] = [Continuous(name, 1e-3, 1.0) for name in names]
    return Live(ranges, loss, f"neighbours-{data.replace('_', '-')}")


def svm_wine() -> Live:
    """A support vector machine of either kernel: hinge loss over 3 folds."""
    x, y = _standardised("wine", 120)
    fold = np.arange(len(y)) % 3

    def loss(values: Values) -> float:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import SVC

        model = SVC(
            C=float(values["c"]),
            gamma=float(values["gamma"]),
            coef0=float(values["coef0"]),
            kernel=values["kernel"],
            tol=1e-2,
            max_iter=2000,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return float(np.mean([_hinge(model, x, y, fold == held) for held in range(3)]))

    ranges: list[Range] = [
        Continuous("c", 1e-4, 1e5),
        Continuous("gamma", 1e-7, 1e2),
        Continuous("coef0", -1.0, 2.0),
        Categorical("kernel", ("rbf", "sigmoid")),
    ]
    return Live(ranges, loss, "svm-wine")


def _hinge(model: Any, x: Floats, y: Floats, held: Any) -> float:
    """How far the right class's score is below the best other's plus 1, on held-out rows."""
    scores = model.fit(x[~held], y[~held]).decision_function(x[held])
    right = np.take_along_axis(scores, y[held].astype(int)[:, None], axis=1)[:, 0]
    np.put_along_axis(scores, y[held].astype(int)[:, None], -np.inf, axis=1)
    return float(np.maximum(0.0, 1.0 + scores.max(axis=1) - right).mean())


LIVE: dict[str, Callable[[], Live]] = {
    "kernel-ridge-diabetes": kernel_ridge_diabetes,
    "neighbours-wine": lambda: neighbours("wine", 178),
    "svm-wine": svm_wine,
    "neighbours-breast-cancer": lambda: neighbours("breast_cancer", 300),
}


@cache
def live(name: str) -> Live:
    return LIVE[name]()
