"""The metrics that AWS adds, against scikit-learn's."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opt_ml_tree import CONTAINERS

metrics = pytest.importorskip("sklearn.metrics", reason="needs xgboost: scikit-learn")


@pytest.fixture(scope="module")
def evaluation():
    sys.path.insert(0, str(CONTAINERS / "xgboost"))
    try:
        from algorithm import evaluation
    finally:
        sys.path.remove(str(CONTAINERS / "xgboost"))
    return evaluation


class Labels:
    """As much of a DMatrix as a metric asks for."""

    def __init__(self, labels: list[float]) -> None:
        self.labels = np.array(labels, dtype=np.float32)

    def get_label(self) -> np.ndarray:
        return self.labels


def score(evaluation, name: str, labels: list[float], predictions, objective: str) -> float:
    evaluate = evaluation.evaluator([name], objective)
    [(printed, value)] = evaluate(np.array(predictions, dtype=np.float32), Labels(labels))
    assert printed == name
    return value


def macro(function):
    return lambda y, p: function(y, p, average="macro", zero_division=0)


CLASSIFICATION = {
    "accuracy": metrics.accuracy_score,
    "f1": macro(metrics.f1_score),
    "f1_macro": macro(metrics.f1_score),
    "precision_macro": macro(metrics.precision_score),
    "recall_macro": macro(metrics.recall_score),
    "precision_micro": lambda y, p: metrics.precision_score(y, p, average="micro"),
    "recall_micro": lambda y, p: metrics.recall_score(y, p, average="micro"),
}
BINARY = {
    "f1_binary": lambda y, p: metrics.f1_score(y, p, zero_division=0),
    "precision": lambda y, p: metrics.precision_score(y, p, zero_division=0),
    "recall": lambda y, p: metrics.recall_score(y, p, zero_division=0),
}
REGRESSION = {
    "mse": metrics.mean_squared_error,
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "r2": metrics.r2_score,
}

binary_case = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=16)), min_size=2, max_size=30
)
multi_case = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30)
numbers = st.floats(-100, 100, width=16)
regression_case = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30)


@pytest.mark.parametrize("name", [*CLASSIFICATION, *BINARY])
@given(case=binary_case)
def test_binary_metrics_are_those_of_scikit_learn(evaluation, name, case) -> None:
    labels, probabilities = map(list, zip(*case, strict=True))
    ours = score(evaluation, name, labels, probabilities, "binary:logistic")
    predicted = (np.array(probabilities) > 0.5).astype(float)
    assert ours == pytest.approx((CLASSIFICATION | BINARY)[name](labels, predicted))


@pytest.mark.parametrize("name", CLASSIFICATION)
@given(case=multi_case)
def test_multi_class_metrics_are_those_of_scikit_learn(evaluation, name, case) -> None:
    labels, predicted = map(list, zip(*case, strict=True))
    expected = pytest.approx(CLASSIFICATION[name](labels, predicted))
    assert score(evaluation, name, labels, predicted, "multi:softmax") == expected
    assert score(evaluation, name, labels, np.eye(4)[predicted], "multi:softprob") == expected


@given(case=multi_case)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_balanced_accuracy_counts_the_classes_that_occur(evaluation, case) -> None:
    labels, predicted = map(list, zip(*case, strict=True))
    ours = score(evaluation, "balanced_accuracy", labels, predicted, "multi:softmax")
    assert ours == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))


@pytest.mark.parametrize("name", REGRESSION)
@given(case=regression_case)
def test_regression_metrics_are_those_of_scikit_learn(evaluation, name, case) -> None:
    labels, predicted = map(list, zip(*case, strict=True))
    ours = score(evaluation, name, labels, predicted, "reg:squarederror")
    assert ours == pytest.approx(REGRESSION[name](labels, predicted), rel=1e-4, abs=1e-6)


def test_a_binary_metric_of_several_classes_is_refused_in_scikit_learns_words(evaluation) -> None:
    with pytest.raises(Exception, match="Target is multiclass but average='binary'"):
        score(evaluation, "f1_binary", [0, 1, 2], [0, 1, 2], "multi:softmax")
