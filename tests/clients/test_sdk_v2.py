"""SageMaker's Python SDK v2, run by `tuner exec`, and in a shell after `eval "$(tuner env)"`."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_environments import PROGRAMS, TUNER, Serving, binaries, run

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def python() -> Path:
    return binaries("sdk-v2") / "python"


def test_a_program_that_asks_who_it_is_runs_under_tuner_exec(
    python: Path, served: Serving, tmp_path: Path
) -> None:
    command = [TUNER, "exec", "--", python, PROGRAMS / "sdk_v2_builtin.py"]
    said = run(command, served.shell, tmp_path, limit=170)
    assert said.endswith("done\n")


def test_a_program_that_names_its_role_needs_the_variables_only(
    python: Path, served: Serving, tmp_path: Path
) -> None:
    command = [python, PROGRAMS / "sdk_v2_script.py"]
    said = run(command, served.variables(), tmp_path, limit=170)
    assert said.endswith("done\n")


def test_instance_groups_share_their_work(python: Path, served: Serving, tmp_path: Path) -> None:
    command = [python, PROGRAMS / "sdk_v2_groups.py"]
    said = run(command, served.variables(), tmp_path, limit=170)
    assert said.endswith("done\n")
