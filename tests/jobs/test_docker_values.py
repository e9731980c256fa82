"""The jobs of this repository give the same values in containers as in processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.owner.bundled_images import BUILD_SECONDS, built, run, values
from tests.owner.homes import environment, owned, settings_of
from tuner.client import Client

JOBS = Path(__file__).resolve().parents[2] / "jobs"
pytestmark = pytest.mark.timeout(BUILD_SECONDS)


def job(name: str, most: int) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((JOBS / f"{name}.json").read_text())
    limits = spec["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits |= {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": min(2, most)}
    return spec


def random() -> dict[str, Any]:
    return job("xgboost-breast-cancer-random", 3)


def grid() -> dict[str, Any]:
    spec = job("xgboost-breast-cancer-grid", 4)
    ranges = spec["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges = ranges["CategoricalParameterRanges"]
    ranges[0]["Values"], ranges[1]["Values"] = ["2", "8"], ["gbtree"]
    return spec


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The values by backend and name of the job."""
    built("xgboost")
    found: dict[str, dict[str, Any]] = {}
    for backend in ("docker", "process"):
        with owned(tmp_path_factory.mktemp(backend) / "home") as home:
            environ = environment(home, home) | {"TUNER_BACKEND": backend}
            client = Client(settings_of(environ))
            found[backend] = {
                make.__name__: values(run(client, make())) for make in (random, grid)
            }
    return found


@pytest.mark.parametrize("name", ["random", "grid"])
def test_both_backends_give_the_same_values(results: dict[str, dict[str, Any]], name: str) -> None:
    of_docker = results["docker"][name]
    assert len({value for _, value in of_docker}) > 1
    assert of_docker == results["process"][name]
