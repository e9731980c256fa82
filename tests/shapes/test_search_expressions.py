"""Which records a search expression matches, and how they are ordered."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.domain.errors import ValidationException
from tuner.shapes.search import compiled, hidden
from tuner.shapes.search_properties import property_of, sort_key, sorted_by

RECORD: dict[str, Any] = {
    "TrainingJobName": "forest-007",
    "TrainingJobStatus": "Completed",
    "CreationTime": 1_760_000_000.5,
    "TrainingTimeInSeconds": 90,
    "EnableNetworkIsolation": False,
    "HyperParameters": {"eta": "0.75", "depth": "6", "booster": "gbtree", "a.b": "1e1", "n": "x"},
    "AlgorithmSpecification": {"ContainerArguments": ["--fast", "--wide"]},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://data/train"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://data/test"}}},
    ],
    "FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.5, "Timestamp": 1.0}],
    "Metrics": {"validation:auc": 0.5, "loss": math.nan},
    "Tags": {"team.name": "red", "cost": "12"},
}


def _matches(expression: dict[str, Any], record: dict[str, Any] = RECORD) -> bool:
    return bool(compiled("TrainingJob", expression).matches(record))


def _holds(name: str, operator: str | None = None, value: str | None = None) -> bool:
    condition = {"Name": name, "Operator": operator, "Value": value}
    given = {member: text for member, text in condition.items() if text is not None}
    return _matches({"Filters": [given]})


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("TrainingJobName", "Equals", "forest-007"),
        ("TrainingJobName", None, "forest-007"),
        ("TrainingJobName", "Contains", "est-0"),
        ("TrainingJobStatus", "In", "Failed, Completed"),
        ("TrainingJobStatus", "NotEquals", "Failed"),
        ("FailureReason", "NotEquals", "anything"),
        ("FailureReason", "NotExists", None),
        ("TrainingJobName", "Exists", None),
        ("TrainingJobName", None, None),
        ("InputDataConfig", "Exists", None),
        ("Tags", "Exists", None),
        ("CreationTime", "GreaterThan", "2025-10-09T08:53:20"),
        ("CreationTime", "LessThan", "2025-10-09T08:53:21Z"),
        ("CreationTime", "LessThan", "2025-10-09T10:00:00+01:00"),
        ("TrainingTimeInSeconds", "GreaterThanOrEqualTo", "90"),
        ("TrainingTimeInSeconds", "LessThanOrEqualTo", "9e1"),
        ("EnableNetworkIsolation", "Equals", "False"),
        ("HyperParameters.booster", "Equals", "gbtree"),
        ("HyperParameters.booster", "Contains", "tree"),
        ("HyperParameters.booster", "In", "dart,gbtree"),
        ("HyperParameters.eta", "Equals", ".750"),
        ("HyperParameters.eta", "GreaterThan", "0.7"),
        ("HyperParameters.a.b", "GreaterThan", "9.5"),
        ("Metrics.validation:auc", "GreaterThanOrEqualTo", "0.5"),
        ("FinalMetricDataList.MetricName", "Equals", "validation:auc"),
        ("Tags.team.name", "Equals", "red"),
        ("Tags.cost", "NotEquals", "12.0"),
        ("AlgorithmSpecification.ContainerArguments", "Contains", "wide"),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "data/test"),
    ],
)
def test_a_filter_holds(name: str, operator: str | None, value: str | None) -> None:
    assert _holds(name, operator, value)


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("TrainingJobName", "Equals", "Forest-007"),
        ("TrainingJobName", "Contains", "EST"),
        ("TrainingJobStatus", "NotEquals", "Completed"),
        ("FailureReason", "Equals", "anything"),
        ("FailureReason", "Exists", None),
        ("CreationTime", "GreaterThan", "2025-10-09T08:53:21"),
        ("EnableNetworkIsolation", "Equals", "true"),
        ("HyperParameters.booster", "GreaterThan", "1"),
        ("HyperParameters.missing", "LessThanOrEqualTo", "1"),
        ("HyperParameters.missing", "Equals", "1"),
        ("Metrics.loss", "GreaterThanOrEqualTo", "0"),
        ("Metrics.loss", "Equals", "0"),
        ("Metrics.other", "Exists", None),
        ("Tags.team", "Exists", None),
    ],
)
def test_a_filter_does_not_hold(name: str, operator: str | None, value: str | None) -> None:
    assert not _holds(name, operator, value)


def test_a_decimal_hyperparameter_is_an_integer_beside_one() -> None:
    assert _holds("HyperParameters.eta", "LessThanOrEqualTo", "0")
    assert not _holds("HyperParameters.eta", "GreaterThan", "0")
    assert _holds("HyperParameters.eta", "GreaterThan", "0.0")


@pytest.mark.parametrize(
    ("name", "operator", "value", "text"),
    [
        ("TrainingJobname", "Exists", None, "not a property"),
        ("TrainingJobName.", "Exists", None, "not a property"),
        ("TrainingJobName.x", "Exists", None, "not a property"),
        ("Metrics", "Exists", None, "not a property"),
        ("TunedHyperParameters.eta", "Exists", None, "not a property"),
        ("TrainingJobName", "GreaterThan", "a", "not supported"),
        ("Tags.cost", "LessThan", "3", "not supported"),
        ("TrainingTimeInSeconds", "Contains", "9", "not supported"),
        ("CreationTime", "In", "2025-10-09T08:53:20", "not supported"),
        ("InputDataConfig", "Equals", "train", "not supported"),
        ("HyperParameters.eta", "GreaterThan", "big", "must be a number"),
        ("Metrics.loss", "Equals", "nan", "must be a number"),
        ("TrainingTimeInSeconds", "Equals", "1_0", "must be a number"),
        ("CreationTime", "LessThan", "yesterday", "must be a time"),
        ("EnableNetworkIsolation", "Equals", "0", "true or false"),
        ("TrainingJobName", "Equals", None, "needs a Value"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    name: str, operator: str, value: str | None, text: str
) -> None:
    with pytest.raises(ValidationException, match=text):
        _holds(name, operator, value)


def _channel(channel: str, uri: str) -> dict[str, Any]:
    filters = [
        {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": channel},
        {
            "Name": "InputDataConfig.DataSource.S3DataSource.S3Uri",
            "Operator": "Contains",
            "Value": uri,
        },
    ]
    return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}


def test_nested_filters_hold_for_one_item_together() -> None:
    assert _matches(_channel("train", "data/train"))
    assert not _matches(_channel("train", "data/test"))
    assert _matches({"Filters": _channel("train", "data/test")["NestedFilters"][0]["Filters"]})


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("TrainingJobName", "TrainingJobName.x"), ("InputDataConfig", "TrainingJobName")],
)
def test_nested_filters_stay_within_their_property(outer: str, inner: str) -> None:
    nested = {"NestedPropertyName": outer, "Filters": [{"Name": inner}]}
    with pytest.raises(ValidationException, match="nested"):
        _matches({"NestedFilters": [nested]})


YES, NO = {"Name": "TrainingJobName"}, {"Name": "FailureReason"}


def _expression(depth: int = 2) -> st.SearchStrategy[tuple[dict[str, Any], bool]]:
    """An expression of true and false filters, and what it comes to."""
    leaves = st.lists(st.booleans(), max_size=2)
    inner = st.lists(_expression(depth - 1), max_size=2) if depth else st.just([])

    def build(
        filters: list[bool], parts: list[tuple[dict[str, Any], bool]], operator: str | None
    ) -> tuple[dict[str, Any], bool]:
        truths = [*filters, *(truth for _, truth in parts)]
        expression: dict[str, Any] = {"Operator": operator} if operator else {}
        if filters:
            expression["Filters"] = [YES if truth else NO for truth in filters]
        if parts:
            expression["SubExpressions"] = [part for part, _ in parts]
        return expression, any(truths) if operator == "Or" else all(truths)

    made = st.builds(build, leaves, inner, st.sampled_from([None, "And", "Or"]))
    return made.filter(lambda item: bool(item[0].keys() - {"Operator"}))


@given(_expression())
def test_expressions_combine_as_and_and_or_do(made: tuple[dict[str, Any], bool]) -> None:
    expression, truth = made
    assert _matches(expression) is truth


VALUES = st.text(max_size=4) | st.floats(allow_nan=False).map(str) | st.integers().map(str)


@given(value=VALUES.filter(bool), have=VALUES)
def test_comparisons_of_a_hyperparameter_agree(value: str, have: str) -> None:
    record = {"HyperParameters": {"p": have}}

    def holds(operator: str) -> bool:
        condition = {"Name": "HyperParameters.p", "Operator": operator, "Value": value}
        return _matches({"Filters": [condition]}, record)

    assert holds("Equals") is not holds("NotEquals")
    assert holds("Equals") or value != have
    try:
        below, above = holds("LessThan"), holds("GreaterThan")
    except ValidationException:
        return
    assert below + above + holds("Equals") <= 1
    assert holds("LessThanOrEqualTo") is (below or holds("Equals"))
    assert holds("GreaterThanOrEqualTo") is (above or holds("Equals"))


def test_an_expression_is_neither_empty_nor_boundless() -> None:
    with pytest.raises(ValidationException, match="at least one"):
        _matches({"Operator": "Or"})
    part: dict[str, Any] = {"Filters": [YES] * 16}
    assert _matches({"SubExpressions": [part, part], "Filters": [YES] * 16})
    with pytest.raises(ValidationException, match="at most 50"):
        _matches({"SubExpressions": [part, part], "Filters": [YES] * 17})


def test_contains_is_used_once_for_a_property() -> None:
    contains = {"Name": "TrainingJobName", "Operator": "Contains", "Value": "f"}
    with pytest.raises(ValidationException, match="'CONTAINS' operator usage limit of 1"):
        _matches({"Filters": [contains], "SubExpressions": [{"Filters": [contains]}]})


@pytest.mark.parametrize("descending", [False, True])
def test_numbers_come_before_texts_and_nothing_last(descending: bool) -> None:
    found = sorted_by("TrainingJob", "HyperParameters.p")
    values = ["10", "9.5", "-1e3", "b", "a", None]
    records = [{"HyperParameters": {} if value is None else {"p": value}} for value in values]
    keys = {
        str(value): sort_key(found, record, descending)
        for value, record in zip(values, records, strict=True)
    }
    ordered = sorted(keys, key=lambda value: keys[value], reverse=descending)
    expected = ["b", "a", "10", "9.5", "-1e3"] if descending else ["-1e3", "9.5", "10", "a", "b"]
    assert ordered == [*expected, "None"]


def test_records_are_not_ordered_by_structures() -> None:
    with pytest.raises(ValidationException, match="cannot be sorted"):
        sorted_by("TrainingJob", "ResourceConfig")


def test_tuning_jobs_have_properties_of_their_own() -> None:
    name = "BestTrainingJob.TunedHyperParameters.eta"
    path = ("BestTrainingJob", "TunedHyperParameters", "eta")
    assert property_of("HyperParameterTuningJob", name).path == path
    with pytest.raises(ValidationException, match="not a property"):
        property_of("HyperParameterTuningJob", "Metrics.loss")


def test_visibility_hides_what_has_the_tag_with_another_value() -> None:
    condition = [{"Key": "Tags.team.name", "Value": "red"}]
    assert not hidden(condition, {"team.name": "red"})
    assert not hidden(condition, {"other": "blue"})
    assert hidden(condition, {"team.name": "blue"})
    with pytest.raises(ValidationException, match="must be Tags"):
        hidden([{"Key": "team", "Value": "red"}], {})
