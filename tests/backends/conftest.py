"""A Docker stage for tests of what only containers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backends.docker_stage import DockerStage, client


@pytest.fixture
def docker_stage(tmp_path: Path) -> Iterator[DockerStage]:
    client()
    stage = DockerStage(tmp_path)
    yield stage
    stage.close()
