"""Search over the jobs of a home: results, order, pages, tags, suggestions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.service_home import Home, training, tuning
from tests.store.job_records import SCOPE, training_job
from tuner.domain.definitions import Tag
from tuner.domain.errors import SerializationException, ValidationException
from tuner.domain.jobs import MetricPoint
from tuner.domain.statuses import TrainingJobStatus
from tuner.shapes.search_properties import record_shape

STORED = 40


def _search(home: Home, resource: str = "TrainingJob", **request: Any) -> dict[str, Any]:
    """In the region of the stored jobs, where no program runs."""
    target = {"Resource": resource, **request}
    return home.service.call("SageMaker.Search", target, SCOPE.region)


def _names(answer: dict[str, Any]) -> list[str]:
    return [item["TrainingJob"]["TrainingJobName"] for item in answer["Results"]]


def _store(home: Home, *numbers: int) -> None:
    """Ended jobs; number N has x = N/10, loss = N % 7, and every third one a tag."""
    context = home.service.context

    def write() -> None:
        for number in numbers:
            loss = MetricPoint(name="loss", value=float(number % 7), time=1.0, host="algo-1")
            job = training_job(
                context.ports.records.new_id(),
                f"stored-{number:03d}",
                status=TrainingJobStatus.COMPLETED,
                creation_time=1000.0 + number,
                last_modified_time=2000.0 + number * 17 % STORED,
                hyper_parameters={"x": str(number / 10), "epochs": "3"},
                metrics=(loss,),
            )
            context.ports.records.put_training_job(job)
            tags = [Tag(key="Project", value="third")] if number % 3 == 0 else []
            context.ports.records.put_tags(job.arn, tags)

    context.in_turn(write)


@pytest.fixture(scope="module")
def stored(home: Home) -> Home:
    _store(home, *range(STORED))
    return home


def _filter(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Operator": operator, "Value": value}]}


def test_jobs_are_found_with_their_tags_in_the_shape_of_the_model(stored: Home) -> None:
    answer = _search(stored, SearchExpression=_filter("TrainingJobName", "Equals", "stored-003"))
    assert answer["TotalHits"] == {"Value": 1, "Relation": "EqualTo"}
    found = answer["Results"][0]["TrainingJob"]
    assert found["HyperParameters"] == {"x": "0.3", "epochs": "3"}
    assert found["Tags"] == [{"Key": "Project", "Value": "third"}]
    assert found.keys() <= record_shape("TrainingJob").members.keys()


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        (_filter("HyperParameters.x", "LessThan", "0.25"), [0, 1, 2]),
        (_filter("Metrics.loss", "GreaterThanOrEqualTo", "6"), [6, 13, 20, 27, 34]),
        (_filter("Tags.Project", "Equals", "third"), list(range(0, STORED, 3))),
        (_filter("CreationTime", "GreaterThan", "1970-01-01T00:17:17"), [38, 39]),
    ],
)
def test_hyperparameters_metrics_tags_and_times_are_searched_by(
    stored: Home, expression: dict[str, Any], numbers: list[int]
) -> None:
    answer = _search(
        stored,
        SearchExpression=expression,
        SortBy="TrainingJobName",
        SortOrder="Ascending",
        MaxResults=100,
    )
    assert _names(answer) == [f"stored-{number:03d}" for number in numbers]


def test_the_job_modified_last_comes_first(stored: Home) -> None:
    times = [
        item["TrainingJob"]["LastModifiedTime"]
        for item in _search(stored, MaxResults=STORED)["Results"]
    ]
    assert times == sorted(times, reverse=True)
    assert len(_search(stored)["Results"]) == 10


def _pages(home: Home, **request: Any) -> list[str]:
    names: list[str] = []
    while True:
        page = _search(home, **request)
        assert page["TotalHits"]["Value"] == STORED
        names += _names(page)
        if "NextToken" not in page:
            return names
        request["NextToken"] = page["NextToken"]


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize(
    "sort", ["LastModifiedTime", "HyperParameters.x", "Metrics.loss", "Tags.Project"]
)
def test_pages_go_through_all_results_once(stored: Home, sort: str, order: str) -> None:
    query = {"SortBy": sort, "SortOrder": order}
    names = _pages(stored, **query, MaxResults=7)
    assert sorted(names) == [f"stored-{number:03d}" for number in range(STORED)]
    assert names == _names(_search(stored, **query, MaxResults=100))


def test_jobs_added_between_pages_neither_repeat_nor_hide_one(home: Home) -> None:
    query = {
        "SearchExpression": _filter("TrainingJobName", "Contains", "stored-9"),
        "SortBy": "CreationTime",
        "MaxResults": 2,
    }
    _store(home, 900, 901, 902, 903)
    first = _search(home, **query)
    _store(home, 904)
    second = _search(home, **query, NextToken=first["NextToken"])
    names = [f"stored-{number}" for number in (903, 902, 901, 900)]
    assert _names(first) + _names(second) == names
    _remove(home, "stored-9")


def _remove(home: Home, prefix: str) -> None:
    context = home.service.context
    found = _search(home, SearchExpression=_filter("TrainingJobName", "Contains", prefix))

    def run() -> None:
        for name in _names(found):
            job = context.ports.records.find_training_job(SCOPE, name)
            assert job is not None
            context.ports.records.delete_training_job(job.id)

    context.in_turn(run)


def test_a_token_belongs_to_its_search(stored: Home) -> None:
    token = _search(stored, MaxResults=3)["NextToken"]
    assert _search(stored, MaxResults=5, NextToken=token)["Results"]
    for request in (
        {"NextToken": token, "SortOrder": "Ascending"},
        {"NextToken": token, "SearchExpression": _filter("TrainingJobName", "Contains", "s")},
        {"NextToken": token[:-4]},
        {"NextToken": "e30="},
        {"NextToken": "²"},
    ):
        with pytest.raises(ValidationException, match="NextToken"):
            _search(stored, **request)


def test_visibility_conditions_hide_jobs_with_another_value_of_the_tag(stored: Home) -> None:
    condition = {"Key": "Tags.Project", "Value": "other"}
    answer = _search(stored, VisibilityConditions=[condition], MaxResults=100)
    assert answer["TotalHits"]["Value"] == STORED - len(range(0, STORED, 3))


def test_there_is_nothing_of_other_resources_or_accounts(stored: Home) -> None:
    for request in (
        {"resource": "Endpoint"},
        {"CrossAccountFilterOption": "CrossAccount"},
    ):
        answer = _search(stored, **request)
        assert answer == {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}


def test_requests_that_are_no_searches_are_refused(stored: Home) -> None:
    bad: list[dict[str, Any]] = [
        {"resource": "Nothing"},
        {"MaxResults": 101},
        {"SortBy": "Nothing"},
        {"SortBy": "ResourceConfig"},
        {"SearchExpression": {}},
        {"SearchExpression": {"Filters": []}},
        {"SearchExpression": _filter("TrainingJobName", "Like", "x")},
        {"VisibilityConditions": [{"Key": "Project", "Value": "x"}]},
    ]
    for request in bad:
        with pytest.raises(ValidationException):
            _search(stored, **request)
    nested: dict[str, Any] = {"Filters": [{"Name": "TrainingJobName"}]}
    for _ in range(30):
        nested = {"SubExpressions": [nested]}
    with pytest.raises(SerializationException, match="nested"):
        _search(stored, SearchExpression=nested)


def test_suggestions_are_names_that_begin_as_the_hint(stored: Home) -> None:
    def suggested(hint: str, resource: str = "TrainingJob") -> list[str]:
        query = {"PropertyNameQuery": {"PropertyNameHint": hint}}
        answer = stored.service.call(
            "SageMaker.GetSearchSuggestions",
            {"Resource": resource, "SuggestionQuery": query},
            SCOPE.region,
        )
        return [item["PropertyName"] for item in answer["PropertyNameSuggestions"]]

    everything = ["HyperParameters.epochs", "HyperParameters.x", "Metrics.loss", "Tags.Project"]
    assert suggested("") == everything
    assert suggested("HyperParameters.e") == ["HyperParameters.epochs"]
    assert suggested("", "Model") == []


def test_jobs_that_really_ran_are_found(home: Home) -> None:
    spec = tuning("Searched", jobs=2) | {"Tags": [{"Key": "team", "Value": "red"}]}
    home.call("CreateHyperParameterTuningJob", **spec)
    described = home.wait("Searched")
    expression = _filter("Tags.team", "Equals", "red")
    answer = home.call("Search", Resource="HyperParameterTuningJob", SearchExpression=expression)
    found = answer["Results"][0]["HyperParameterTuningJob"]
    assert found.pop("Tags") == spec["Tags"]
    assert {name: described[name] for name in found} == found
    best = found["BestTrainingJob"]
    expression = {
        "Filters": [
            {"Name": "TuningJobArn", "Value": described["HyperParameterTuningJobArn"]},
            {"Name": "TrainingJobStatus", "Value": "Completed"},
        ]
    }
    answer = home.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression=expression,
        SortBy="Metrics.loss",
        SortOrder="Ascending",
    )
    assert len(answer["Results"]) == 2
    assert _names(answer)[0] == best["TrainingJobName"]
    assert answer["Results"][0]["TrainingJob"]["Tags"] == spec["Tags"]


def test_a_search_of_a_running_job_sees_it(home: Home) -> None:
    home.call("CreateTrainingJob", **training("running", mode="hang"))
    home.wait_training_job("running", "Training")
    expression = _filter("TrainingJobStatus", "Equals", "InProgress")
    answer = home.call("Search", Resource="TrainingJob", SearchExpression=expression)
    assert _names(answer) == ["running"]
    home.call("StopTrainingJob", TrainingJobName="running")
    home.wait_training_job("running")
