"""SageMaker's Python SDK v2, run by `tuner exec`."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_environments import PROGRAMS, TUNER, Serving, binaries, run


@pytest.fixture(scope="module")
def python() -> Path:
    return binaries("sdk-v2") / "python"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("program", ["sdk_v2_builtin", "sdk_v2_script"])
def test_a_program_of_the_sdk_runs_unchanged(
    python: Path, served: Serving, tmp_path: Path, program: str
) -> None:
    command = [TUNER, "exec", "--", python, PROGRAMS / f"{program}.py"]
    said = run(command, served.shell, tmp_path, limit=170)
    assert said.endswith("done\n")
