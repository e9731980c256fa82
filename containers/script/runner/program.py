"""The program from start to exit: one run is one instance of one training job.

Without arguments, or with `train`, it runs the user's entry point by the rules of
sagemaker-training: unpack the code, install what it asks for, run it, and tell a failure in
output/failure. Any other arguments are a command that takes this program's place. The exit code
is that of whatever was run. Modules are imported where they are needed: every training job pays
for each.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from runner import interpreter
from runner.failures import Stopped, UserError, write_failure
from runner.instructions import Instructions


def main() -> None:
    """Run what is asked for and exit."""
    instructions = Instructions.read()
    for name, value in _pip_settings(instructions).items():
        os.environ.setdefault(name, value)
    try:
        if sys.argv[1:] in ([], ["train"]):
            from runner.training import train

            train(instructions)
        else:
            _become(sys.argv[1:], instructions)
    except Stopped as end:
        sys.exit(end.code)
    except UserError as error:
        _fail(instructions.base, str(error), error.code)
    except Exception as error:
        import traceback

        traceback.print_exc()
        _fail(instructions.base, f"Framework Error: {type(error).__name__}: {error}", 1)


def _pip_settings(instructions: Instructions) -> dict[str, str]:
    return {
        "PIP_CACHE_DIR": str(instructions.environments / "pip-cache"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def _fail(base: Path, text: str, code: int) -> NoReturn:
    print(f"Reporting training FAILURE\n{text}", file=sys.stderr, flush=True)
    write_failure(base, text)
    sys.exit(code)


def _become(command: list[str], instructions: Instructions) -> NoReturn:
    """As `docker run --entrypoint`: nothing of ours is left but the environment."""
    programs = interpreter.make(instructions.scratch / "python", instructions.site_packages)
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvp(command[0], command)
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        raise UserError(f"cannot start {command[0]}: {error.strerror}", code) from error
