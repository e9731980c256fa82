"""boto3, with the variables of `tuner env` and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_environments import PROGRAMS, Serving, binaries, run

PART = "boto3-client"


@pytest.fixture(scope="module")
def python() -> Path:
    return binaries(PART) / "python"


@pytest.mark.parametrize(
    "program", ["boto3_tuning", "boto3_stopping", "boto3_errors", "boto3_neighbours"]
)
def test_a_boto3_program_runs_unchanged(
    python: Path, served: Serving, tmp_path: Path, program: str
) -> None:
    said = run([python, PROGRAMS / f"{program}.py"], served.variables(), tmp_path, limit=100)
    assert said.endswith("done\n")
