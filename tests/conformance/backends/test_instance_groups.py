"""Heterogeneous clusters: every instance gets what its group is to get."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.backends.stage import Stage, changed
from tuner.domain import clusters
from tuner.domain.definitions import InstanceGroup, ResourceConfig, S3DataDistributionType
from tuner.domain.instances import InstanceSize
from tuner.domain.jobs import Resources, TrainingJob
from tuner.domain.ports import InstanceExited

GROUPS = (
    InstanceGroup(instance_type="ml.t3.medium", instance_count=2, instance_group_name="data"),
    InstanceGroup(instance_type="ml.m5.xlarge", instance_count=1, instance_group_name="train"),
)

LOOK_AROUND = """
    import json, os
    config = {
        name: json.load(open(f"/opt/ml/input/config/{name}.json"))
        for name in ("resourceconfig", "inputdataconfig")
    }
    top = "/opt/ml/input/data"
    files = {name: sorted(os.listdir(f"{top}/{name}")) for name in sorted(os.listdir(top))}
    print(json.dumps({**config, "files": files}))
    """


def in_groups(job: TrainingJob) -> TrainingJob:
    job = changed(job, resource_config=ResourceConfig(instance_groups=GROUPS))
    return replace(job, resources=Resources(cpus=1, memory_mib=5000))


def test_each_instance_sees_its_own_channels_and_its_group(private_stage: Stage) -> None:
    stage = private_stage
    sharded, names = S3DataDistributionType.SHARDED_BY_S3_KEY, ("a", "b", "c")
    files = dict.fromkeys(names, b"1")
    channels = [
        stage.channel("raw", files, distribution=sharded, groups=("data",)),
        stage.channel("labels", {"y": b"1"}, groups=("train",)),
        stage.channel("parts", files, distribution=sharded, groups=("train", "data")),
        stage.channel("all", {"x": b"1"}, groups=("data", "train")),
    ]
    job = in_groups(stage.job(LOOK_AROUND, channels=channels))
    ends = stage.run(job)
    assert {host: end.code for host, end in ends.items()} == dict.fromkeys(
        ("algo-1", "algo-2", "algo-3"), 0
    )
    told: dict[str, dict[str, Any]] = {
        line.host: json.loads(line.text) for line in stage.lines(job)
    }
    assert {host: found["files"] for host, found in told.items()} == {
        "algo-1": {"all": ["x"], "parts": ["a"], "raw": ["a", "c"]},
        "algo-2": {"all": ["x"], "parts": ["b"], "raw": ["b"]},
        "algo-3": {"all": ["x"], "labels": ["y"], "parts": ["c"]},
    }
    for host, found in told.items():
        assert found["inputdataconfig"].keys() == found["files"].keys()
        resources = found["resourceconfig"]
        assert resources["current_host"] == host
        assert resources["hosts"] == ["algo-1", "algo-2", "algo-3"]
        assert resources["instance_groups"] == [
            {
                "instance_group_name": "data",
                "instance_type": "ml.t3.medium",
                "hosts": ["algo-1", "algo-2"],
            },
            {
                "instance_group_name": "train",
                "instance_type": "ml.m5.xlarge",
                "hosts": ["algo-3"],
            },
        ]
        group = GROUPS[1 if host == "algo-3" else 0]
        assert resources["current_group_name"] == group.instance_group_name
        assert resources["current_instance_type"] == group.instance_type


def test_each_instance_has_the_memory_of_its_type(
    private_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = private_stage
    sizes = {"ml.t3.medium": 128, "ml.m5.xlarge": 2048}  # AWS's own take long to fill
    monkeypatch.setattr(
        clusters, "instance_size", lambda name: InstanceSize(1, memory_mib=sizes[name], gpus=0)
    )
    source = """
    import time
    held = bytearray(300 << 20)
    time.sleep(2)
    print(len(held) >> 20)
    """
    job = in_groups(stage.job(source))
    ends = stage.run(job)
    assert [end.host for end in ends.values() if end.code == 0] == ["algo-3"]
    assert [(line.host, line.text) for line in stage.lines(job)] == [("algo-3", "300")]
    for host in ("algo-1", "algo-2"):
        assert (ends[host].cause or "").startswith("OutOfMemory"), ends[host]


def test_instances_of_all_groups_meet_and_end_together(private_stage: Stage) -> None:
    stage = private_stage
    source = """
    import json, socket, sys, time
    config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
    hosts = {group["instance_group_name"]: group["hosts"] for group in config["instance_groups"]}
    if config["current_group_name"] == "train":
        server = socket.create_server((config["current_host"], 7788))
        for _ in hosts["data"]:
            server.accept()
        sys.exit(3)
    while True:
        try:
            link = socket.create_connection((hosts["train"][0], 7788), timeout=10)
            break
        except OSError:
            time.sleep(0.05)
    time.sleep(60)
    """
    job = in_groups(stage.job(source))
    stage.start(job)
    failed = stage.first(InstanceExited, job.key)
    assert (failed.host, failed.code) == ("algo-3", 3)
    stage.backend.stop(job, 120)
    assert stage.exits(job).keys() == {"algo-1", "algo-2", "algo-3"}
    assert not stage.alive(job)
