"""The AWS CLI, in a shell after `eval "$(tuner env)"`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from client_environments import PROGRAMS, Serving, binaries, run


@pytest.fixture(scope="module")
def commands() -> Path:
    return binaries("awscli")


def test_a_shell_script_of_the_aws_cli_runs_unchanged(
    commands: Path, served: Serving, tmp_path: Path
) -> None:
    environ = served.variables()
    environ["PATH"] = f"{commands}{os.pathsep}{environ['PATH']}"
    said = run(["bash", PROGRAMS / "awscli_tuning.sh"], environ, tmp_path, limit=115)
    assert said.endswith("done\n")
