"""How one training job moves: pure functions from a record and what happened to the next record.

The order of secondary statuses and their messages follow a real DescribeTrainingJob and
docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tuner.domain.instances import is_accelerated
from tuner.domain.jobs import WITHOUT_INSTANCES, Failure, MetricPoint, TrainingJob
from tuner.domain.ports import Collected, InstanceExited, Scraped
from tuner.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopCause,
    TrainingJobStatus,
)

STOP_GRACE_SECONDS = 120.0
"""StopTrainingJob is `docker stop -t 120`: SIGTERM, then SIGKILL."""

STOP_PATIENCE_SECONDS = 60.0
"""How long after the SIGKILL an instance may still fail to be reported as ended."""

UPLOAD_PATIENCE_SECONDS = 3600.0
"""How long packing and storing the outputs may take, and reading the log to its end."""


_STOPPED: Mapping[StopCause | None, tuple[SecondaryStatus, str]] = {
    StopCause.MAX_RUNTIME: (
        SecondaryStatus.MAX_RUNTIME_EXCEEDED,
        "Training job runtime exceeded MaxRuntimeInSeconds provided",
    ),
    StopCause.MAX_WAIT_TIME: (
        SecondaryStatus.MAX_WAIT_TIME_EXCEEDED,
        "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    ),
    StopCause.MAX_PENDING_TIME: (  # AWS has no secondary status for it
        SecondaryStatus.STOPPED,
        "Training job pending time exceeded MaxPendingTimeInSeconds provided",
    ),
}

RETRY_FIRST_SECONDS = 1.0
RETRY_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Flight:
    """What has been heard of the current attempt; events bring it back after a restart."""

    exits: Mapping[str, InstanceExited] = field(default_factory=dict)
    collected: Collected | None = None
    read_to_end: Scraped | None = None


def admitted(job: TrainingJob, now: float) -> TrainingJob:
    """Instances are there: inputs are fetched next."""
    if not _is_retried(job):  # what a retry is for stays to be read
        job = job.moved(SecondaryStatus.STARTING, now, "Preparing the instances for training")
    return job.moved(
        SecondaryStatus.DOWNLOADING,
        now,
        "Downloading input data",
        training_start_time=job.training_start_time or now,
    )


def preparing(job: TrainingJob, message: str, now: float) -> TrainingJob:
    if job.secondary_status is not SecondaryStatus.DOWNLOADING:
        return job
    return job.moved(SecondaryStatus.DOWNLOADING, now, message)


def prepared(job: TrainingJob, now: float) -> TrainingJob:
    if job.secondary_status is not SecondaryStatus.DOWNLOADING:
        return job
    message = "Training image download completed. Training in progress."
    return job.moved(SecondaryStatus.TRAINING, now, message)


def was_launched(job: TrainingJob) -> bool:
    """Whether the current attempt got as far as its launch."""
    for transition in reversed(job.transitions):
        if transition.status is SecondaryStatus.TRAINING:
            return True
        if transition.status is SecondaryStatus.STARTING:
            return False
    return False


def stopping(job: TrainingJob, cause: StopCause, now: float) -> TrainingJob:
    """Somebody wants the job to end; one that was never launched ends at once."""
    if job.status is not TrainingJobStatus.IN_PROGRESS:
        return job
    if job.secondary_status is SecondaryStatus.UPLOADING:
        # Its program has ended by itself; it only must not be tried again.
        return job if job.stop_cause is not None else replace(job, stop_cause=cause)
    job = job.moved(
        SecondaryStatus.STOPPING,
        now,
        "Stopping the training job",
        status=TrainingJobStatus.STOPPING,
        stop_cause=cause,
    )
    return job if was_launched(job) else ended(job, now, None)


def interrupted(job: TrainingJob, now: float) -> TrainingJob:
    """The spot instances of a job that trains are taken away: its program ends first."""
    if job.secondary_status is not SecondaryStatus.TRAINING:
        return job
    return job.moved(SecondaryStatus.INTERRUPTED, now, "Spot capacity was reclaimed")


def restarted(job: TrainingJob, now: float) -> TrainingJob:
    """What the interrupted attempt leaves is stored: the next one goes on from it."""
    again = replace(job, attempt=job.attempt + 1, interrupted=(*job.interrupted, job.attempt))
    return again.moved(SecondaryStatus.STARTING, now, "Launching requested ML instances")


def since(job: TrainingJob) -> float:
    """When the job came into its secondary status."""
    return job.transitions[-1].start_time


def time_limit(job: TrainingJob) -> tuple[float, StopCause] | None:
    """When a job whose program has not ended by itself is stopped, and why.

    MaxRuntimeInSeconds counts while there are instances, over all attempts; MaxWaitTimeInSeconds
    is all the time that a spot job has; MaxPendingTimeInSeconds counts while a job that asks for
    accelerated instances waits for them (API_StoppingCondition).
    """
    if (
        job.status is not TrainingJobStatus.IN_PROGRESS
        or job.secondary_status is SecondaryStatus.UPLOADING
    ):
        return None
    limits = []
    if job.secondary_status not in WITHOUT_INSTANCES:
        left = job.max_runtime_in_seconds - job.training_seconds(since(job))
        limits.append((since(job) + left, StopCause.MAX_RUNTIME))
    pending = job.spec.stopping_condition.max_pending_time_in_seconds
    if (
        pending is not None
        and job.secondary_status is SecondaryStatus.PENDING
        and any(is_accelerated(group.instance_type) for group in job.spec.groups)
    ):
        limits.append((since(job) + pending, StopCause.MAX_PENDING_TIME))
    wait = job.spec.stopping_condition.max_wait_time_in_seconds
    if wait is not None:
        limits.append((job.creation_time + wait, StopCause.MAX_WAIT_TIME))
    return min(limits, default=None)


def scraped(job: TrainingJob, points: tuple[MetricPoint, ...], now: float) -> TrainingJob:
    """The last value of each metric is the one read last, over all hosts."""
    if not points:
        return job
    latest = {point.name: point for point in job.metrics}
    for point in points:
        latest[point.name] = point
    order = {item.name: index for index, item in enumerate(job.metric_definitions)}
    chosen = sorted(latest.values(), key=lambda point: order.get(point.name, len(order)))
    return replace(job, metrics=tuple(chosen), last_modified_time=now)


def all_exited(job: TrainingJob, flight: Flight) -> bool:
    return len(flight.exits) >= job.instance_count


def failed_exit(flight: Flight) -> InstanceExited | None:
    """The first instance that ended badly."""
    bad = [event for event in flight.exits.values() if event.code != 0]
    return min(bad, key=lambda event: event.time, default=None)


def uploading(job: TrainingJob, flight: Flight, now: float) -> TrainingJob:
    """All instances have ended; what they left is collected, whatever their exit codes say."""
    bad = None if job.status is TrainingJobStatus.STOPPING else failed_exit(flight)
    failure = None
    if bad is not None:
        text = bad.cause or ""
        failure = Failure(kind=FailureKind.ALGORITHM, text=text, exit_code=bad.code)
    return job.moved(
        SecondaryStatus.UPLOADING, now, "Uploading generated training model", failure=failure
    )


def finished(job: TrainingJob, flight: Flight, now: float) -> TrainingJob:
    """Outputs are stored and the log is read: the job's end."""
    if job.failure is not None and flight.collected is not None:
        said = flight.collected.failure_text or job.failure.text
        job = replace(job, failure=replace(job.failure, text=said))
    return ended(job, now, flight.read_to_end.note if flight.read_to_end else None)


def faulted(job: TrainingJob, failure: Failure, now: float) -> TrainingJob:
    """Something other than the program failed: retried by the RetryStrategy, or the end."""
    if job.secondary_status is SecondaryStatus.INTERRUPTED:
        return restarted(job, now)
    if job.secondary_status is SecondaryStatus.STOPPING:
        # What it left is still on disk: the model of a stopped job is collected if it can be.
        return uploading(job, Flight(), now)
    if job.status is TrainingJobStatus.STOPPING or job.failure is not None:
        return ended(job, now, None)
    if failure.kind is FailureKind.INTERNAL and _may_retry(job, now):
        again = replace(job, attempt=job.attempt + 1, metrics=())
        return again.moved(SecondaryStatus.STARTING, now, f"Retrying after: {failure.text}")
    return ended(replace(job, failure=failure), now, None)


def retry_time(job: TrainingJob) -> float:
    """When a job that was sent back to Starting goes on: what broke gets time to mend."""
    if not _is_retried(job):
        return since(job)
    wait = min(RETRY_FIRST_SECONDS * 2.0 ** (job.retries - 1), RETRY_LONGEST_SECONDS)
    return since(job) + wait


def _is_retried(job: TrainingJob) -> bool:
    """Whether the attempt before the present one failed."""
    return job.attempt > 1 and job.attempt - 1 not in job.interrupted


def _may_retry(job: TrainingJob, now: float) -> bool:
    strategy = job.spec.retry_strategy
    if (
        job.stop_cause is not None
        or strategy is None
        or job.retries >= strategy.maximum_retry_attempts
    ):
        return False
    return job.training_seconds(now) < job.max_runtime_in_seconds


def ended(job: TrainingJob, now: float, note: str | None) -> TrainingJob:
    """The terminal record, but for its completion order. `note` tells why a job that ended
    well has no objective value."""
    if job.failure is not None:
        status, secondary = TrainingJobStatus.FAILED, SecondaryStatus.FAILED
        message = job.failure.reason
    elif job.status is TrainingJobStatus.STOPPING:
        status = TrainingJobStatus.STOPPED
        secondary, message = _STOPPED.get(
            job.stop_cause, (SecondaryStatus.STOPPED, "Training job stopped")
        )
    else:
        status, secondary = TrainingJobStatus.COMPLETED, SecondaryStatus.COMPLETED
        message = "Training job completed"
    value = _objective(job, status)
    if job.objective_metric is not None and value is None and note:
        message = f"{message}. {note}"
    job = job.moved(
        secondary,
        now,
        message,
        status=status,
        training_end_time=now if job.training_start_time is not None else None,
        objective_status=ObjectiveStatus.FAILED if value is None else ObjectiveStatus.SUCCEEDED,
        objective_value=value,
    )
    closed = replace(job.transitions[-1], end_time=now)
    return replace(job, transitions=(*job.transitions[:-1], closed))


def _objective(job: TrainingJob, status: TrainingJobStatus) -> float | None:
    if job.objective_metric is None or status is TrainingJobStatus.FAILED:
        return None
    point = job.latest(job.objective_metric)
    return None if point is None else point.value
