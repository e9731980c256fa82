"""Train every configuration of the grids in tables.py and store the losses in data/.

    python tests/benchmarks/optimisers/make_tables.py [NAME ...]

Data sets and learners are scikit-learn's and XGBoost's (the extra `xgboost`); every loss is of
held-out data. It takes about half an hour on one core. Learners with random numbers of their own
(networks, linear ones by stochastic gradients) are trained with REPETITIONS seeds on one split,
each a column; the others on FOLDS folds, whose mean is the only column.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from tests.benchmarks.optimisers.tables import DIRECTORY, GRIDS
from tuner.domain.ranges import Categorical, Integer, Range

REPETITIONS = 4
FOLDS = 3

Settings = dict[str, Any]
Split = tuple[Any, Any, Any, Any]


def _levels(item: Range) -> list[Any]:
    if isinstance(item, Categorical):
        return list(item.values)
    assert isinstance(item, Integer)
    levels = range(item.low, item.high + 1)
    if item.name.endswith("_half_decades"):
        return [10.0 ** (level / 2) for level in levels]
    return [2**level for level in levels] if item.name.endswith("_octaves") else list(levels)


def _folds(x: Any, y: Any) -> list[Split]:
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    return [(x[fit], x[held], y[fit], y[held]) for fit, held in folds.split(x)]


def _digits() -> tuple[Any, Any]:
    x, y = datasets.load_digits(return_X_y=True)
    return x[:600], y[:600]


def _svm_digits() -> Callable[[Settings], list[float]]:
    scalers = {"none": "passthrough", "standard": StandardScaler(), "minmax": MinMaxScaler()}
    prepared = {
        (scaling, components): [
            (step.fit_transform(fit), step.transform(held), y_fit, y_held)
            for fit, held, y_fit, y_held in _folds(*_digits())
            for step in [make_pipeline(scalers[scaling], PCA(components, random_state=0))]
        ]
        for scaling in scalers
        for components in (4, 8, 16, 32)
    }

    def train(s: Settings) -> list[float]:
        errors = [
            1 - SVC(C=s["c_half_decades"], gamma=s["gamma_half_decades"]).fit(a, c).score(b, d)
            for a, b, c, d in prepared[s["scaling"], s["components_octaves"]]
        ]
        return [float(np.mean(errors))]

    return train


def _boosting(data: tuple[Any, Any], objective: str) -> Callable[[Settings], list[float]]:
    trained: dict[tuple[Any, ...], list[tuple[Any, Any, Any]]] = {}

    def boosters(s: Settings) -> list[tuple[Any, Any, Any]]:
        key = tuple(value for name, value in s.items() if name != "rounds_octaves")
        if key not in trained:
            if any(known[:2] != key[:2] for known in trained):
                trained.clear()
            options = {
                "objective": objective,
                "max_depth": s["max_depth"],
                "eta": s["eta_half_decades"],
                "min_child_weight": s["min_child_weight_octaves"],
                "subsample": float(s["subsample"]),
                "nthread": 1,
                "seed": 0,
            }
            trained[key] = [
                (xgboost.train(options, xgboost.DMatrix(a, c), 512), xgboost.DMatrix(b), d)
                for a, b, c, d in _folds(*data)
            ]
        return trained[key]

    def train(s: Settings) -> list[float]:
        losses = []
        for booster, held, y in boosters(s):
            told = booster.predict(held, iteration_range=(0, s["rounds_octaves"]))
            squared = objective == "reg:squarederror"
            losses.append(np.mean((told - y) ** 2) if squared else log_loss(y, told))
        return [float(np.mean(losses))]

    return train


def _network(data: tuple[Any, Any], kind: Any) -> Callable[[Settings], list[float]]:
    x, y = data
    a, b, c, d = train_test_split(x, y, test_size=0.4, random_state=0)
    scaler = StandardScaler().fit(a)
    a, b = scaler.transform(a), scaler.transform(b)
    if kind is MLPRegressor:
        c, d = (c - c.mean()) / c.std(), (d - c.mean()) / c.std()

    def train(s: Settings) -> list[float]:
        losses = []
        for seed in range(REPETITIONS):
            model = kind(
                hidden_layer_sizes=(s["hidden_octaves"],),
                learning_rate_init=s["rate_half_decades"],
                alpha=s["alpha_half_decades"],
                activation=s["activation"],
                max_iter=15,
                batch_size=32,
                random_state=seed,
            ).fit(a, c)
            if kind is MLPRegressor:
                losses.append(float(np.mean((model.predict(b) - d) ** 2)))
            else:
                losses.append(float(log_loss(d, model.predict_proba(b))))
        return losses

    return train


def _linear_breast_cancer() -> Callable[[Settings], list[float]]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    a, b, c, d = train_test_split(x, y, test_size=0.5, random_state=0)
    scaler = StandardScaler().fit(a)
    a, b = scaler.transform(a), scaler.transform(b)

    def train(s: Settings) -> list[float]:
        return [
            1
            - SGDClassifier(
                loss=s["loss"],
                penalty=s["penalty"],
                alpha=s["alpha_half_decades"],
                eta0=s["eta0_half_decades"],
                learning_rate=s["learning_rate"],
                max_iter=10,
                tol=None,
                random_state=seed,
            )
            .fit(a, c)
            .score(b, d)
            for seed in range(REPETITIONS)
        ]

    return train


def _forest_digits() -> Callable[[Settings], list[float]]:
    a, b, c, d = train_test_split(*_digits(), test_size=0.5, random_state=0)

    def train(s: Settings) -> list[float]:
        model = RandomForestClassifier(
            n_estimators=s["trees_octaves"],
            max_depth=s["max_depth"],
            max_features=s["features_octaves"],
            min_samples_leaf=s["leaf_octaves"],
            criterion=s["criterion"],
            bootstrap=s["bootstrap"] == "yes",
            random_state=0,
        ).fit(a, c)
        return [float(log_loss(d, np.clip(model.predict_proba(b), 0.01, 1)))]

    return train


TRAININGS: dict[str, Callable[[], Callable[[Settings], list[float]]]] = {
    "svm-digits": _svm_digits,
    "boosting-diabetes": lambda: _boosting(
        datasets.load_diabetes(return_X_y=True), "reg:squarederror"
    ),
    "boosting-breast-cancer": lambda: _boosting(
        datasets.load_breast_cancer(return_X_y=True), "binary:logistic"
    ),
    "network-wine": lambda: _network(datasets.load_wine(return_X_y=True), MLPClassifier),
    "network-diabetes": lambda: _network(datasets.load_diabetes(return_X_y=True), MLPRegressor),
    "linear-breast-cancer": _linear_breast_cancer,
    "forest-digits": _forest_digits,
}


def make(name: str) -> None:
    """A run that diverges fails: its loss is stored as NaN."""
    train, ranges = TRAININGS[name](), GRIDS[name]
    rows = []
    for levels in itertools.product(*map(_levels, ranges)):
        settings = dict(zip((item.name for item in ranges), levels, strict=True))
        try:
            rows.append(train(settings))
        except ValueError:
            rows.append([np.nan] * len(rows[-1]))
    values = np.round(np.array(rows), 5).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    DIRECTORY.mkdir(exist_ok=True)
    np.savez_compressed(DIRECTORY / f"{name}.npz", values=values)
    print(f"{name}: {len(rows)} configurations, {np.isnan(values).any(axis=1).sum()} failed")


def main() -> None:
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or TRAININGS:
        make(name)


if __name__ == "__main__":
    main()
