"""What a tuning job's training jobs add up to, kept up to date one change at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tuner.domain.definitions import ObjectiveType
from tuner.domain.jobs import Counters, Progress, TrainingJob
from tuner.domain.statuses import FailureKind, ObjectiveStatus, TrainingJobStatus

IMPROVEMENT = 0.01
"""Relative improvement that counts (API_BestObjectiveNotImproving: "1% or greater")."""

_OBJECTIVE_FIELD = {
    ObjectiveStatus.SUCCEEDED: "objective_succeeded",
    ObjectiveStatus.PENDING: "objective_pending",
    ObjectiveStatus.FAILED: "objective_failed",
}


def _status_field(job: TrainingJob) -> str:
    match job.status:
        case TrainingJobStatus.COMPLETED:
            return "completed"
        case TrainingJobStatus.STOPPED:
            return "stopped"
        case TrainingJobStatus.FAILED:
            internal = job.failure is not None and job.failure.kind is FailureKind.INTERNAL
            return "retryable_error" if internal else "non_retryable_error"
        case _:
            return "in_progress"


def _counted(counters: Counters, job: TrainingJob, by: int) -> Counters:
    status, objective = _status_field(job), _OBJECTIVE_FIELD[job.objective_status]
    return replace(
        counters,
        **{
            status: getattr(counters, status) + by,
            objective: getattr(counters, objective) + by,
        },
    )


def is_better(value: float, than: float | None, objective: ObjectiveType) -> bool:
    if than is None:
        return True
    return value > than if objective is ObjectiveType.MAXIMIZE else value < than


def _improves(value: float, than: float | None, objective: ObjectiveType) -> bool:
    if than is None:
        return True
    gain = value - than if objective is ObjectiveType.MAXIMIZE else than - value
    return gain > IMPROVEMENT * abs(than)


def advance(
    progress: Progress, before: TrainingJob | None, after: TrainingJob, objective: ObjectiveType
) -> Progress:
    """The progress once a training job went from `before` (None: not launched) to `after`."""
    counters = progress.counters if before is None else _counted(progress.counters, before, -1)
    progress = replace(progress, counters=_counted(counters, after, 1))
    ended_now = after.completion_order is not None and (
        before is None or before.completion_order is None
    )
    if not ended_now:
        return progress
    assert after.completion_order is not None
    progress = replace(
        progress,
        last_completion_order=max(progress.last_completion_order, after.completion_order),
    )
    value = after.objective_value
    if value is None:
        return progress
    if _improves(value, progress.improved_value, objective):
        progress = replace(progress, improved_value=value, not_improving=0)
    else:
        progress = replace(progress, not_improving=progress.not_improving + 1)
    if is_better(value, progress.best_value, objective):
        progress = replace(progress, best_value=value, best_training_job_id=after.id)
    return progress


def fold(jobs: Iterable[TrainingJob], objective: ObjectiveType) -> Progress:
    """The progress from nothing but the records."""
    progress = Progress()
    in_order = sorted(jobs, key=lambda job: (job.completion_order or float("inf"), job.id))
    for job in in_order:
        progress = advance(progress, None, job, objective)
    return progress
