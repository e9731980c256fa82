"""The operations on training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.controller import lifecycle
from tuner.controller.launching import share
from tuner.domain.definitions import TrainingJobRequest
from tuner.domain.errors import Fault, ResourceInUse, ValidationException
from tuner.domain.jobs import AttemptKey, Scope, TrainingJob
from tuner.domain.rules import training_job_faults, unserved_faults
from tuner.domain.statuses import SecondaryStatus, StopCause
from tuner.service.admission import algorithm_of, spec_faults, warn_of_size
from tuner.service.context import Context
from tuner.service.paging import next_token, query_of
from tuner.shapes.fill_in import filled_in_training_job
from tuner.shapes.requests import parse_training_job, refuse
from tuner.shapes.responses import describe_training_job, training_job_summary

Params = Mapping[str, Any]


def create(context: Context, params: Params, region: str) -> dict[str, Any]:
    scope = context.scope(region)
    request = parse_training_job(params)
    _refuse_taken_name(context.ports.records.find_training_job(scope, request.training_job_name))
    found = algorithm_of(context, request, "")
    algorithm = None if isinstance(found, Fault) else found
    refuse(
        [
            *([found] if isinstance(found, Fault) else []),
            *training_job_faults(request, algorithm),
            *unserved_faults(request),
            *spec_faults(context, request, algorithm, "", region),
        ]
    )
    request = filled_in_training_job(request, algorithm)
    job = context.in_turn(lambda: _stored(context, request, scope))
    warn_of_size(context, job.name, job.spec, job.resources)
    return {"TrainingJobArn": job.arn}


def _refuse_taken_name(found: TrainingJob | None) -> None:
    if found is not None:
        raise ResourceInUse(
            "Training job names must be unique within an AWS account and region, and a training "
            f"job with this name already exists ({found.arn})"
        )


def _stored(context: Context, request: TrainingJobRequest, scope: Scope) -> TrainingJob:
    """The new job, written within the controller's turn; it waits for capacity."""
    name = request.training_job_name
    _refuse_taken_name(context.ports.records.find_training_job(scope, name))
    for record in context.controller.written():
        if isinstance(record, TrainingJob) and record.scope == scope:
            _refuse_taken_name(record if record.name.lower() == name.lower() else None)
    now = context.now()
    job = TrainingJob(
        id=context.ports.records.new_id(),
        scope=scope,
        name=name,
        spec=request,
        hyper_parameters=request.hyper_parameters or {},
        resources=share(context.ports.backend.capacity(), request.instance_count),
        creation_time=now,
        last_modified_time=now,
    )
    job = job.moved(SecondaryStatus.STARTING, now, "Starting the training job")
    job = job.moved(SecondaryStatus.PENDING, now, "Training job waiting for capacity")
    context.controller.write(job)
    context.ports.records.put_tags(job.arn, request.tags or ())
    return job


def find(context: Context, params: Params, region: str) -> TrainingJob:
    """An unknown training job is a ValidationException on AWS, not ResourceNotFound."""
    name = params["TrainingJobName"]
    job = context.ports.records.find_training_job(context.scope(region), name)
    if job is None:
        raise ValidationException("Requested resource not found.")
    return job


def describe(context: Context, params: Params, region: str) -> dict[str, Any]:
    return described(find(context, params, region))


def described(job: TrainingJob) -> dict[str, Any]:
    """A tuned training job is named after its tuning job: NAME-NNN-xxxxxxxx."""
    if job.tuning_job_id is None:
        return describe_training_job(job, None)
    return describe_training_job(job, job.scope.tuning_job_arn(job.name.rsplit("-", 2)[0]))


def list_jobs(context: Context, params: Params, region: str) -> dict[str, Any]:
    query = query_of(params, context.scope(region), default_sort="CreationTime")
    if "WarmPoolStatusEquals" in params or "TrainingPlanArnEquals" in params:
        return {"TrainingJobSummaries": []}  # warm pools and training plans: no job here has one
    page = context.ports.records.list_training_jobs(query)
    summaries = [training_job_summary(item) for item in page.items]
    return {"TrainingJobSummaries": summaries, **next_token(query, page)}


def stop(context: Context, params: Params, region: str) -> dict[str, Any]:
    found = find(context, params, region)

    def run() -> None:
        job = context.controller.training_job(found.id)
        if job is None:
            status = find(context, params, region).status
            raise ValidationException(
                f"The request was rejected because the training job is in status {status}"
            )
        context.controller.write(lifecycle.stopping(job, StopCause.REQUESTED, context.now()))

    context.in_turn(run)
    return {}


def interrupt(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Take the spot instances of a training job away, as AWS does when it needs them."""
    if not isinstance(params.get("TrainingJobName"), str):
        raise ValidationException("TrainingJobName is required.")
    found = find(context, params, region)
    if not found.uses_spot:
        raise ValidationException(
            f"The training job {found.name} cannot be interrupted: it does not run on spot "
            "instances (EnableManagedSpotTraining)."
        )

    def run() -> None:
        job = context.controller.training_job(found.id) or find(context, params, region)
        if job.secondary_status is not SecondaryStatus.TRAINING:
            raise ValidationException(
                f"The training job {job.name} cannot be interrupted while it is "
                f"{job.secondary_status}: only one that is Training has instances to lose."
            )
        context.controller.write(lifecycle.interrupted(job, context.now()))

    context.in_turn(run)
    return {}


def delete(context: Context, params: Params, region: str) -> dict[str, Any]:
    found = find(context, params, region)

    def run() -> TrainingJob:
        active = context.controller.training_job(found.id)
        if active is not None or context.controller.uncommitted(found.id):
            raise ValidationException(
                f"The training job {found.name} is not in a terminal state. Stop it, or wait "
                "until it has ended, before you delete it."
            )
        if found.tuning_job_id and context.controller.tuning_job(found.tuning_job_id):
            raise ResourceInUse(
                f"The training job {found.name} belongs to a hyperparameter tuning job that has "
                "not ended; its result is still needed."
            )
        last = context.ports.records.training_job(found.id)
        if last is None:
            raise ValidationException("Requested resource not found.")
        context.ports.records.delete_training_job(last.id)
        return last

    last = context.in_turn(run)
    for attempt in range(1, last.attempt + 1):
        context.ports.logs.remove(AttemptKey(last.id, attempt))
    return {}
