"""Whoever follows a job sees which image it waits for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.image_registry import Registry, serving
from tests.cli.conftest import CommandLine
from tests.owner.homes import environment, owned, specification


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving('echo "loss=1;"; echo model > /opt/ml/model/weights') as found:
        yield found


@pytest.fixture
def docker(registry: Registry, tmp_path: Path) -> Iterator[CommandLine]:
    with owned(tmp_path / "home") as home:
        environ = environment(home, tmp_path) | {"TUNER_BACKEND": "docker"}
        yield CommandLine(home, tmp_path, environ)


def ended(process: subprocess.Popen[str]) -> str:
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, said + complaints
    return said


def test_the_pull_of_an_image_is_told_of(registry: Registry, docker: CommandLine) -> None:
    spec = specification("pulled", jobs=2, parallel=2)
    algorithm = spec["TrainingJobDefinition"]["AlgorithmSpecification"]
    algorithm["TrainingImage"] = registry.image
    algorithm["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=([0-9]+);"}]
    run = docker.start("run", docker.write("pulled", spec))
    assert run.stdout is not None
    begin = f"pulled  Downloading the training image {registry.image}"
    told = next(line for line in run.stdout if begin in line)
    described = docker.json("jobs", "pulled")["TrainingJobSummaries"]
    wait = docker.start("wait", described[0]["TrainingJobName"])
    assert wait.stdout is not None
    waited = wait.stdout.readline()
    registry.free.set()
    rest = ended(run)
    assert rest.count("Completed") >= 2
    assert re.fullmatch(rf"[\d:]{{8}}  {re.escape(begin)}(: .* layers, .* MB)?\n", told)
    assert f"Downloading the training image {registry.image}" in waited
    assert "Completed" in ended(wait)
