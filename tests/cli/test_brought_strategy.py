"""A strategy that an installed package brings, from a job spec to the result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.owner.homes import environment, owned, specification, write_program
from tests.strategies.brought import install


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[CommandLine]:
    """`tuner` in an environment that has the package."""
    (tmp_path / "program").mkdir()
    (tmp_path / "site").mkdir()
    path = [str(install(tmp_path / "site")), os.environ.get("PYTHONPATH", "")]
    environ = environment(tmp_path / "home", write_program(tmp_path / "program"))
    with owned(tmp_path / "home") as home:
        yield CommandLine(
            home, tmp_path, environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
        )


def test_a_tuning_job_runs_with_a_strategy_of_another_package(installed: CommandLine) -> None:
    document = specification("brought", jobs=3)
    document["HyperParameterTuningJobConfig"]["Strategy"] = "Halving"
    done = installed("run", installed.write("brought", document))
    assert done.returncode == 0, done.stderr
    described = installed.json("describe", "brought")
    assert described["HyperParameterTuningJobConfig"]["Strategy"] == "Halving"
    jobs = installed.json("jobs", "brought")["TrainingJobSummaries"]
    assert {item["TunedHyperParameters"]["x"] for item in jobs} == {"1.0", "0.5", "0.25"}
