"""What a request may ask for on AWS and this version does not serve: a sentence for each.

Nothing is ignored silently: what would make the outcome differ is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from tuner.domain.definitions import (
    Channel,
    EarlyStoppingType,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningJobConfig,
    S3DataType,
    TrainingJobRequest,
    TrainingSpec,
    TuningJobCompletionCriteria,
    TuningJobRequest,
)
from tuner.domain.errors import Fault


def unserved_faults(request: TuningJobRequest | TrainingJobRequest) -> list[Fault]:
    """Everything in a request that is refused because it is not served, but for the strategy,
    of which the registry of strategies knows."""
    if isinstance(request, TrainingJobRequest):
        return [fault.named() for fault in _spec_faults(request, "")]
    return [fault.named() for fault in _tuning_job_faults(request)]


def _tuning_job_faults(request: TuningJobRequest) -> list[Fault]:
    faults = [*_config_faults(request.hyper_parameter_tuning_job_config)]
    if request.warm_start_config is not None:
        faults.append(Fault("WarmStartConfig", "Warm start is not served yet."))
    if request.autotune is not None:
        faults.append(Fault("Autotune", "Autotune is not served yet."))
    if len(request.definitions) > 1:
        text = "Tuning jobs with more than one training job definition are not served yet."
        faults.append(Fault("TrainingJobDefinitions", text))
    for index, definition in enumerate(request.definitions):
        single = definition is request.training_job_definition
        path = "TrainingJobDefinition." if single else f"TrainingJobDefinitions[{index}]."
        faults += _spec_faults(definition, path)
        faults += _definition_faults(definition, path)
    return faults


def _config_faults(config: HyperParameterTuningJobConfig) -> Iterator[Fault]:
    path = "HyperParameterTuningJobConfig."
    if config.training_job_early_stopping_type is EarlyStoppingType.AUTO:
        text = "Early stopping of training jobs is not served yet: set it to Off."
        yield Fault(f"{path}TrainingJobEarlyStoppingType", text)
    if config.tuning_job_completion_criteria not in (None, TuningJobCompletionCriteria()):
        text = (
            "Completion criteria are not served yet. Limit the tuning job by MaxRuntimeInSeconds "
            "or MaxNumberOfTrainingJobs of ResourceLimits."
        )
        yield Fault(f"{path}TuningJobCompletionCriteria", text)
    if config.parameter_ranges is not None and config.parameter_ranges.auto_parameters:
        yield Fault(f"{path}ParameterRanges.AutoParameters", "AutoParameters is not served yet.")


def _definition_faults(
    definition: HyperParameterTrainingJobDefinition, path: str
) -> Iterator[Fault]:
    ranges = definition.hyper_parameter_ranges
    if ranges is not None and ranges.auto_parameters:
        member = f"{path}HyperParameterRanges.AutoParameters"
        yield Fault(member, "AutoParameters is not served yet.")
    config = definition.hyper_parameter_tuning_resource_config
    if config is not None and (config.instance_configs or config.allocation_strategy):
        text = "A choice of instance configurations is not served: provide InstanceType."
        yield Fault(f"{path}HyperParameterTuningResourceConfig.InstanceConfigs", text)


def _spec_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    algorithm = spec.algorithm_specification
    if algorithm.algorithm_name is not None:
        text = "Algorithm resources and AWS Marketplace are not served: provide TrainingImage."
        yield Fault(f"{path}AlgorithmSpecification.AlgorithmName", text)
    for index, channel in enumerate(spec.input_data_config or ()):
        yield from _channel_faults(channel, f"{path}InputDataConfig[{index}]")
    yield from _output_faults(spec, path)
    yield from _instance_faults(spec, path)
    if spec.checkpoint_config is not None:
        uri = spec.checkpoint_config.s3_uri
        yield from _address_faults(uri, f"{path}CheckpointConfig.S3Uri")


def _channel_faults(channel: Channel, path: str) -> Iterator[Fault]:
    source = channel.data_source
    if source.file_system_data_source is not None:
        text = "File systems (EFS, FSx) are not served: use S3DataSource."
        yield Fault(f"{path}.DataSource.FileSystemDataSource", text)
    if source.s3_data_source is None:
        return
    member = f"{path}.DataSource.S3DataSource"
    if source.s3_data_source.s3_data_type is S3DataType.CONVERSE:
        yield Fault(f"{member}.S3DataType", "The data type Converse is not served: use S3Prefix.")
    yield from _address_faults(source.s3_data_source.s3_uri, f"{member}.S3Uri")


def _output_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    output = spec.output_data_config
    yield from _address_faults(output.s3_output_path, f"{path}OutputDataConfig.S3OutputPath")


def _address_faults(uri: str, path: str) -> Iterator[Fault]:
    if not uri.startswith("s3://"):
        yield Fault(path, f"An object is addressed as s3://BUCKET/KEY here, not [{uri}].")


def _instance_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    config = spec.resource_config
    if config is None:
        return
    if config.keep_alive_period_in_seconds:
        text = "Warm pools are not served yet."
        yield Fault(f"{path}ResourceConfig.KeepAlivePeriodInSeconds", text)
