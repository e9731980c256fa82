"""Every member of the List requests has its effect, and Describe has what the clients need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.service_home import Home, tuning
from tests.store.job_records import training_job, tuning_job
from tuner.domain.errors import ValidationException
from tuner.domain.jobs import Scope
from tuner.domain.statuses import TrainingJobStatus, TuningJobStatus
from tuner.shapes.service_model import service_model

REGION = "ap-south-1"
SCOPE = Scope(account="123456789012", region=REGION)
ENDED = ["Completed", "Failed", "Stopped"]
JOBS = 9
"""Job N was created at 1000 + N and modified last at 2000 - N; values go down, statuses around."""


def _name(number: int) -> str:
    return f"{'Red' if number % 2 else 'blue'}-{JOBS - number}"


@pytest.fixture(scope="module")
def stored(home: Home) -> Home:
    records = home.service.context.ports.records

    def write() -> None:
        owner = tuning_job(records.new_id(), "owner", scope=SCOPE, status="Completed")
        records.put_tuning_job(owner)
        for number in range(JOBS):
            times = {"creation_time": 1000.0 + number, "last_modified_time": 2000.0 - number}
            shared: dict[str, Any] = {"scope": SCOPE, **times}
            status = ENDED[number % 3]
            records.put_training_job(
                training_job(
                    records.new_id(),
                    _name(number),
                    status=TrainingJobStatus(status),
                    tuning_job_id=owner.id,
                    objective_value=None if number == 4 else -float(number),
                    **shared,
                )
            )
            records.put_tuning_job(
                tuning_job(
                    records.new_id(),
                    _name(number),
                    status=TuningJobStatus(status),
                    **shared,
                )
            )

    home.service.context.in_turn(write)
    return home


LISTS = {
    "ListTrainingJobs": ("TrainingJobSummaries", "TrainingJobName"),
    "ListHyperParameterTuningJobs": (
        "HyperParameterTuningJobSummaries",
        "HyperParameterTuningJobName",
    ),
    "ListTrainingJobsForHyperParameterTuningJob": ("TrainingJobSummaries", "TrainingJobName"),
}


def _list(home: Home, operation: str, **request: Any) -> list[str]:
    """All names but the owner's, page by page."""
    member, name = LISTS[operation]
    if operation == "ListTrainingJobsForHyperParameterTuningJob":
        request = {"HyperParameterTuningJobName": "owner", **request}
    names: list[str] = []
    while True:
        answer = home.service.call(f"SageMaker.{operation}", request, REGION)
        assert len(answer[member]) <= request.get("MaxResults", 10)
        names += [item[name] for item in answer[member] if item[name] != "owner"]
        if "NextToken" not in answer:
            return names
        request["NextToken"] = answer["NextToken"]


def _names(*numbers: int) -> list[str]:
    return [_name(number) for number in numbers]


EVERYWHERE: list[tuple[dict[str, Any], list[str]]] = [
    ({"SortBy": "CreationTime"}, _names(*range(JOBS))),
    ({"SortBy": "CreationTime", "SortOrder": "Descending"}, _names(*range(JOBS))[::-1]),
    ({"SortBy": "Name"}, sorted(_names(*range(JOBS)), key=str.lower)),
    ({"SortBy": "Status"}, _names(0, 3, 6, 1, 4, 7, 2, 5, 8)),
    ({"StatusEquals": "Failed", "SortBy": "CreationTime"}, _names(1, 4, 7)),
    ({"StatusEquals": "InProgress"}, []),
    ({"MaxResults": 2, "SortBy": "CreationTime"}, _names(*range(JOBS))),
]
BY_NAME_AND_TIME: list[tuple[dict[str, Any], list[str]]] = [
    ({"NameContains": "rEd-", "SortBy": "CreationTime"}, _names(1, 3, 5, 7)),
    ({"CreationTimeAfter": 1005, "SortBy": "CreationTime"}, _names(6, 7, 8)),
    ({"CreationTimeBefore": 1002.0, "SortBy": "CreationTime"}, _names(0, 1)),
    ({"LastModifiedTimeAfter": 1998.0, "SortBy": "CreationTime"}, _names(0, 1)),
    (
        {"LastModifiedTimeBefore": 1994, "CreationTimeBefore": 1008, "SortBy": "CreationTime"},
        _names(7),
    ),
]
CASES: dict[str, list[tuple[dict[str, Any], list[str]]]] = {
    "ListTrainingJobs": [
        *EVERYWHERE,
        *BY_NAME_AND_TIME,
        ({}, _names(*range(JOBS))),
        ({"WarmPoolStatusEquals": "Available"}, []),
        (
            {
                "TrainingPlanArnEquals": "arn:aws:sagemaker:ap-south-1:123456789012:"
                "training-plan/mine"
            },
            [],
        ),
    ],
    "ListHyperParameterTuningJobs": [
        *EVERYWHERE,
        *BY_NAME_AND_TIME,
        ({}, sorted(_names(*range(JOBS)), key=str.lower)),
    ],
    "ListTrainingJobsForHyperParameterTuningJob": [
        *EVERYWHERE,
        ({}, sorted(_names(*range(JOBS)), key=str.lower)),
        ({"SortBy": "FinalObjectiveMetricValue"}, _names(8, 7, 6, 5, 3, 2, 1, 0)),
        (
            {"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending", "MaxResults": 3},
            _names(0, 1, 2, 3, 5, 6, 7, 8),
        ),
    ],
}


def _cases() -> Iterator[Any]:
    for operation, cases in CASES.items():
        for request, names in cases:
            yield pytest.param(operation, request, names, id=f"{operation} {request}")


@pytest.mark.parametrize(("operation", "request_members", "names"), list(_cases()))
def test_a_list_has_the_jobs_asked_for_in_the_order_asked_for(
    stored: Home, operation: str, request_members: dict[str, Any], names: list[str]
) -> None:
    assert _list(stored, operation, **request_members) == names


@pytest.mark.parametrize("operation", sorted(CASES))
def test_no_member_of_a_list_request_is_left_untried(operation: str) -> None:
    shape: Any = service_model().operation_model(operation).input_shape
    tried = {member for request, _ in CASES[operation] for member in request}
    assert {*shape.members} == tried | {"NextToken"} | {*shape.required_members}


@pytest.mark.parametrize("operation", sorted(CASES))
def test_values_out_of_bounds_are_refused(stored: Home, operation: str) -> None:
    for request in (
        {"MaxResults": 0},
        {"MaxResults": 101},
        {"SortBy": "Size"},
        {"SortOrder": "Up"},
        {"StatusEquals": "Done"},
        {"NextToken": "x"},
    ):
        with pytest.raises(ValidationException):
            _list(stored, operation, **request)


TUNING_JOB_NEEDS = """
HyperParameterTuningJobName HyperParameterTuningJobArn HyperParameterTuningJobStatus CreationTime
HyperParameterTuningJobConfig.Strategy
HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs
HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs
HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType
HyperParameterTuningJobConfig.ParameterRanges.CategoricalParameterRanges
HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges
HyperParameterTuningJobConfig.ParameterRanges.IntegerParameterRanges
HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.Type
HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.MetricName
TrainingJobDefinition.StaticHyperParameters._tuning_objective_metric
TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions
TrainingJobDefinition.AlgorithmSpecification.TrainingImage
TrainingJobDefinition.AlgorithmSpecification.TrainingInputMode
TrainingJobDefinition.ResourceConfig.InstanceType
TrainingJobDefinition.ResourceConfig.InstanceCount
TrainingJobDefinition.ResourceConfig.VolumeSizeInGB
TrainingJobDefinition.RoleArn TrainingJobDefinition.OutputDataConfig.S3OutputPath
TrainingJobDefinition.StoppingCondition.MaxRuntimeInSeconds
TrainingJobStatusCounters ObjectiveStatusCounters
BestTrainingJob.TrainingJobName BestTrainingJob.TrainingJobArn BestTrainingJob.CreationTime
BestTrainingJob.TrainingJobStatus BestTrainingJob.TunedHyperParameters
"""
TRAINING_JOB_NEEDS = """
TrainingJobName TrainingJobArn RoleArn TrainingJobStatus SecondaryStatus LastModifiedTime
ResourceConfig.InstanceCount ResourceConfig.InstanceType ResourceConfig.VolumeSizeInGB
StoppingCondition.MaxRuntimeInSeconds OutputDataConfig.KmsKeyId OutputDataConfig.S3OutputPath
AlgorithmSpecification.TrainingInputMode AlgorithmSpecification.TrainingImage
AlgorithmSpecification.MetricDefinitions ModelArtifacts.S3ModelArtifacts HyperParameters
TrainingStartTime TrainingEndTime
"""


def _at(answer: Any, path: str) -> Any:
    for member in path.split("."):
        answer = answer[member]
    return answer


def test_descriptions_have_every_member_without_which_a_client_fails(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("needs", jobs=1, parallel=1))
    described = home.wait("needs")
    for path in TUNING_JOB_NEEDS.split():
        assert _at(described, path) is not None, path
    name = described["BestTrainingJob"]["TrainingJobName"]
    training_job_described = home.call("DescribeTrainingJob", TrainingJobName=name)
    for path in TRAINING_JOB_NEEDS.split():
        assert _at(training_job_described, path) is not None, path
    assert training_job_described["OutputDataConfig"]["KmsKeyId"] == ""
    transitions = training_job_described["SecondaryStatusTransitions"]
    assert transitions
    assert all(item["StatusMessage"] and item["StartTime"] for item in transitions)
