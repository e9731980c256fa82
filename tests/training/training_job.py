"""A training job to build trees, inputs and outputs for."""

from __future__ import annotations

from typing import Any

from tuner.domain.definitions import (
    AlgorithmSpecification,
    Channel,
    DataSource,
    InputMode,
    InstanceGroup,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    S3DataDistributionType,
    S3DataSource,
    S3DataType,
    StoppingCondition,
    TrainingSpec,
)
from tuner.domain.jobs import Resources, Scope, TrainingJob

GROUPS = (
    InstanceGroup(instance_type="ml.c5.xlarge", instance_count=1, instance_group_name="a"),
    InstanceGroup(instance_type="ml.g5.xlarge", instance_count=2, instance_group_name="b"),
)


def channel(
    uri: str,
    name: str = "train",
    distribution: S3DataDistributionType | None = None,
    groups: tuple[str, ...] | None = None,
    **members: Any,
) -> Channel:
    source = S3DataSource(
        s3_data_type=S3DataType.S3_PREFIX,
        s3_uri=uri,
        s3_data_distribution_type=distribution,
        instance_group_names=groups,
    )
    return Channel(channel_name=name, data_source=DataSource(s3_data_source=source), **members)


def instances(count: int) -> ResourceConfig:
    return ResourceConfig(instance_type="ml.m5.large", instance_count=count, volume_size_in_gb=1)


def spec(**changes: Any) -> TrainingSpec:
    members: dict[str, Any] = {
        "algorithm_specification": AlgorithmSpecification(
            training_input_mode=InputMode.FILE, training_image="image"
        ),
        "role_arn": "arn:aws:iam::123456789012:role/training",
        "output_data_config": OutputDataConfig(s3_output_path="s3://results/runs/"),
        "stopping_condition": StoppingCondition(),
        "resource_config": instances(1),
    }
    return TrainingSpec(**{**members, **changes})


def training_job(**changes: Any) -> TrainingJob:
    members: dict[str, Any] = {
        "id": 7,
        "scope": Scope(account="123456789012", region="eu-central-1"),
        "name": "tune-001-abcd",
        "spec": spec(),
        "hyper_parameters": {},
        "resources": Resources(),
        "creation_time": 1.0,
        "last_modified_time": 1.0,
    }
    return TrainingJob(**{**members, **changes})


def job_with_metrics(objective: str | None = "loss", **regexes: str) -> TrainingJob:
    definitions = tuple(MetricDefinition(name=name, regex=text) for name, text in regexes.items())
    algorithm = AlgorithmSpecification(
        training_input_mode=InputMode.FILE, metric_definitions=definitions
    )
    return training_job(spec=spec(algorithm_specification=algorithm), objective_metric=objective)
