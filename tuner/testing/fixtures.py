"""The fixtures of `tuner.testing`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tuner.exec.sts.sitecustomize import detoured
from tuner.testing.server import Server, serving


@pytest.fixture(scope="session")
def tuner_settings() -> Mapping[str, Any]:
    """Fields of `Settings` for the servers; for tests to override."""
    return {}


@pytest.fixture(scope="session")
def tuner_server(tuner_settings: Mapping[str, Any]) -> Iterator[Server]:
    """One server and home for the session."""
    with serving(**tuner_settings) as server:
        yield server


@pytest.fixture
def tuner_endpoint(
    tuner_settings: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server and home for one test, which the test's own clients reach."""
    with serving(**tuner_settings) as server:
        _use(server, monkeypatch)
        yield server


@pytest.fixture
def tuner_environment(tuner_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The session's server, reached by the test's own clients."""
    _use(tuner_server, monkeypatch)
    return tuner_server


def _use(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment, and send STS there too, in this process and what it starts."""
    for name, value in server.variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", server.environment["PYTHONPATH"])
    session = importlib.import_module("botocore.session")
    monkeypatch.setattr(session.Session, "create_client", detoured(session.Session.create_client))
    if importlib.util.find_spec("boto3") is not None:
        # boto3.client() keeps a session, and its credentials, for the next test
        monkeypatch.setattr(importlib.import_module("boto3"), "DEFAULT_SESSION", None)
