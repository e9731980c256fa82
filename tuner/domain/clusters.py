"""The instances of one training job: which group each is of, what it sees, what it is given.

Instances are numbered from 0 through all groups in the order of the request: `algo-1` is 0.
Source: the developer guide, train-heterogeneous-cluster-configure, and API_S3DataSource.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

from tuner.domain.definitions import Channel, InstanceGroup, TrainingSpec
from tuner.domain.instances import instance_size
from tuner.domain.jobs import Resources, TrainingJob


def instances(spec: TrainingSpec) -> tuple[InstanceGroup, ...]:
    """The group of each instance."""
    return tuple(chain.from_iterable(repeat(item, item.instance_count) for item in spec.groups))


def sees(group: str, channel: Channel) -> bool:
    """Whether the instances of a group get a channel: those of all groups do, unless it names
    some."""
    source = channel.data_source.s3_data_source
    named = source.instance_group_names if source is not None else None
    return not named or group in named


def channels_of(spec: TrainingSpec, group: str) -> tuple[Channel, ...]:
    return tuple(item for item in spec.input_data_config or () if sees(group, item))


def shards_of(spec: TrainingSpec, instance: int) -> Iterator[tuple[Channel, int, int]]:
    """The channels that an instance sees, each with the part that is its own, from 0, and of how
    many: one for each instance that sees the channel."""
    groups = [group.instance_group_name for group in instances(spec)]
    for channel in channels_of(spec, groups[instance]):
        seen_by = [sees(group, channel) for group in groups]
        yield channel, sum(seen_by[:instance]), sum(seen_by)


def given(share: Resources, instance_type: str) -> Resources:
    """What an instance gets of an even `share` of the machine: never more memory or GPUs than
    its type has on AWS. `local` has no GPUs, nor has a type of unknown size."""
    size = instance_size(instance_type)
    if size is None:
        return Resources(cpus=share.cpus, memory_mib=share.memory_mib, gpus=0)
    return Resources(
        cpus=share.cpus,
        memory_mib=min(share.memory_mib, size.memory_mib),
        gpus=min(share.gpus, size.gpus),
    )


def resources_of(job: TrainingJob, instance: int) -> Resources:
    """What one instance of a job is given."""
    return given(job.resources, instances(job.spec)[instance].instance_type)


def gang(spec: TrainingSpec, share: Resources) -> Resources:
    """What all instances of one training job are given together."""
    each = [(given(share, group.instance_type), group.instance_count) for group in spec.groups]
    return Resources(
        cpus=sum(item.cpus * count for item, count in each),
        memory_mib=sum(item.memory_mib * count for item, count in each),
        gpus=sum(item.gpus * count for item, count in each),
    )
