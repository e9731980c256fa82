"""The AWS CLI, in a shell after `eval "$(tuner env)"`."""

from __future__ import annotations

import os
from pathlib import Path

from client_environments import PROGRAMS, Serving, binaries, run


def test_a_shell_script_of_the_aws_cli_runs_unchanged(tmp_path: Path, served: Serving) -> None:
    environ = served.variables()
    environ["PATH"] = f"{binaries('awscli')}{os.pathsep}{environ['PATH']}"
    said = run(["bash", PROGRAMS / "awscli_tuning.sh"], environ, tmp_path, limit=115)
    assert said.endswith("done\n")
