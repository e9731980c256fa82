"""The backends that are held to the suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backends.docker_stage import DockerStage, client
from tests.conformance.backends.process_stage import ProcessStage
from tests.conformance.backends.stage import Stage

ALL = ["process-with-namespaces", "process-without-namespaces", "docker"]
PRIVATE = ["process-with-namespaces", "docker"]


def make_stage(kind: str, home: Path) -> Stage:
    if kind == "docker":
        client()
        return DockerStage(home)
    stage = ProcessStage(home, namespaces=kind == "process-with-namespaces")
    capabilities = stage.backend.capabilities()
    if stage.private and not capabilities.private_opt_ml:
        stage.close()
        pytest.skip(f"needs namespaces: {capabilities.note}")
    return stage


@pytest.fixture(params=ALL)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    stage = make_stage(request.param, tmp_path)
    yield stage
    stage.close()


@pytest.fixture(params=PRIVATE)
def private_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A stage on which programs have a /opt/ml and host names of their own."""
    stage = make_stage(request.param, tmp_path)
    yield stage
    stage.close()


@pytest.fixture(params=[kind for kind in ALL if kind != "docker"])
def process_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    stage = make_stage(request.param, tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def namespaces_stage(tmp_path: Path) -> Iterator[Stage]:
    stage = make_stage("process-with-namespaces", tmp_path)
    yield stage
    stage.close()
