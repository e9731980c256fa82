"""Answers of the operations from the records of jobs.

Every member that the SDKs read without asking is there; members without a value are left out.
Times are epoch seconds with milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.domain.definitions import HyperParameterTuningJobObjective, TrainingSpec
from tuner.domain.jobs import TrainingJob, Transition, TuningJob
from tuner.domain.statuses import TrainingJobStatus, TuningJobStatus
from tuner.shapes.records import to_wire

MAX_FINAL_METRICS = 40

SPOT_PRICE = 30
"""Per cent of that on demand. On AWS it varies; savings of 63 to 78 per cent are usual in stored
outputs of the SageMaker SDK ("Managed Spot Training savings")."""

_ONLY_IN_DEFINITIONS = (
    "DefinitionName",
    "TuningObjective",
    "HyperParameterRanges",
    "StaticHyperParameters",
    "HyperParameterTuningResourceConfig",
)
_ONLY_IN_REQUESTS = ("TrainingJobName", "HyperParameters", "Tags")


# ---- tuning jobs -----------------------------------------------------------------------------


def describe_tuning_job(job: TuningJob, best: TrainingJob | None, now: float) -> dict[str, Any]:
    """DescribeHyperParameterTuningJob. `best` is the training job with the best objective so
    far; the running time of a job that has not ended goes up to `now`."""
    request = to_wire(job.request)
    del request["HyperParameterTuningJobName"]
    request.pop("Tags", None)
    objective = _objective_of(job, best) if best else None
    ended = job.end_time if job.end_time is not None else now
    return _present(
        {
            "HyperParameterTuningJobName": job.name,
            "HyperParameterTuningJobArn": job.arn,
            **request,
            "HyperParameterTuningJobStatus": job.status,
            "CreationTime": _time(job.creation_time),
            "HyperParameterTuningEndTime": _time(job.end_time),
            "LastModifiedTime": _time(job.last_modified_time),
            **_counters(job),
            "BestTrainingJob": tuned_training_job_summary(best, objective) if best else None,
            "FailureReason": job.failure_reason if _failed(job) else None,
            "TuningJobCompletionDetails": {
                "NumberOfTrainingJobsObjectiveNotImproving": job.progress.not_improving
            },
            "ConsumedResources": {"RuntimeInSeconds": max(0, int(ended - job.creation_time))},
        }
    )


def tuning_job_summary(job: TuningJob) -> dict[str, Any]:
    """An entry of ListHyperParameterTuningJobs."""
    config = job.request.hyper_parameter_tuning_job_config
    return _present(
        {
            "HyperParameterTuningJobName": job.name,
            "HyperParameterTuningJobArn": job.arn,
            "HyperParameterTuningJobStatus": job.status,
            "Strategy": config.strategy,
            "CreationTime": _time(job.creation_time),
            "HyperParameterTuningEndTime": _time(job.end_time),
            "LastModifiedTime": _time(job.last_modified_time),
            **_counters(job),
            "ResourceLimits": to_wire(config.resource_limits),
        }
    )


def tuned_training_job_summary(
    job: TrainingJob, objective: HyperParameterTuningJobObjective | None
) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary: an entry of a tuning job's list, or its best.

    The service tells the objective's Type only where definitions are many, and so have names.
    """
    final = None
    if job.objective_value is not None and objective is not None:
        final = {
            "Type": objective.type if job.definition_name is not None else None,
            "MetricName": objective.metric_name,
            "Value": job.objective_value,
        }
    return _present(
        {
            "TrainingJobDefinitionName": job.definition_name,
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": _time(job.creation_time),
            "TrainingStartTime": _time(job.training_start_time),
            "TrainingEndTime": _time(job.training_end_time),
            "TrainingJobStatus": job.status,
            "TunedHyperParameters": dict(job.tuned),
            "FailureReason": _failure_reason(job),
            "FinalHyperParameterTuningJobObjectiveMetric": final and _present(final),
            "ObjectiveStatus": job.objective_status,
        }
    )


def _objective_of(
    job: TuningJob, training_job: TrainingJob
) -> HyperParameterTuningJobObjective | None:
    definitions = job.request.definitions
    named = (item for item in definitions if item.definition_name == training_job.definition_name)
    return job.request.objective_of(next(named, definitions[0]))


def _failed(job: TuningJob) -> bool:
    return job.status is TuningJobStatus.FAILED


def _counters(job: TuningJob) -> dict[str, Any]:
    counters = job.progress.counters
    return {
        "TrainingJobStatusCounters": {
            "Completed": counters.completed,
            "InProgress": counters.in_progress,
            "RetryableError": counters.retryable_error,
            "NonRetryableError": counters.non_retryable_error,
            "Stopped": counters.stopped,
        },
        "ObjectiveStatusCounters": {
            "Succeeded": counters.objective_succeeded,
            "Pending": counters.objective_pending,
            "Failed": counters.objective_failed,
        },
    }


# ---- training jobs ---------------------------------------------------------------------------


def describe_training_job(job: TrainingJob, tuning_job_arn: str | None) -> dict[str, Any]:
    """DescribeTrainingJob. The address of the model is told before there is one, as on AWS."""
    start, end = job.training_start_time, job.training_end_time
    seconds = billable = None
    if start is not None and end is not None:
        seconds = max(1, math.ceil(job.training_seconds(end)))
        billable = max(1, math.ceil(seconds * SPOT_PRICE / 100)) if job.uses_spot else seconds
    return _present(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TuningJobArn": tuning_job_arn,
            "ModelArtifacts": {"S3ModelArtifacts": job.model_uri},
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary_status,
            "FailureReason": _failure_reason(job),
            "HyperParameters": dict(job.hyper_parameters),
            **_spec(job.spec),
            "CreationTime": _time(job.creation_time),
            "TrainingStartTime": _time(start),
            "TrainingEndTime": _time(end),
            "LastModifiedTime": _time(job.last_modified_time),
            "SecondaryStatusTransitions": [_transition(item, job) for item in job.transitions],
            "FinalMetricDataList": _final_metrics(job) or None,
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": billable,
            "ProfilingStatus": "Disabled",
        }
    )


def training_job_summary(job: TrainingJob) -> dict[str, Any]:
    """An entry of ListTrainingJobs."""
    return _present(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": _time(job.creation_time),
            "TrainingEndTime": _time(job.training_end_time),
            "LastModifiedTime": _time(job.last_modified_time),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary_status,
        }
    )


def _spec(spec: TrainingSpec) -> dict[str, Any]:
    """The spec as CreateTrainingJob would have it, also for a tuning job's definition."""
    wire = to_wire(spec)
    for name in (*_ONLY_IN_DEFINITIONS, *_ONLY_IN_REQUESTS):
        wire.pop(name, None)
    algorithm = wire["AlgorithmSpecification"]
    algorithm.setdefault(
        "EnableSageMakerMetricsTimeSeries", bool(algorithm.get("MetricDefinitions"))
    )
    return wire


def _transition(item: Transition, job: TrainingJob) -> dict[str, Any]:
    """Each ends when the next begins; the terminal one is over when it begins."""
    last = item.start_time if job.status.terminal else None
    end = item.end_time if item.end_time is not None else last
    return _present(
        {
            "Status": item.status,
            "StartTime": _time(item.start_time),
            "EndTime": _time(end),
            "StatusMessage": item.status_message,
        }
    )


def _final_metrics(job: TrainingJob) -> list[dict[str, Any]]:
    """Times have a resolution of one second here."""
    return [
        {"MetricName": point.name, "Value": point.value, "Timestamp": float(int(point.time))}
        for point in job.metrics[:MAX_FINAL_METRICS]
    ]


def _failure_reason(job: TrainingJob) -> str | None:
    """Only of a job that has ended: outputs may still be collected after the cause is known."""
    failed = job.status is TrainingJobStatus.FAILED
    return job.failure.reason if failed and job.failure else None


def _time(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in members.items()
        if value is not None
    }
