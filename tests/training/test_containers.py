from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tuner.domain.definitions import ObjectiveType
from tuner.training.containers import (
    ContainerError,
    bundled_containers,
    find_container,
    image_rows,
)

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1.0"


def write_manifest(directory: Path, **members: Any) -> Path:
    directory.mkdir(exist_ok=True)
    document = {"name": "mine", "command": ["{python}", "{directory}/train"], **members}
    (directory / "container.json").write_text(json.dumps(document))
    return directory


def test_a_manifest_becomes_a_container(tmp_path: Path) -> None:
    metrics = [
        {"Name": "loss", "Regex": "loss=(.*)", "Objective": "Minimize"},
        {"Name": "time", "Regex": "time=(.*)", "Objective": None},
    ]
    write_manifest(tmp_path, built_in=True, metrics=metrics)

    container = find_container(URI, {URI: str(tmp_path)})

    assert container is not None
    assert container.command == (sys.executable, f"{tmp_path}/train")
    assert container.algorithm.built_in
    assert [item.objective_type for item in container.algorithm.metrics] == [
        ObjectiveType.MINIMIZE,
        None,
    ]


@pytest.mark.parametrize("image", [URI, URI.replace(":1.0", ":2.0"), URI + "@sha256:00"])
def test_the_image_map_may_leave_the_tag_out(tmp_path: Path, image: str) -> None:
    write_manifest(tmp_path)

    assert find_container(image, {URI.removesuffix(":1.0"): str(tmp_path)}) is not None


def test_a_tag_is_not_taken_for_a_port(tmp_path: Path) -> None:
    write_manifest(tmp_path)

    assert find_container("localhost:5000/mine", {"localhost:5000/mine": str(tmp_path)})
    assert find_container("localhost:5000/mine:3", {"localhost:5000/mine": str(tmp_path)})
    assert find_container("localhost:5000/other", {"localhost": str(tmp_path)}) is None


def test_a_directory_with_only_a_train_program_will_do(tmp_path: Path) -> None:
    train = tmp_path / "train"
    train.write_text("#!/bin/sh\n")
    train.chmod(0o755)

    container = find_container(URI, {URI: str(tmp_path)})

    assert container is not None
    assert container.command == (str(train),)
    assert not container.algorithm.built_in


def test_a_mapped_directory_without_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("not executable")

    with pytest.raises(ContainerError, match=r"neither an executable file, nor a directory"):
        find_container(URI, {URI: str(tmp_path)})


def test_an_unknown_image_has_no_container() -> None:
    assert find_container("registry.example.com/somebody/something:latest", {}) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "\xff",
        '{"command": []}',
        '{"command": "train"}',
        '{"command": ["train"], "repositories": ["a", 3]}',
        '{"command": ["train"], "name": 3}',
        '{"command": ["train"], "metrics": [{"Name": "x"}]}',
        '{"command": ["train"], "metrics": [{"Name": "x", "Regex": "y", "Objective": "Up"}]}',
        '{"command": ["train"], "metrics": 4}',
    ],
)
def test_a_bad_manifest_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "container.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(ContainerError, match=r"container\.json cannot be used"):
        find_container(URI, {URI: str(tmp_path)})


def test_a_changed_manifest_is_read_again(tmp_path: Path) -> None:
    write_manifest(tmp_path, name="before")
    assert find_container(URI, {URI: str(tmp_path)}).name == "before"  # type: ignore[union-attr]

    write_manifest(tmp_path, name="after")
    os.utime(tmp_path / "container.json", ns=(1, 1))

    assert find_container(URI, {URI: str(tmp_path)}).name == "after"  # type: ignore[union-attr]


def test_every_bundled_container_is_found_by_its_plain_name() -> None:
    for container in bundled_containers():
        assert find_container(container.name, {}) == container


ECR = "763104351884.dkr.ecr.us-west-2.amazonaws.com/"
FRAMEWORKS = [
    "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-scikit-learn:1.2-1-cpu-py3",
    f"{ECR}pytorch-training:2.6-cpu-py312",
    f"{ECR}pytorch-training@sha256:{'0' * 64}",
    "446045086412.dkr.ecr.us-gov-east-1.amazonaws.com/pytorch-training:2.1-cpu-py310",
    "886529160074.dkr.ecr.us-iso-east-1.c2s.ic.gov/pytorch-training:2.1-cpu-py310",
    "454834333376.dkr.ecr.us-isof-south-1.csp.hci.ic.gov/pytorch-training:2.1-cpu-py310",
    "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/tensorflow-training:2.14-cpu-py310",
    f"{ECR}huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310-cu121-ubuntu20.04",
    f"{ECR}mxnet-training:1.9.0-cpu-py38",
    "236514542706.dkr.ecr-fips.us-east-1.amazonaws.com/sagemaker-base-python-310:1.0",
    "public.ecr.aws/sagemaker/sagemaker-distribution:latest-cpu",
]
XGBOOST = [
    "257758044811.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1",
    "094389454867.dkr.ecr.us-isob-east-1.sc2s.sgov.gov/sagemaker-xgboost:1.7-1",
    "433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:1",
]


@pytest.mark.parametrize("image", FRAMEWORKS)
def test_framework_images_of_all_partitions_run_scripts(image: str) -> None:
    container = find_container(image, {})

    assert container is not None
    assert container.runs_user_code
    assert not container.algorithm.built_in
    assert find_container(image, {}, user_code=True) == container


@pytest.mark.parametrize("image", XGBOOST)
def test_the_xgboost_image_is_the_algorithm_or_runs_a_script(image: str) -> None:
    algorithm = find_container(image, {})
    script = find_container(image, {}, user_code=True)

    assert algorithm is not None and script is not None
    assert (algorithm.name, algorithm.algorithm.built_in) == ("xgboost", True)
    assert (script.name, script.algorithm.metrics) == ("script", ())


@pytest.mark.parametrize(
    "image",
    [
        f"{ECR}pytorch-inference:2.6-cpu-py312",
        f"{ECR}other/pytorch-training:2",
        "433757028032.dkr.ecr.us-west-2.amazonaws.com/xgboost:2",
        "763104351884.dkr.ecr.us-west-2.amazonaws.com.evil.org/pytorch-training:2",
        "evil.org/763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2",
        "pytorch-training:2",
    ],
)
def test_other_images_stay_unknown(image: str) -> None:
    assert find_container(image, {}, user_code=True) is None


def test_a_mapped_image_runs_its_own_program_in_script_mode_too(tmp_path: Path) -> None:
    write_manifest(tmp_path)

    container = find_container(URI, {URI: str(tmp_path)}, user_code=True)

    assert container is not None
    assert container.name == "mine"


def test_an_image_may_be_mapped_to_a_program_or_to_a_bundled_container(tmp_path: Path) -> None:
    program = tmp_path / "fit.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    mapped = find_container(URI, {URI: str(program)})
    bundled = find_container(URI, {URI: "script"})

    assert mapped is not None and bundled is not None
    assert (mapped.name, mapped.command) == ("fit.sh", (str(program),))
    assert bundled.runs_user_code


def test_the_map_is_listed_with_mapped_images_first(tmp_path: Path) -> None:
    write_manifest(tmp_path)

    rows = image_rows({URI: str(tmp_path), "broken": "/no/such/place"})

    assert [(row.image, row.container, row.mode) for row in rows[:2]] == [
        (URI, "mine", "mapped"),
        ("broken", "place", "mapped"),
    ]
    assert "neither an executable file" in rows[1].command
    listed = {(row.image, row.container, row.mode) for row in rows}
    assert {
        ("*/sagemaker-xgboost", "xgboost", "algorithm"),
        ("*/sagemaker-xgboost", "script", "script"),
        ("*/sagemaker-scikit-learn", "script", "script"),
    } <= listed
