"""What a training job has to be like, whether it is created alone or by a tuning job.

Sources: docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html and the
pages of its data types; the texts on MaxWaitTimeInSeconds are the service's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tuner.domain.addresses import BUCKET_NAME, KEY_BYTES
from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import (
    Channel,
    CheckpointConfig,
    S3DataType,
    Tag,
    TrainingSpec,
)
from tuner.domain.errors import Fault
from tuner.domain.jobs import DEFAULT_MAX_RUNTIME_IN_SECONDS
from tuner.domain.rules_instances import channel_group_faults

MAX_RUNTIME_IN_SECONDS = 28 * 86_400

_LONGEST_OUTPUT = f"/{'j' * 63}/output/output.tar.gz"
"""What is added to S3OutputPath, with the longest name of a training job."""

OVERRIDDEN_METRICS = (
    "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the "
    "request without specifying metric definitions."
)


def spec_faults(spec: TrainingSpec, algorithm: Algorithm | None, path: str) -> Iterator[Fault]:
    """`path` goes before the names of the spec's members: `` or `TrainingJobDefinition.`."""
    specification = spec.algorithm_specification
    member = f"{path}AlgorithmSpecification"
    if (specification.training_image is None) == (specification.algorithm_name is None):
        yield Fault(member, "Provide either TrainingImage or AlgorithmName, and not both.")
    if algorithm is not None and algorithm.built_in and specification.metric_definitions:
        yield Fault(f"{member}.MetricDefinitions", OVERRIDDEN_METRICS)
    yield from _channel_faults(spec.input_data_config or (), f"{path}InputDataConfig")
    yield from channel_group_faults(spec, path)
    yield from _output_faults(spec.output_data_config.s3_output_path, path)
    yield from _checkpoint_faults(spec.checkpoint_config, f"{path}CheckpointConfig")
    yield from _stopping_faults(spec, path)


def _channel_faults(channels: Sequence[Channel], path: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, channel in enumerate(channels):
        if channel.channel_name in seen:
            text = f"Channel names must be unique; [{channel.channel_name}] is given twice."
            yield Fault(f"{path}[{index}].ChannelName", text)
        seen.add(channel.channel_name)
        if channel.channel_name in (".", ".."):
            text = f"The channel name [{channel.channel_name}] can't be the name of a directory."
            yield Fault(f"{path}[{index}].ChannelName", text)
        source = channel.data_source
        member = f"{path}[{index}].DataSource"
        if (source.s3_data_source is None) == (source.file_system_data_source is None):
            text = "Provide either S3DataSource or FileSystemDataSource, and not both."
            yield Fault(member, text)
        of_s3 = source.s3_data_source
        if (
            of_s3
            and of_s3.attribute_names
            and of_s3.s3_data_type is not S3DataType.AUGMENTED_MANIFEST_FILE
        ):
            text = "AttributeNames is only supported with the S3DataType AugmentedManifestFile."
            yield Fault(f"{member}.S3DataSource.AttributeNames", text)


def _output_faults(uri: str, path: str) -> Iterator[Fault]:
    """Told now, for outputs that cannot be stored would be lost at the end of the training."""
    member = f"{path}OutputDataConfig.S3OutputPath"
    if not uri.startswith("s3://"):
        return
    yield from _bucket_faults(uri, member)
    key = uri.removeprefix("s3://").partition("/")[2]
    if len(key.encode(errors="surrogatepass")) + len(_LONGEST_OUTPUT) > KEY_BYTES:
        text = f"With what is added to it, S3OutputPath exceeds the {KEY_BYTES} bytes of a key."
        yield Fault(member, text)


def _bucket_faults(uri: str, member: str) -> Iterator[Fault]:
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if uri.startswith("s3://") and not BUCKET_NAME.fullmatch(bucket):
        text = (
            f"[{bucket}] is not a legal bucket name: 3 to 63 lower-case letters, digits, periods "
            "and hyphens."
        )
        yield Fault(member, text)


def _checkpoint_faults(config: CheckpointConfig | None, member: str) -> Iterator[Fault]:
    if config is None:
        return
    yield from _bucket_faults(config.s3_uri, f"{member}.S3Uri")
    path = config.local_path
    if path is None:
        return
    parts = [part for part in path.split("/") if part not in ("", ".")]
    reserved = parts in ([], ["opt"], ["opt", "ml"]) or parts[:3] == ["opt", "ml", "input"]
    if not path.startswith("/") or ".." in parts or "\0" in path or reserved:
        text = (
            f"LocalPath [{path}] can't be a directory for checkpoints: it must be an absolute "
            "path without .., not /opt/ml itself, and not below /opt/ml/input."
        )
        yield Fault(f"{member}.LocalPath", text)


def _stopping_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    condition = spec.stopping_condition
    runtime, wait = condition.max_runtime_in_seconds, condition.max_wait_time_in_seconds
    member = f"{path}StoppingCondition"
    if runtime is not None and runtime > MAX_RUNTIME_IN_SECONDS:
        text = f"MaxRuntimeInSeconds must be less than or equal to {MAX_RUNTIME_IN_SECONDS}."
        yield Fault(f"{member}.MaxRuntimeInSeconds", text)
    if not spec.enable_managed_spot_training:
        if wait is not None:
            yield Fault(
                f"{member}.MaxWaitTimeInSeconds",
                "Invalid MaxWaitTimeInSeconds. It is only supported when "
                "EnableManagedSpotTraining is set to true",
            )
    elif wait is None or wait < (runtime or DEFAULT_MAX_RUNTIME_IN_SECONDS):
        yield Fault(
            f"{member}.MaxWaitTimeInSeconds",
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds",
        )


def tag_faults(tags: Sequence[Tag]) -> Iterator[Fault]:
    times = Counter(tag.key for tag in tags)
    for index, tag in enumerate(tags):
        if tag.key.lower().startswith("aws:"):
            text = "Tag keys that begin with aws: are reserved for the use of AWS."
            yield Fault(f"Tags[{index}].Key", text)
        if times[tag.key] > 1:
            yield Fault(f"Tags[{index}].Key", f"Tag keys must be unique; [{tag.key}] is not.")
