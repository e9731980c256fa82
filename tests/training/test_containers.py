from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tuner.domain.definitions import ObjectiveType
from tuner.training.containers import ContainerError, bundled_containers, find_container

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
    assert find_container("quay.io/somebody/something:latest", {}) is None


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


def test_the_built_in_xgboost_stands_for_its_image_uris() -> None:
    uri = "257758044811.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1"
    container = find_container(uri, {})

    assert container is not None
    assert container.name == "xgboost"
    assert container.algorithm.built_in
