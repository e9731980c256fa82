"""What a user asks for: the members of CreateHyperParameterTuningJob and CreateTrainingJob.

Field names are AWS's in snake_case, values are kept verbatim (range bounds stay strings), so a
record gives back exactly the request it came from. Absent members are None.
Source: docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
and API_CreateTrainingJob.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

OBJECTIVE_HYPER_PARAMETER = "_tuning_objective_metric"
OBJECTIVE_METRIC_DEFINITION = "ObjectiveMetric"
LOCAL_INSTANCE_TYPE = "local"
"""An instance without a size of its own: it gets its whole share of the machine."""
HOMOGENEOUS_CLUSTER = "homogeneousCluster"
"""What AWS calls the one instance group of a training job that asked for none."""


class ScalingType(StrEnum):
    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


class ObjectiveType(StrEnum):
    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"


class EarlyStoppingType(StrEnum):
    OFF = "Off"
    AUTO = "Auto"


class InputMode(StrEnum):
    FILE = "File"
    FAST_FILE = "FastFile"
    PIPE = "Pipe"


class S3DataType(StrEnum):
    S3_PREFIX = "S3Prefix"
    MANIFEST_FILE = "ManifestFile"
    AUGMENTED_MANIFEST_FILE = "AugmentedManifestFile"
    CONVERSE = "Converse"


class S3DataDistributionType(StrEnum):
    FULLY_REPLICATED = "FullyReplicated"
    SHARDED_BY_S3_KEY = "ShardedByS3Key"


class WarmStartType(StrEnum):
    IDENTICAL_DATA_AND_ALGORITHM = "IdenticalDataAndAlgorithm"
    TRANSFER_LEARNING = "TransferLearning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    key: str
    value: str


# ---- ranges and the search ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerParameterRange:
    name: str
    min_value: str
    max_value: str
    scaling_type: ScalingType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousParameterRange:
    name: str
    min_value: str
    max_value: str
    scaling_type: ScalingType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalParameterRange:
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoParameter:
    name: str
    value_hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRanges:
    integer_parameter_ranges: tuple[IntegerParameterRange, ...] = ()
    continuous_parameter_ranges: tuple[ContinuousParameterRange, ...] = ()
    categorical_parameter_ranges: tuple[CategoricalParameterRange, ...] = ()
    auto_parameters: tuple[AutoParameter, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameterTuningJobObjective:
    type: ObjectiveType
    metric_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    max_parallel_training_jobs: int
    max_number_of_training_jobs: int | None = None
    max_runtime_in_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperbandStrategyConfig:
    min_resource: int | None = None
    max_resource: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyConfig:
    hyperband_strategy_config: HyperbandStrategyConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestObjectiveNotImproving:
    max_number_of_training_jobs_not_improving: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceDetected:
    complete_on_convergence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJobCompletionCriteria:
    target_objective_metric_value: float | None = None
    best_objective_not_improving: BestObjectiveNotImproving | None = None
    convergence_detected: ConvergenceDetected | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameterTuningJobConfig:
    strategy: str
    resource_limits: ResourceLimits
    strategy_config: StrategyConfig | None = None
    hyper_parameter_tuning_job_objective: HyperParameterTuningJobObjective | None = None
    parameter_ranges: ParameterRanges | None = None
    training_job_early_stopping_type: EarlyStoppingType | None = None
    tuning_job_completion_criteria: TuningJobCompletionCriteria | None = None
    random_seed: int | None = None


# ---- what one training job needs -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    name: str
    regex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmSpecification:
    """`container_entrypoint` and `container_arguments` exist in CreateTrainingJob only."""

    training_input_mode: InputMode
    training_image: str | None = None
    algorithm_name: str | None = None
    metric_definitions: tuple[MetricDefinition, ...] | None = None
    enable_sage_maker_metrics_time_series: bool | None = None
    container_entrypoint: tuple[str, ...] | None = None
    container_arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class S3DataSource:
    s3_data_type: S3DataType
    s3_uri: str
    s3_data_distribution_type: S3DataDistributionType | None = None
    attribute_names: tuple[str, ...] | None = None
    instance_group_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemDataSource:
    file_system_id: str
    file_system_access_mode: str
    file_system_type: str
    directory_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    s3_data_source: S3DataSource | None = None
    file_system_data_source: FileSystemDataSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleConfig:
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    channel_name: str
    data_source: DataSource
    content_type: str | None = None
    compression_type: str | None = None
    record_wrapper_type: str | None = None
    input_mode: InputMode | None = None
    shuffle_config: ShuffleConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDataConfig:
    s3_output_path: str
    kms_key_id: str | None = None
    compression_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    instance_type: str
    instance_count: int
    instance_group_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceConfig:
    instance_type: str | None = None
    instance_count: int | None = None
    volume_size_in_gb: int | None = None
    volume_kms_key_id: str | None = None
    keep_alive_period_in_seconds: int | None = None
    instance_groups: tuple[InstanceGroup, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameterTuningInstanceConfig:
    instance_type: str
    instance_count: int
    volume_size_in_gb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameterTuningResourceConfig:
    instance_type: str | None = None
    instance_count: int | None = None
    volume_size_in_gb: int | None = None
    volume_kms_key_id: str | None = None
    allocation_strategy: str | None = None
    instance_configs: tuple[HyperParameterTuningInstanceConfig, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingCondition:
    """Seconds. `max_runtime_in_seconds` is 86,400 on AWS when absent."""

    max_runtime_in_seconds: int | None = None
    max_wait_time_in_seconds: int | None = None
    max_pending_time_in_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcConfig:
    security_group_ids: tuple[str, ...]
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    s3_uri: str
    local_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStrategy:
    maximum_retry_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpec:
    """What CreateTrainingJob and a tuning job's definition have in common."""

    algorithm_specification: AlgorithmSpecification
    role_arn: str
    output_data_config: OutputDataConfig
    stopping_condition: StoppingCondition
    resource_config: ResourceConfig | None = None
    input_data_config: tuple[Channel, ...] | None = None
    vpc_config: VpcConfig | None = None
    enable_network_isolation: bool | None = None
    enable_inter_container_traffic_encryption: bool | None = None
    enable_managed_spot_training: bool | None = None
    checkpoint_config: CheckpointConfig | None = None
    retry_strategy: RetryStrategy | None = None
    environment: Mapping[str, str] | None = None

    @property
    def groups(self) -> tuple[InstanceGroup, ...]:
        """The instances of one training job; those of a homogeneous cluster are one group."""
        return _groups_of(self.resource_config)

    @property
    def instance_count(self) -> int:
        """How many instances one training job has, over all instance groups."""
        return sum(group.instance_count for group in self.groups)


def _groups_of(
    config: ResourceConfig | HyperParameterTuningResourceConfig | None,
) -> tuple[InstanceGroup, ...]:
    if isinstance(config, ResourceConfig) and config.instance_groups:
        return config.instance_groups
    whole = InstanceGroup(
        instance_type=(config.instance_type if config else None) or LOCAL_INSTANCE_TYPE,
        instance_count=(config.instance_count if config else None) or 1,
        instance_group_name=HOMOGENEOUS_CLUSTER,
    )
    return (whole,)


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameterTrainingJobDefinition(TrainingSpec):
    definition_name: str | None = None
    tuning_objective: HyperParameterTuningJobObjective | None = None
    hyper_parameter_ranges: ParameterRanges | None = None
    static_hyper_parameters: Mapping[str, str] | None = None
    hyper_parameter_tuning_resource_config: HyperParameterTuningResourceConfig | None = None

    @property
    def groups(self) -> tuple[InstanceGroup, ...]:
        """As asked for in either of the two members that say it."""
        return _groups_of(self.resource_config or self.hyper_parameter_tuning_resource_config)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJobRequest(TrainingSpec):
    training_job_name: str
    hyper_parameters: Mapping[str, str] | None = None
    tags: tuple[Tag, ...] | None = None


# ---- the tuning job --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentHyperParameterTuningJob:
    hyper_parameter_tuning_job_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartConfig:
    parent_hyper_parameter_tuning_jobs: tuple[ParentHyperParameterTuningJob, ...]
    warm_start_type: WarmStartType


@dataclass(frozen=True, slots=True, kw_only=True)
class Autotune:
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJobRequest:
    """CreateHyperParameterTuningJob; exactly one of the two definition members is given."""

    hyper_parameter_tuning_job_name: str
    hyper_parameter_tuning_job_config: HyperParameterTuningJobConfig
    training_job_definition: HyperParameterTrainingJobDefinition | None = None
    training_job_definitions: tuple[HyperParameterTrainingJobDefinition, ...] | None = None
    warm_start_config: WarmStartConfig | None = None
    tags: tuple[Tag, ...] | None = None
    autotune: Autotune | None = None

    @property
    def definitions(self) -> tuple[HyperParameterTrainingJobDefinition, ...]:
        """All definitions, however they were given."""
        if self.training_job_definition is not None:
            return (self.training_job_definition,)
        return self.training_job_definitions or ()

    def objective_of(
        self, definition: HyperParameterTrainingJobDefinition
    ) -> HyperParameterTuningJobObjective | None:
        config = self.hyper_parameter_tuning_job_config
        return definition.tuning_objective or config.hyper_parameter_tuning_job_objective

    def ranges_of(self, definition: HyperParameterTrainingJobDefinition) -> ParameterRanges:
        config = self.hyper_parameter_tuning_job_config
        return definition.hyper_parameter_ranges or config.parameter_ranges or ParameterRanges()
