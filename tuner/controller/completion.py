"""When a tuning job is over, and how: pure verdicts on its view.

Texts and thresholds: amt failures as listed in the developer guide's "View the status of your
hyperparameter tuning job", and the service's own sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.controller.view import TuningView
from tuner.domain.jobs import Counters
from tuner.domain.statuses import TuningJobStatus

UNSUCCESSFUL_LIMIT = 5
"""Training jobs that may fail, with none succeeding, before a tuning job gives up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` is the terminal status; running training jobs are stopped before it shows."""

    outcome: TuningJobStatus
    failure_reason: str | None = None


def runtime_deadline(view: TuningView) -> float | None:
    """When MaxRuntimeInSeconds of the tuning job is over."""
    limit = (
        view.job.request.hyper_parameter_tuning_job_config.resource_limits.max_runtime_in_seconds
    )
    return None if limit is None else view.job.creation_time + limit


def hopeless(counters: Counters) -> bool:
    """Enough training jobs ended, and none of them with an objective value."""
    return counters.objective_succeeded == 0 and counters.finished >= UNSUCCESSFUL_LIMIT


def may_launch(view: TuningView, exhausted: bool) -> bool:
    """Whether the tuning job still wants training jobs (whatever its parallelism allows)."""
    job, counters = view.job, view.job.progress.counters
    limit = (
        job.request.hyper_parameter_tuning_job_config.resource_limits.max_number_of_training_jobs
    )
    return (
        job.status is TuningJobStatus.IN_PROGRESS
        and job.outcome is None
        and not exhausted
        and not hopeless(counters)
        and (limit is None or counters.launched < limit)
    )


def verdict(view: TuningView, exhausted: bool, now: float, note: str | None) -> Verdict | None:
    """How the tuning job ends, if it does now. `note` explains a missing objective."""
    if view.job.status is TuningJobStatus.STOPPING:
        return Verdict(TuningJobStatus.STOPPED)
    deadline = runtime_deadline(view)
    if deadline is not None and now >= deadline:
        return Verdict(TuningJobStatus.COMPLETED)
    if view.running or may_launch(view, exhausted):
        return None
    reason = _failure_reason(view.job.progress.counters, note)
    outcome = TuningJobStatus.COMPLETED if reason is None else TuningJobStatus.FAILED
    return Verdict(outcome, failure_reason=reason)


def _failure_reason(counters: Counters, note: str | None) -> str | None:
    failed = counters.retryable_error + counters.non_retryable_error
    if failed and failed == counters.launched:
        attempts = min(failed, UNSUCCESSFUL_LIMIT)
        return (
            f"No training job succeeded after {attempts} attempts. For additional details, please "
            "take a look at the training job failures by listing training jobs for the "
            "hyperparameter tuning job."
        )
    if counters.objective_succeeded == 0 and counters.finished:
        text = (
            f"No objective metrics found after running {counters.finished} training jobs. Please "
            "ensure that the custom algorithm is emitting the objective metric as defined by the "
            "regular expression provided."
        )
        return f"{text} {note}"[:1024] if note else text
    return None
