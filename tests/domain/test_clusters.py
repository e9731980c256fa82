"""Which instance of a cluster sees what and is given what, for all clusters."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.domain import clusters
from tuner.domain.definitions import (
    AlgorithmSpecification,
    Channel,
    DataSource,
    FileSystemDataSource,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningResourceConfig,
    InputMode,
    InstanceGroup,
    OutputDataConfig,
    ResourceConfig,
    S3DataSource,
    S3DataType,
    StoppingCondition,
    TrainingSpec,
)
from tuner.domain.instances import instance_size
from tuner.domain.jobs import Resources

GROUPS = (
    InstanceGroup(instance_type="ml.c5.xlarge", instance_count=1, instance_group_name="a"),
    InstanceGroup(instance_type="ml.g4dn.12xlarge", instance_count=2, instance_group_name="b"),
)


def members(config: ResourceConfig | None, channels: tuple[Channel, ...] = ()) -> dict[str, Any]:
    return {
        "algorithm_specification": AlgorithmSpecification(training_input_mode=InputMode.FILE),
        "role_arn": "arn:aws:iam::123456789012:role/training",
        "output_data_config": OutputDataConfig(s3_output_path="s3://results"),
        "stopping_condition": StoppingCondition(),
        "resource_config": config,
        "input_data_config": channels,
    }


def spec(groups: tuple[InstanceGroup, ...], *channels: Channel) -> TrainingSpec:
    return TrainingSpec(**members(ResourceConfig(instance_groups=groups), channels))


def channel(*groups: str) -> Channel:
    source = S3DataSource(
        s3_data_type=S3DataType.S3_PREFIX, s3_uri="s3://b/p", instance_group_names=groups
    )
    return Channel(channel_name="train", data_source=DataSource(s3_data_source=source))


@st.composite
def heterogeneous(draw: st.DrawFn) -> TrainingSpec:
    names = draw(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
    types = st.sampled_from(["local", "ml.m5.large", "ml.p3.16xlarge", "ml.t3.medium"])
    groups = tuple(
        InstanceGroup(
            instance_type=draw(types),
            instance_count=draw(st.integers(1, 6)),
            instance_group_name=name,
        )
        for name in names
    )
    named = draw(st.lists(st.sampled_from(names), max_size=5))
    return spec(groups, channel(*named))


SHARES = st.builds(
    Resources, cpus=st.integers(1, 64), memory_mib=st.integers(1, 1 << 20), gpus=st.integers(0, 8)
)


@given(heterogeneous())
def test_every_instance_is_of_the_group_whose_turn_it_is(cluster: TrainingSpec) -> None:
    found = clusters.instances(cluster)
    assert len(found) == cluster.instance_count
    assert [item for item in cluster.groups for _ in range(item.instance_count)] == [*found]


@given(heterogeneous())
def test_the_shards_of_a_channel_are_each_one_instance_s(cluster: TrainingSpec) -> None:
    (train,) = cluster.input_data_config or ()
    kinds = [item.instance_group_name for item in clusters.instances(cluster)]
    seeing = [index for index, kind in enumerate(kinds) if clusters.sees(kind, train)]
    shards = {index: [*clusters.shards_of(cluster, index)] for index in range(len(kinds))}
    assert [shards.pop(index) for index in seeing] == [
        [(train, position, len(seeing))] for position in range(len(seeing))
    ]
    assert all(not others for others in shards.values())
    for name in set(kinds):
        own = clusters.channels_of(cluster, name)
        assert own == ((train,) if clusters.sees(name, train) else ())


@given(heterogeneous(), SHARES)
def test_a_gang_needs_what_its_instances_are_given(
    cluster: TrainingSpec, share: Resources
) -> None:
    each = [clusters.given(share, item.instance_type) for item in clusters.instances(cluster)]
    whole = clusters.gang(cluster, share)
    assert whole.cpus == sum(item.cpus for item in each)
    assert whole.memory_mib == sum(item.memory_mib for item in each)
    assert whole.gpus == sum(item.gpus for item in each)


@given(SHARES, st.sampled_from(["local", "ml.m5.large", "ml.p3.16xlarge", "ml.new.large"]))
def test_nothing_gets_more_than_its_share_or_its_type_has(share: Resources, name: str) -> None:
    found, size = clusters.given(share, name), instance_size(name)
    assert found.cpus == share.cpus
    assert found.memory_mib == min(share.memory_mib, size.memory_mib if size else 1 << 30)
    assert found.gpus == min(share.gpus, size.gpus if size else 0)
    assert clusters.given(found, name) == found


def test_groups_have_limits_of_their_own() -> None:
    share = Resources(cpus=2, memory_mib=10_000, gpus=8)
    assert [clusters.given(share, item.instance_type) for item in GROUPS] == [
        Resources(cpus=2, memory_mib=8192, gpus=0),
        Resources(cpus=2, memory_mib=10_000, gpus=4),
    ]
    assert clusters.gang(spec(GROUPS), share) == Resources(cpus=6, memory_mib=28_192, gpus=8)


def test_a_channel_without_groups_is_for_all() -> None:
    disk = FileSystemDataSource(
        file_system_id="fs-1",
        file_system_access_mode="ro",
        file_system_type="EFS",
        directory_path="/",
    )
    files = Channel(channel_name="f", data_source=DataSource(file_system_data_source=disk))
    for item in (channel(), files):
        assert [clusters.sees(name, item) for name in "ab"] == [True, True]
    assert [clusters.sees(name, channel("b")) for name in "ab"] == [False, True]
    assert [*clusters.shards_of(spec(GROUPS, channel("b")), 2)] == [(channel("b"), 1, 2)]


def test_a_homogeneous_cluster_is_one_group() -> None:
    whole = InstanceGroup(
        instance_type="ml.m5.large", instance_count=3, instance_group_name="homogeneousCluster"
    )
    config = ResourceConfig(instance_type="ml.m5.large", instance_count=3)
    assert TrainingSpec(**members(config)).groups == (whole,)
    tuning = HyperParameterTuningResourceConfig(instance_type="ml.m5.large", instance_count=3)
    definition = HyperParameterTrainingJobDefinition(
        **members(None), hyper_parameter_tuning_resource_config=tuning
    )
    assert definition.groups == (whole,)
    assert TrainingSpec(**members(None)).groups == (
        InstanceGroup(
            instance_type="local", instance_count=1, instance_group_name="homogeneousCluster"
        ),
    )
