"""Answers against the model's output shapes, and the members that clients read without asking."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shapes.generated import SCOPE, TIMES, training_jobs, tuning_jobs
from tests.shapes.violations import valid_request
from tuner.domain.algorithms import Algorithm, AlgorithmMetric
from tuner.domain.definitions import HyperParameterTuningJobObjective, ObjectiveType
from tuner.domain.jobs import (
    Counters,
    Failure,
    MetricPoint,
    Progress,
    Resources,
    TrainingJob,
    TuningJob,
)
from tuner.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    TrainingJobStatus,
    TuningJobStatus,
)
from tuner.shapes.constraints import type_text
from tuner.shapes.fill_in import filled_in, filled_in_training_job
from tuner.shapes.requests import parse_training_job, parse_tuning_job
from tuner.shapes.responses import (
    describe_training_job,
    describe_tuning_job,
    training_job_summary,
    tuned_training_job_summary,
    tuning_job_summary,
)
from tuner.shapes.service_model import service_model

LARGE = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)
OBJECTIVE = HyperParameterTuningJobObjective(
    type=ObjectiveType.MAXIMIZE, metric_name="validation:auc"
)
XGBOOST = Algorithm(
    name="xgboost",
    built_in=True,
    metrics=(
        AlgorithmMetric(
            name="validation:auc", regex="auc:(.*)", objective_type=ObjectiveType.MAXIMIZE
        ),
    ),
)


def faults(shape: Shape, value: object, path: str) -> Iterator[str]:
    """What an SDK with typed answers would stumble over."""
    wrong = type_text(shape, value)
    if wrong is not None:
        yield f"{path}: {wrong}"
    elif isinstance(shape, StructureShape) and isinstance(value, Mapping):
        yield from (f"{path}.{name} missing" for name in shape.required_members - value.keys())
        yield from (f"{path}.{name} unknown" for name in value.keys() - shape.members.keys())
        for name in value.keys() & shape.members.keys():
            yield from faults(shape.members[name], value[name], f"{path}.{name}")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(shape.member, item, f"{path}[{index}]")
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, item in value.items():
            yield from faults(shape.value, item, f"{path}.{key}")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not of the enum"


def conforms(answer: dict[str, Any], shape_name: str) -> None:
    assert json.loads(json.dumps(answer)) == answer
    assert list(faults(service_model().shape_for(shape_name), answer, "")) == []


@LARGE
@given(tuning_jobs(), st.none() | training_jobs(), TIMES)
def test_answers_about_tuning_jobs_have_the_models_shape(
    job: TuningJob, best: TrainingJob | None, now: float
) -> None:
    conforms(describe_tuning_job(job, best, now), "DescribeHyperParameterTuningJobResponse")
    conforms(tuning_job_summary(job), "HyperParameterTuningJobSummary")


@LARGE
@given(training_jobs(), st.none() | st.just(SCOPE.tuning_job_arn("a")))
def test_answers_about_training_jobs_have_the_models_shape(
    job: TrainingJob, tuning_job_arn: str | None
) -> None:
    conforms(describe_training_job(job, tuning_job_arn), "DescribeTrainingJobResponse")
    conforms(training_job_summary(job), "TrainingJobSummary")
    conforms(tuned_training_job_summary(job, OBJECTIVE), "HyperParameterTrainingJobSummary")


def tuning_job(**changes: Any) -> TuningJob:
    request = parse_tuning_job(valid_request("CreateHyperParameterTuningJob"))
    job = TuningJob(
        id=1,
        scope=SCOPE,
        name="A-Job",
        request=filled_in(request, [XGBOOST]),
        seed=1,
        resources=Resources(),
        creation_time=1000.12345,
        last_modified_time=1001.0,
    )
    return replace(job, **changes)


def training_job(**changes: Any) -> TrainingJob:
    request = parse_training_job(valid_request("CreateTrainingJob"))
    job = TrainingJob(
        id=2,
        scope=SCOPE,
        name="A-Job-001-0123abcd",
        spec=filled_in_training_job(request, XGBOOST),
        hyper_parameters={"eta": "0.1", "num_round": "10"},
        resources=Resources(),
        creation_time=1000.0,
        last_modified_time=1000.0,
        tuned={"eta": "0.1"},
    )
    return replace(job, **changes)


def test_describe_has_what_the_sdks_read_without_asking() -> None:
    answer = describe_tuning_job(tuning_job(), None, 1061.9)
    config, definition = answer["HyperParameterTuningJobConfig"], answer["TrainingJobDefinition"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert config["ParameterRanges"]["CategoricalParameterRanges"] == []
    assert config["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 4,
        "MaxParallelTrainingJobs": 2,
    }
    assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:auc"
    metrics = definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert [item["Name"] for item in metrics] == ["validation:auc", "ObjectiveMetric"]
    assert metrics[0]["Regex"] == metrics[1]["Regex"]
    assert definition["ResourceConfig"]["VolumeSizeInGB"] == 10
    assert answer["CreationTime"] == 1000.123
    assert answer["ConsumedResources"] == {"RuntimeInSeconds": 61}
    assert answer["TuningJobCompletionDetails"] == {"NumberOfTrainingJobsObjectiveNotImproving": 0}
    absent = {"BestTrainingJob", "HyperParameterTuningEndTime", "FailureReason", "Tags"}
    assert not absent & answer.keys()


def test_counters_are_all_there_even_at_zero() -> None:
    counters = Counters(completed=1, retryable_error=2, objective_succeeded=3)
    answer = tuning_job_summary(tuning_job(progress=Progress(counters=counters)))
    assert answer["TrainingJobStatusCounters"] == {
        "Completed": 1,
        "InProgress": 0,
        "RetryableError": 2,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert answer["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}


def test_a_failed_tuning_job_tells_its_reason_and_its_end() -> None:
    job = tuning_job(status=TuningJobStatus.FAILED, failure_reason="why", end_time=1010.0)
    answer = describe_tuning_job(job, None, 9999.0)
    assert answer["FailureReason"] == "why"
    assert answer["HyperParameterTuningEndTime"] == 1010.0
    assert answer["ConsumedResources"] == {"RuntimeInSeconds": 9}


def test_the_best_training_job_is_a_summary_without_the_objectives_type() -> None:
    best = training_job(
        status=TrainingJobStatus.COMPLETED,
        objective_status=ObjectiveStatus.SUCCEEDED,
        objective_value=0.5,
    )
    answer = describe_tuning_job(tuning_job(), best, 1.0)["BestTrainingJob"]
    assert answer["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "MetricName": "validation:auc",
        "Value": 0.5,
    }
    assert answer["TunedHyperParameters"] == {"eta": "0.1"}
    assert answer["TrainingJobArn"].endswith(":training-job/a-job-001-0123abcd")
    assert "TrainingJobDefinitionName" not in answer


def test_training_jobs_of_named_definitions_tell_name_and_type() -> None:
    job = training_job(definition_name="first", objective_value=0.5)
    answer = tuned_training_job_summary(job, OBJECTIVE)
    assert answer["TrainingJobDefinitionName"] == "first"
    assert answer["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == "Maximize"


def test_a_summary_without_objective_value_has_no_metric() -> None:
    answer = tuned_training_job_summary(training_job(), OBJECTIVE)
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in answer
    assert answer["ObjectiveStatus"] == "Pending"


def test_describe_training_job_has_what_the_sdks_read_without_asking() -> None:
    answer = describe_training_job(training_job(), None)
    assert answer["OutputDataConfig"] == {"S3OutputPath": "s3://bucket/out", "KmsKeyId": ""}
    assert answer["ModelArtifacts"] == {
        "S3ModelArtifacts": "s3://bucket/out/A-Job-001-0123abcd/output/model.tar.gz"
    }
    assert answer["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert answer["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is True
    assert answer["EnableNetworkIsolation"] is False
    never_started = {"TrainingStartTime", "TrainingTimeInSeconds", "TuningJobArn"}
    assert not never_started & answer.keys()


def test_a_training_job_of_a_definition_is_described_as_a_training_job() -> None:
    spec = tuning_job().request.definitions[0]
    answer = describe_training_job(training_job(spec=spec), SCOPE.tuning_job_arn("A-Job"))
    assert answer["TuningJobArn"].endswith("hyper-parameter-tuning-job/a-job")
    assert answer["HyperParameters"] == {"eta": "0.1", "num_round": "10"}
    assert "StaticHyperParameters" not in answer


def test_transitions_follow_each_other_and_the_last_ends_with_the_job() -> None:
    job = training_job().moved(SecondaryStatus.STARTING, 1000.0, "Starting the training job")
    job = job.moved(SecondaryStatus.DOWNLOADING, 1001.0, "Downloading input data")
    running = describe_training_job(job, None)["SecondaryStatusTransitions"]
    assert [item.get("EndTime") for item in running] == [1001.0, None]
    job = job.moved(SecondaryStatus.FAILED, 1002.5, "failed", status=TrainingJobStatus.FAILED)
    ended = describe_training_job(job, None)["SecondaryStatusTransitions"]
    assert ended[-1] == {
        "Status": "Failed",
        "StartTime": 1002.5,
        "EndTime": 1002.5,
        "StatusMessage": "failed",
    }


def test_the_failure_shows_when_the_job_has_failed() -> None:
    failure = Failure(kind=FailureKind.ALGORITHM, text=", exit code: 1")
    uploading = training_job(failure=failure)
    assert "FailureReason" not in describe_training_job(uploading, None)
    failed = replace(uploading, status=TrainingJobStatus.FAILED)
    reason = describe_training_job(failed, None)["FailureReason"]
    assert reason == "AlgorithmError: , exit code: 1"
    assert tuned_training_job_summary(failed, OBJECTIVE)["FailureReason"] == reason


def test_seconds_are_rounded_up_and_metrics_are_told_by_the_second() -> None:
    point = MetricPoint(name="validation:auc", value=0.5, time=1003.9, host="algo-1")
    job = training_job(training_start_time=1000.0, training_end_time=1000.2, metrics=(point,))
    answer = describe_training_job(job, None)
    assert answer["TrainingTimeInSeconds"] == answer["BillableTimeInSeconds"] == 1
    assert answer["FinalMetricDataList"] == [
        {"MetricName": "validation:auc", "Value": 0.5, "Timestamp": 1003.0}
    ]
