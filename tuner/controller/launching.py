"""What a new training job of a tuning job looks like, and what share of the machine it gets."""

from __future__ import annotations

import hashlib

from tuner.controller.lifecycle import admitted
from tuner.domain.definitions import OBJECTIVE_HYPER_PARAMETER
from tuner.domain.jobs import Resources, TrainingJob, TuningJob
from tuner.domain.ports import Capacity
from tuner.strategies.base import Suggestion


def share(capacity: Capacity, instances_at_once: int) -> Resources:
    """What each instance may have when `instances_at_once` may run together.

    CPUs and memory are divided evenly among as many as the machine can run, at least one CPU
    each. GPUs are not divided: who needs some waits until they are free.
    """
    slots = max(1, min(capacity.cpus, instances_at_once))
    return Resources(
        cpus=max(1, capacity.cpus // slots),
        memory_mib=capacity.memory_mib // slots,
        gpus=capacity.gpus,
    )


def training_job_name(tuning_job: TuningJob, number: int) -> str:
    """`NAME-NNN-xxxxxxxx`, as AWS names them; the suffix differs between tuning jobs of one
    name, and is the same when the launch is decided again after a crash."""
    seed = f"{tuning_job.arn}:{tuning_job.id}:{tuning_job.creation_time!r}:{number}"
    suffix = hashlib.sha256(seed.encode()).hexdigest()[:8]
    return f"{tuning_job.name}-{number:03d}-{suffix}"


def launched(
    tuning_job: TuningJob, job_id: int, number: int, suggestion: Suggestion, now: float
) -> TrainingJob:
    """The record of training job `number` (from 1), with its instances at hand."""
    definition = tuning_job.request.definitions[0]
    static = definition.static_hyper_parameters or {}
    job = TrainingJob(
        id=job_id,
        scope=tuning_job.scope,
        name=training_job_name(tuning_job, number),
        spec=definition,
        hyper_parameters={**static, **suggestion.values},
        resources=tuning_job.resources,
        creation_time=now,
        last_modified_time=now,
        tuning_job_id=tuning_job.id,
        definition_name=definition.definition_name,
        number=number,
        tuned=suggestion.values,
        memo=suggestion.memo,
        objective_metric=static.get(OBJECTIVE_HYPER_PARAMETER),
    )
    return admitted(job, now)
