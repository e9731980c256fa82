"""Which instances a training job may ask for, and which of them a channel may be for.

Sources: docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html; the texts on
instance groups that exclude something are the service's own (aws/sagemaker-python-sdk, pull
request 5564 and issue 6089), as is that on the quota.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tuner.domain.definitions import (
    HOMOGENEOUS_CLUSTER,
    Channel,
    HyperParameterTuningResourceConfig,
    InstanceGroup,
    ResourceConfig,
    TrainingSpec,
)
from tuner.domain.errors import Fault

MAX_INSTANCES_OF_TYPE = 20
"""In one training job. AWS's own quotas differ by account and type; this one is beyond what one
machine runs at once, and with it a job of five groups has a loopback address for every host."""

_BOTH = "InstanceType or InstanceCount cannot be specified with InstanceGroups"


def resource_faults(
    config: ResourceConfig | HyperParameterTuningResourceConfig, path: str
) -> Iterator[Fault]:
    """Instances are given either one by one type, or as a list of groups or configurations."""
    if isinstance(config, ResourceConfig):
        name, both = "InstanceGroups", _BOTH
        counts = [item.instance_count for item in config.instance_groups or ()]
        names = [item.instance_group_name for item in config.instance_groups or ()]
        yield from _group_name_faults(names, f"{path}.{name}")
    else:
        name = "InstanceConfigs"
        both = f"Provide either {name}, or InstanceType and InstanceCount, and not both."
        counts = [item.instance_count for item in config.instance_configs or ()]
        if config.allocation_strategy and not counts:
            text = "AllocationStrategy is only supported together with InstanceConfigs."
            yield Fault(f"{path}.AllocationStrategy", text)
    if counts:
        if config.instance_type or config.instance_count:
            yield Fault(f"{path}.{name}", both)
        for index, count in enumerate(counts):
            if count < 1:
                yield _no_instance(f"{path}.{name}[{index}]")
        if isinstance(config, ResourceConfig):
            yield from _quota_faults(config.instance_groups or (), f"{path}.{name}")
        return
    if config.instance_type is None:
        yield Fault(f"{path}.InstanceType", f"Provide InstanceType, or {name}.")
    if config.instance_count is not None and config.instance_count < 1:
        yield _no_instance(path)
    if config.instance_type and config.instance_count:
        whole = InstanceGroup(
            instance_type=config.instance_type,
            instance_count=config.instance_count,
            instance_group_name=HOMOGENEOUS_CLUSTER,
        )
        yield from _quota_faults([whole], f"{path}.InstanceCount")


def plain_resource_config(config: HyperParameterTuningResourceConfig) -> ResourceConfig:
    """The ResourceConfig that says the same; Describe answers it to whoever gave the other."""
    return ResourceConfig(
        instance_type=config.instance_type,
        instance_count=config.instance_count,
        volume_size_in_gb=config.volume_size_in_gb,
        volume_kms_key_id=config.volume_kms_key_id,
    )


def _no_instance(path: str) -> Fault:
    return Fault(f"{path}.InstanceCount", "InstanceCount must be greater than or equal to 1.")


def _quota_faults(groups: Sequence[InstanceGroup], path: str) -> Iterator[Fault]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group.instance_type] += group.instance_count
    for instance_type, count in counts.items():
        if count > MAX_INSTANCES_OF_TYPE:
            text = (
                f"The account-level service limit '{instance_type} for training job usage' is "
                f"{MAX_INSTANCES_OF_TYPE} Instances, with current utilization of 0 Instances and "
                f"a request delta of {count} Instances. Please use AWS Service Quotas to request "
                "an increase for this quota. If AWS Service Quotas is not available, contact AWS "
                "support to request an increase for this quota."
            )
            yield Fault(path, text, quota=True)


def _group_name_faults(names: Sequence[str], path: str) -> Iterator[Fault]:
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"The names of instance groups must be unique; [{name}] is given twice."
            yield Fault(f"{path}[{index}].InstanceGroupName", text)


def channel_group_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    """All channels are for instance groups by name, or none is."""
    config = spec.resource_config
    groups = [item.instance_group_name for item in (config and config.instance_groups) or ()]
    channels = [(item, _group_names(item)) for item in spec.input_data_config or ()]
    for index, (channel, names) in enumerate(channels):
        unknown = ", ".join(name for name in names if name not in groups)
        if unknown:
            text = (
                f"The channel {channel.channel_name} is for instance groups that are not among "
                f"the InstanceGroups of the training job: [{unknown}]"
            )
            member = f"[{index}].DataSource.S3DataSource.InstanceGroupNames"
            yield Fault(f"{path}InputDataConfig{member}", text)
    assigned = ", ".join(channel.channel_name for channel, names in channels if names)
    others = ", ".join(channel.channel_name for channel, names in channels if not names)
    if assigned and others:
        text = (
            f"Some channels have assigned instance groups: [{assigned}] while others not: "
            f"[{others}]"
        )
        yield Fault(f"{path}InputDataConfig", text)


def _group_names(channel: Channel) -> Sequence[str]:
    source = channel.data_source.s3_data_source
    return (source.instance_group_names if source is not None else None) or ()
