"""What the service fills into a request that it accepts, and answers in Describe.

Clients take these members for granted: the SageMaker SDK's attach() reads the early stopping
type, all three lists of ranges, the metric definitions, `_tuning_objective_metric` and a
ResourceConfig, sent or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import (
    OBJECTIVE_HYPER_PARAMETER,
    Channel,
    EarlyStoppingType,
    HyperParameterTrainingJobDefinition,
    MetricDefinition,
    TrainingJobRequest,
    TrainingSpec,
    TuningJobRequest,
)
from tuner.domain.jobs import DEFAULT_MAX_RUNTIME_IN_SECONDS, with_objective_definition
from tuner.domain.rules_instances import plain_resource_config
from tuner.domain.rules_limits import default_max_number

DEFAULT_VOLUME_SIZE_IN_GB = 30
"""What the SageMaker SDK asks for; nothing here is measured by it."""

Spec = TypeVar("Spec", bound=TrainingSpec)


def filled_in(
    request: TuningJobRequest, algorithms: Sequence[Algorithm | None]
) -> TuningJobRequest:
    """The request as Describe answers it; `algorithms` has one entry per definition. The
    request breaks no rule."""
    config = request.hyper_parameter_tuning_job_config
    limits = config.resource_limits
    if limits.max_number_of_training_jobs is None:
        limits = replace(limits, max_number_of_training_jobs=default_max_number(request))
    single = request.training_job_definition
    if single is not None:
        config = replace(
            config,
            parameter_ranges=request.ranges_of(single),
            hyper_parameter_tuning_job_objective=request.objective_of(single),
        )
    config = replace(
        config,
        resource_limits=limits,
        training_job_early_stopping_type=config.training_job_early_stopping_type
        or EarlyStoppingType.OFF,
    )
    definitions = tuple(
        _definition(request, definition, algorithm)
        for definition, algorithm in zip(request.definitions, algorithms, strict=True)
    )
    return replace(
        request,
        hyper_parameter_tuning_job_config=config,
        training_job_definition=None if single is None else definitions[0],
        training_job_definitions=definitions if single is None else None,
    )


def filled_in_training_job(
    request: TrainingJobRequest, algorithm: Algorithm | None
) -> TrainingJobRequest:
    """The request as DescribeTrainingJob answers it."""
    metrics = _metrics(request, algorithm)
    given = request.algorithm_specification
    time_series = given.enable_sage_maker_metrics_time_series
    specification = replace(
        given,
        metric_definitions=metrics or None,
        enable_sage_maker_metrics_time_series=bool(metrics)
        if time_series is None
        else time_series,
    )
    return replace(_spec(request), algorithm_specification=specification)


def _definition(
    request: TuningJobRequest,
    definition: HyperParameterTrainingJobDefinition,
    algorithm: Algorithm | None,
) -> HyperParameterTrainingJobDefinition:
    objective = request.objective_of(definition)
    metrics, static = _metrics(definition, algorithm), definition.static_hyper_parameters or {}
    if objective is not None:
        metrics = with_objective_definition(metrics, objective.metric_name)
        static = {**static, OBJECTIVE_HYPER_PARAMETER: objective.metric_name}
    tuning = definition.hyper_parameter_tuning_resource_config
    if definition.resource_config is None and tuning is not None:
        definition = replace(definition, resource_config=plain_resource_config(tuning))
    return replace(
        _spec(definition),
        algorithm_specification=replace(
            definition.algorithm_specification, metric_definitions=metrics
        ),
        static_hyper_parameters=static,
    )


def _metrics(spec: TrainingSpec, algorithm: Algorithm | None) -> tuple[MetricDefinition, ...]:
    given = spec.algorithm_specification.metric_definitions
    return given or (algorithm.metric_definitions if algorithm else ())


def _spec(spec: Spec) -> Spec:
    """What tuning jobs' definitions and training jobs have filled in alike."""
    output, condition = spec.output_data_config, spec.stopping_condition
    resources = spec.resource_config
    if resources is not None:
        resources = replace(
            resources,
            instance_count=resources.instance_count
            if resources.instance_groups
            else resources.instance_count or 1,
            volume_size_in_gb=DEFAULT_VOLUME_SIZE_IN_GB
            if resources.volume_size_in_gb is None
            else resources.volume_size_in_gb,
        )
    channels = spec.input_data_config
    return replace(
        spec,
        input_data_config=channels and tuple(_channel(item) for item in channels),
        output_data_config=replace(output, kms_key_id=output.kms_key_id or ""),
        resource_config=resources,
        stopping_condition=replace(
            condition,
            max_runtime_in_seconds=condition.max_runtime_in_seconds
            or DEFAULT_MAX_RUNTIME_IN_SECONDS,
        ),
        enable_network_isolation=bool(spec.enable_network_isolation),
        enable_inter_container_traffic_encryption=bool(
            spec.enable_inter_container_traffic_encryption
        ),
        enable_managed_spot_training=bool(spec.enable_managed_spot_training),
    )


def _channel(channel: Channel) -> Channel:
    return replace(
        channel,
        compression_type=channel.compression_type or "None",
        record_wrapper_type=channel.record_wrapper_type or "None",
    )
