"""What the images of bundled containers are built from."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from tests.service.user_scripts import SKLEARN, XGBOOST
from tuner.backends import docker_build
from tuner.backends.docker_build import Recipe, Unbuildable, recipe
from tuner.backends.docker_images import bundled_image
from tuner.domain.algorithms import Algorithm
from tuner.training.containers import Container, bundled_containers


@pytest.fixture
def container(tmp_path: Path) -> Container:
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (directory / "requirements.txt").write_text(
        "numpy>=1.26  # what every machine of ours has\n# a comment\nno-such-package\n"
    )
    (directory / "train").write_text("#!/bin/sh\n")
    (directory / "train").chmod(0o700)
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "a.pyc").write_text("x")
    (tmp_path / "other" / "part").mkdir(parents=True)
    (tmp_path / "other" / "part" / "file").write_text("shared")
    return Container("mine", directory, ("train",), Algorithm(name="mine", built_in=False))


def members(made: Recipe) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(made.context)) as archive:
        return {member.name: member.mode for member in archive.getmembers()}


def test_the_context_is_the_directory_and_what_it_is_built_with(container: Container) -> None:
    own = {"Dockerfile": 0o644, "requirements.txt": 0o644, "train": 0o755}
    assert members(recipe(container)) == own
    more = replace(container, build_with=("other/part",))
    assert members(recipe(more)) == own | {"other/part/file": 0o644}


def test_packages_have_the_versions_that_processes_use(container: Container) -> None:
    numpy = metadata.version("numpy")
    assert recipe(container, "a:b").arguments == {"BASE": "a:b", "PINS": f"numpy=={numpy}"}


def test_the_content_changes_with_files_and_arguments_only(container: Container) -> None:
    first = recipe(container)
    (container.directory / "train").touch()
    assert recipe(container).content == first.content
    assert recipe(container, "another:base").content != first.content
    (container.directory / "train").write_text("#!/bin/sh\ntrue\n")
    assert recipe(container).content != first.content


def test_what_cannot_be_built_is_said(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_build, "MAX_CONTEXT_BYTES", 20)
    with pytest.raises(Unbuildable, match="mine has more than 0 MiB of files"):
        recipe(container)
    (container.directory / "Dockerfile").unlink()
    with pytest.raises(Unbuildable, match="has no Dockerfile"):
        recipe(container)


def test_every_bundled_container_can_be_built() -> None:
    made = {item.name: recipe(item) for item in bundled_containers()}
    assert {"script", "xgboost"} <= made.keys()
    for item in made.values():
        assert {"Dockerfile", "requirements.txt"} <= members(item).keys()
    assert "xgboost/algorithm/data.py" in members(made["script"])


@pytest.mark.parametrize(
    ("image", "user_code", "bundled"),
    [
        (XGBOOST, False, "amtlocal/xgboost"),
        (XGBOOST, True, "amtlocal/script"),
        (SKLEARN, True, "amtlocal/script"),
        (SKLEARN, False, None),
        ("registry.example.com/me/mine:1", True, None),
    ],
)
def test_which_bundled_image_stands_for_one_of_aws(
    image: str, user_code: bool, bundled: str | None
) -> None:
    assert bundled_image(image, user_code=user_code) == bundled
