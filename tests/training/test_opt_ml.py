from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_job import GROUPS, channel, instances, spec, training_job

from tuner.domain.definitions import InputMode, ResourceConfig
from tuner.training import opt_ml


def config(root: Path, name: str) -> Any:
    return json.loads((root / "input" / "config" / f"{name}.json").read_text())


def test_the_tree_has_what_a_program_looks_for(tmp_path: Path) -> None:
    channels = (
        channel("s3://b/train/", "train", content_type="text/csv"),
        channel("s3://b/test/", "validation", input_mode=InputMode.FAST_FILE),
    )
    job = training_job(
        spec=spec(input_data_config=channels), hyper_parameters={"eta": "0.1", "name": "ü"}
    )

    opt_ml.build(tmp_path / "ml", job, "algo-1", ["algo-1"], "eth0")

    root = tmp_path / "ml"
    for name in ("input/data", "model", "output/data", "checkpoints", "code", "tmp"):
        assert list((root / name).iterdir()) == []
    assert config(root, "hyperparameters") == {"eta": "0.1", "name": "ü"}
    assert config(root, "inputdataconfig") == {
        "train": {
            "ContentType": "text/csv",
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        },
        "validation": {
            "TrainingInputMode": "FastFile",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        },
    }
    assert config(root, "resourceconfig") == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1"],
            }
        ],
        "network_interface_name": "eth0",
    }


def test_building_again_leaves_nothing_of_the_first_tree(tmp_path: Path) -> None:
    opt_ml.build(tmp_path / "ml", training_job(), "algo-1", ["algo-1"], "eth0")
    (tmp_path / "ml" / "model" / "half-written").write_text("x")

    opt_ml.build(tmp_path / "ml", training_job(), "algo-1", ["algo-1"], "eth0")

    assert list((tmp_path / "ml" / "model").iterdir()) == []


def test_hosts_are_in_the_order_of_their_names() -> None:
    hosts = [f"algo-{number}" for number in range(1, 12)]

    job = training_job(spec=spec(resource_config=instances(len(hosts))))
    resources = opt_ml.resource_config(job, "algo-2", hosts, "lo")

    assert resources["hosts"][:3] == ["algo-1", "algo-10", "algo-11"]


def test_instance_groups_get_their_hosts_in_turn() -> None:
    job = training_job(spec=spec(resource_config=ResourceConfig(instance_groups=GROUPS)))

    resources = opt_ml.resource_config(job, "algo-3", ["algo-1", "algo-2", "algo-3"], "lo")

    assert resources["current_group_name"] == "b"
    assert resources["current_instance_type"] == "ml.g5.xlarge"
    assert resources["hosts"] == ["algo-1", "algo-2", "algo-3"]
    assert resources["instance_groups"] == [
        {"instance_group_name": "a", "instance_type": "ml.c5.xlarge", "hosts": ["algo-1"]},
        {
            "instance_group_name": "b",
            "instance_type": "ml.g5.xlarge",
            "hosts": ["algo-2", "algo-3"],
        },
    ]


def test_an_instance_is_told_of_the_channels_of_its_group(tmp_path: Path) -> None:
    channels = (
        channel("s3://b/1", "first", groups=("a",)),
        channel("s3://b/2", "second", groups=("b",)),
        channel("s3://b/3", "both", groups=("b", "a")),
    )
    config = ResourceConfig(instance_groups=GROUPS)
    job = training_job(spec=spec(resource_config=config, input_data_config=channels))
    hosts = ["algo-1", "algo-2", "algo-3"]

    def told(host: str) -> set[str]:
        opt_ml.build(tmp_path / host, job, host, hosts, "eth0")
        return set(json.loads((tmp_path / host / "input/config/inputdataconfig.json").read_text()))

    assert [told(host) for host in hosts] == [
        {"first", "both"},
        {"second", "both"},
        {"second", "both"},
    ]
