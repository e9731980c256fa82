"""The evaluation metrics that AWS's image adds to xgboost's own.

They see predictions as the objective gives them: probabilities for `binary:logistic`, one column
of them per class for `multi:softprob`, classes for `multi:softmax`. Definitions are
scikit-learn's, in numpy because importing scikit-learn costs about a second per training job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .platform import UserError

Array = NDArray[np.float64]
Score = Callable[[Array, Array], float]
PerClass = Callable[[Array, Array], tuple[Array, Array]]


def added_metrics(names: list[str]) -> list[str]:
    """Those of `names` that are AWS's, not xgboost's."""
    return [name for name in names if name in _CLASSIFICATION or name in _REGRESSION]


def evaluator(
    names: list[str], objective: str
) -> Callable[[Any, Any], list[tuple[str, float]]] | None:
    """A custom metric for `xgboost.train` that computes all of `names`; None for none."""
    if not names:
        return None

    def evaluate(predictions: Any, matrix: Any) -> list[tuple[str, float]]:
        labels = np.asarray(matrix.get_label(), dtype=float)
        numbers = np.asarray(predictions, dtype=float)
        classes = _classes(numbers, objective)
        return [
            (name, _CLASSIFICATION[name](labels, classes))
            if name in _CLASSIFICATION
            else (name, _REGRESSION[name](labels, numbers))
            for name in names
        ]

    return evaluate


# ---- classification --------------------------------------------------------------------------


def _classes(predictions: Array, objective: str) -> Array:
    if predictions.ndim > 1:
        return np.argmax(predictions, axis=-1).astype(float)
    if objective.startswith("multi:"):
        return predictions
    threshold = 0.5 if objective in ("binary:logistic", "reg:logistic") else 0.0
    return (predictions > threshold).astype(float)


def _counts(labels: Array, predicted: Array) -> tuple[Array, Array, Array, Array]:
    """Classes that occur, and for each: true positives, predicted, actual."""
    if np.any(labels != np.floor(labels)):
        raise UserError(
            "Classification metrics can't handle a mix of continuous and binary targets"
        )
    classes = np.union1d(labels, predicted)
    hits = labels == predicted
    true = np.array([np.sum(hits & (labels == item)) for item in classes], dtype=float)
    guessed = np.array([np.sum(predicted == item) for item in classes], dtype=float)
    actual = np.array([np.sum(labels == item) for item in classes], dtype=float)
    return classes, true, guessed, actual


def _ratio(part: Array, whole: Array) -> Array:
    """Zero where there is nothing to divide by, as scikit-learn has it."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _f1(labels: Array, predicted: Array) -> tuple[Array, Array]:
    classes, true, guessed, actual = _counts(labels, predicted)
    return classes, _ratio(2 * true, guessed + actual)


def _precision(labels: Array, predicted: Array) -> tuple[Array, Array]:
    classes, true, guessed, _ = _counts(labels, predicted)
    return classes, _ratio(true, guessed)


def _recall(labels: Array, predicted: Array) -> tuple[Array, Array]:
    classes, true, _, actual = _counts(labels, predicted)
    return classes, _ratio(true, actual)


def _of_class_one(per_class: PerClass) -> Score:
    def score(labels: Array, predicted: Array) -> float:
        classes, scores = per_class(labels, predicted)
        if not set(classes) <= {0.0, 1.0}:
            raise UserError(
                "Target is multiclass but average='binary'. Please choose another average "
                "setting, one of [None, 'micro', 'macro', 'weighted']."
            )
        return float(np.sum(scores[classes == 1.0]))

    return score


def _macro(per_class: PerClass) -> Score:
    return lambda labels, predicted: float(np.mean(per_class(labels, predicted)[1]))


def _accuracy(labels: Array, predicted: Array) -> float:
    _, true, _, actual = _counts(labels, predicted)
    return float(np.sum(true) / np.sum(actual))


def _balanced_accuracy(labels: Array, predicted: Array) -> float:
    _, true, _, actual = _counts(labels, predicted)
    return float(np.mean(true[actual > 0] / actual[actual > 0]))


_CLASSIFICATION: dict[str, Score] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _macro(_f1),
    "f1_binary": _of_class_one(_f1),
    "f1_macro": _macro(_f1),
    "precision": _of_class_one(_precision),
    "precision_macro": _macro(_precision),
    "precision_micro": _accuracy,
    "recall": _of_class_one(_recall),
    "recall_macro": _macro(_recall),
    "recall_micro": _accuracy,
}

# ---- regression ------------------------------------------------------------------------------


def _differences(labels: Array, predicted: Array) -> Array:
    if predicted.ndim > 1:
        raise UserError(
            f"y_true and y_pred have different number of output (1!={predicted.shape[1]})"
        )
    return labels - predicted


def _mse(labels: Array, predicted: Array) -> float:
    return float(np.mean(_differences(labels, predicted) ** 2))


def _rmse(labels: Array, predicted: Array) -> float:
    return float(np.sqrt(_mse(labels, predicted)))


def _mae(labels: Array, predicted: Array) -> float:
    return float(np.mean(np.abs(_differences(labels, predicted))))


def _r2(labels: Array, predicted: Array) -> float:
    residual = float(np.sum(_differences(labels, predicted) ** 2))
    total = float(np.sum((labels - np.mean(labels)) ** 2))
    if total == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / total


_REGRESSION: dict[str, Score] = {"mse": _mse, "rmse": _rmse, "mae": _mae, "r2": _r2}
