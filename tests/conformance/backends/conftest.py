"""The backends that are held to the suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backends.stage import Stage


@pytest.fixture(params=["process-with-namespaces", "process-without-namespaces"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    wanted = request.param == "process-with-namespaces"
    stage = Stage(tmp_path, namespaces=wanted)
    capabilities = stage.backend.capabilities()
    if wanted and not capabilities.private_opt_ml:
        stage.close()
        pytest.skip(f"needs namespaces: {capabilities.note}")
    yield stage
    stage.close()


@pytest.fixture
def private_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage on which programs have a /opt/ml and host names of their own."""
    stage = Stage(tmp_path, namespaces=True)
    capabilities = stage.backend.capabilities()
    if not capabilities.private_opt_ml:
        stage.close()
        pytest.skip(f"needs namespaces: {capabilities.note}")
    yield stage
    stage.close()
