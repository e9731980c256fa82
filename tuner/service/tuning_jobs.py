"""The operations on tuning jobs. Texts: the service's own, as users have seen them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.controller.launching import share
from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import TuningJobRequest
from tuner.domain.errors import Fault, ResourceInUse, ResourceNotFound, ValidationException
from tuner.domain.jobs import Scope, TrainingJob, TuningJob
from tuner.domain.rules import tuning_job_faults, unserved_faults
from tuner.domain.statuses import TuningJobStatus
from tuner.service.admission import ACCEPTED, algorithm_of, spec_faults, warn_of_size
from tuner.service.context import Context
from tuner.service.paging import next_token, query_of
from tuner.shapes.fill_in import filled_in
from tuner.shapes.model import structural_faults, unknown_members
from tuner.shapes.requests import parse_tuning_job, refuse
from tuner.shapes.responses import (
    describe_tuning_job,
    tuned_training_job_summary,
    tuning_job_summary,
)
from tuner.strategies.base import StrategyError
from tuner.strategies.registry import find_strategy, missing_requirement, strategy_names

SEED_BITS = 31
_BRING_MEMBERS = ("WarmStartConfig", "Autotune")
"""Clients leave out what AWS takes from the parents, or chooses."""
Params = Mapping[str, Any]


def create(context: Context, params: Params, region: str) -> dict[str, Any]:
    scope = context.scope(region)
    request = parse_tuning_job(params, ACCEPTED)
    name = request.hyper_parameter_tuning_job_name
    _refuse_taken_name(context.ports.records.find_tuning_job(scope, name))
    algorithms, faults = _faults(context, request, region)
    refuse(faults)
    request = filled_in(request, algorithms)
    context.warm_up(request.hyper_parameter_tuning_job_config.strategy)
    job = context.in_turn(lambda: _stored(context, request, scope))
    warn_of_size(context, job.name, job.request.definitions[0], job.resources)
    return {"HyperParameterTuningJobArn": job.arn}


def validate(context: Context, params: Params, region: str) -> dict[str, Any]:
    """All faults of a CreateHyperParameterTuningJob request, unknown members included."""
    operation = "CreateHyperParameterTuningJob"
    faults = [*structural_faults(operation, params, ACCEPTED), *unknown_members(operation, params)]
    if not faults:
        _, faults = _faults(context, parse_tuning_job(params, ACCEPTED), region)
    return {"Faults": [{"Path": fault.path, "Message": fault.message} for fault in faults]}


def _faults(
    context: Context, request: TuningJobRequest, region: str
) -> tuple[list[Algorithm | None], list[Fault]]:
    """First what other faults follow from: features that bring members of their own, as they are
    not served, and an unknown image, as of the objective's metric."""
    algorithms: list[Algorithm | None] = []
    unknown: list[Fault] = []
    faults: list[Fault] = []
    for index, definition in enumerate(request.definitions):
        single = request.training_job_definition is not None
        path = "TrainingJobDefinition." if single else f"TrainingJobDefinitions[{index}]."
        found = algorithm_of(context, definition, path)
        algorithm = None if isinstance(found, Fault) else found
        algorithms.append(algorithm)
        unknown += [found] if isinstance(found, Fault) else []
        faults += spec_faults(context, definition, algorithm, path, region)
    unserved = [*_strategy_faults(request), *unserved_faults(request)]
    rules = tuning_job_faults(request, algorithms)
    causes = [fault for fault in unserved if fault.path in _BRING_MEMBERS]
    others = [fault for fault in unserved if fault.path not in _BRING_MEMBERS]
    return algorithms, [*causes, *unknown, *rules, *others, *faults]


def _strategy_faults(request: TuningJobRequest) -> list[Fault]:
    """A strategy of AWS's that the registry lacks, and one that cannot be used on this machine."""
    member = "HyperParameterTuningJobConfig.Strategy"
    strategy = request.hyper_parameter_tuning_job_config.strategy
    try:
        find_strategy(strategy)
    except LookupError:
        served = ", ".join(strategy_names())
        text = f"The strategy {strategy} is not served yet. Served are {served}."
        return [Fault(member, text).named()]
    except StrategyError as error:
        return [Fault(member, str(error))]
    missing = missing_requirement(strategy)
    return [] if missing is None else [Fault(member, missing)]


def _refuse_taken_name(found: TuningJob | None) -> None:
    if found is not None:
        raise ResourceInUse(
            f"A hyperparameter tuning job with the name, {found.name}, already exists. "
            "Choose a different name."
        )


def _stored(context: Context, request: TuningJobRequest, scope: Scope) -> TuningJob:
    """The new job, written within the controller's turn."""
    name = request.hyper_parameter_tuning_job_name
    _refuse_taken_name(context.ports.records.find_tuning_job(scope, name))
    for record in context.controller.written():
        if isinstance(record, TuningJob) and record.scope == scope:
            _refuse_taken_name(record if record.name.lower() == name.lower() else None)
    config = request.hyper_parameter_tuning_job_config
    definition = request.definitions[0]
    now = context.now()
    job = TuningJob(
        id=context.ports.records.new_id(),
        scope=scope,
        name=name,
        request=request,
        seed=secrets.randbits(SEED_BITS) if config.random_seed is None else config.random_seed,
        resources=share(
            context.ports.backend.capacity(),
            config.resource_limits.max_parallel_training_jobs * definition.instance_count,
        ),
        creation_time=now,
        last_modified_time=now,
    )
    context.controller.write(job)
    context.ports.records.put_tags(job.arn, request.tags or ())
    return job


def find(context: Context, params: Params, region: str) -> TuningJob:
    name = params["HyperParameterTuningJobName"]
    job = context.ports.records.find_tuning_job(context.scope(region), name)
    if job is None:
        raise ResourceNotFound(
            f"Amazon SageMaker can't find a tuning job called {name}. Type another name."
        )
    return job


def describe(context: Context, params: Params, region: str) -> dict[str, Any]:
    return described(context, find(context, params, region))


def described(context: Context, job: TuningJob) -> dict[str, Any]:
    best_id = job.progress.best_training_job_id
    best = context.ports.records.training_job(best_id) if best_id is not None else None
    return describe_tuning_job(job, best, context.now())


def list_jobs(context: Context, params: Params, region: str) -> dict[str, Any]:
    query = query_of(params, context.scope(region), default_sort="Name")
    page = context.ports.records.list_tuning_jobs(query)
    summaries = [tuning_job_summary(item) for item in page.items]
    return {"HyperParameterTuningJobSummaries": summaries, **next_token(query, page)}


def list_training_jobs(context: Context, params: Params, region: str) -> dict[str, Any]:
    job = find(context, params, region)
    query = query_of(params, context.scope(region), default_sort="Name", tuning_job_id=job.id)
    page = context.ports.records.list_training_jobs(query)
    summaries = [_tuned_summary(job, item) for item in page.items]
    return {"TrainingJobSummaries": summaries, **next_token(query, page)}


def _tuned_summary(job: TuningJob, training_job: TrainingJob) -> dict[str, Any]:
    objective = job.request.objective_of(job.request.definitions[0])
    return tuned_training_job_summary(training_job, objective)


def stop(context: Context, params: Params, region: str) -> dict[str, Any]:
    found = find(context, params, region)

    def run() -> None:
        job = context.controller.tuning_job(found.id)
        if job is None:
            status = find(context, params, region).status
            raise ValidationException(
                "The request was rejected because the hyperparameter tuning job is already in "
                f"status {status}."
            )
        if job.status is TuningJobStatus.IN_PROGRESS:
            now = context.now()
            stopping = TuningJobStatus.STOPPING
            context.controller.write(replace(job, status=stopping, last_modified_time=now))

    context.in_turn(run)
    return {}


def delete(context: Context, params: Params, region: str) -> dict[str, Any]:
    found = find(context, params, region)

    def run() -> None:
        if context.controller.uncommitted(found.id) or context.controller.tuning_job(found.id):
            raise ValidationException(
                f"The hyperparameter tuning job {found.name} is not in a terminal state. "
                "Stop it, or wait until it has ended, before you delete it."
            )
        context.ports.records.delete_tuning_job(found.id)

    context.in_turn(run)
    return {}
