"""Script mode: the user's entry point is run by the rules of sagemaker-training.

Source: aws/sagemaker-training-toolkit, entry_point.py, process.py and modules.py.
"""

from __future__ import annotations

import os
import shlex
from enum import Enum
from pathlib import Path

from runner import interpreter, source
from runner.command import run
from runner.failures import UserError, failed_command
from runner.instructions import Instructions

_REQUIREMENTS = "requirements.txt"


class _Kind(Enum):
    COMMAND, PACKAGE, SCRIPT = range(3)


def train(instructions: Instructions) -> None:
    """Raises UserError when the code cannot be run, or fails."""
    program, code = instructions.program, instructions.code
    if program is None or instructions.source is None:
        raise UserError("There is no script to run: sagemaker_program is not given.")
    source.unpack(instructions.on_disk(instructions.source), code)
    kind = _kind(program, code)
    if kind is not _Kind.PACKAGE and not (code / program).is_file():
        raise UserError(f"The source code has no file {program}, the sagemaker_program.")
    programs = _installed(instructions, kind)
    command = _command(kind, program, code, instructions.arguments)
    print(f"Invoking script with the following command:\n\n{shlex.join(command)}\n", flush=True)
    given = [f"{programs[0]}/python", *command[1:]] if command[0] == "python" else command
    ended = run(given, code, _variables(programs, code))
    if ended.code:
        raise failed_command("ExecuteUserScriptError", ended, command)


def _kind(program: str, code: Path) -> _Kind:
    if program.endswith(".sh"):
        return _Kind.COMMAND
    if (code / "setup.py").exists():
        return _Kind.PACKAGE
    return _Kind.SCRIPT if program.endswith(".py") else _Kind.COMMAND


def _installed(instructions: Instructions, kind: _Kind) -> list[Path]:
    """Make the instance's own Python, with what the code asks for; the directories to search
    for programs. A shell command looks after its requirements itself."""
    code, present = instructions.code, instructions.site_packages
    place = instructions.scratch / "python"
    file = code / _REQUIREMENTS
    text = file.read_bytes() if kind is not _Kind.COMMAND and file.is_file() else None
    if text is None and kind is not _Kind.PACKAGE:
        return [interpreter.make(place, present)]
    from runner import requirements

    programs = []
    if text is not None and not requirements.refers_to_code(text):
        shared = requirements.environment_of(text, instructions.environments, present)
        present = [str(interpreter.packages(shared)), *present]
        programs.append(shared / "bin")
        text = None
    own = interpreter.make(place, present)
    if text is not None:
        requirements.install(own, ["-r", _REQUIREMENTS], code)
    if kind is _Kind.PACKAGE:
        requirements.install(own, _package(code, present), code)
    return [own, *programs]


def _package(code: Path, site_packages: list[str]) -> list[str]:
    """Without a pyproject.toml setuptools is meant: where it is there, and can build wheels,
    no network is needed."""
    builders = ("wheel/__init__.py", "setuptools/command/bdist_wheel.py")
    able = any(Path(place, path).exists() for place in site_packages for path in builders)
    isolated = (code / "pyproject.toml").exists() or not able
    return ["."] if isolated else ["--no-build-isolation", "."]


def _command(kind: _Kind, program: str, code: Path, arguments: list[str]) -> list[str]:
    if kind is _Kind.PACKAGE:
        return ["python", "-m", program.removesuffix(".py"), *arguments]
    if kind is _Kind.SCRIPT:
        return ["python", program, *arguments]
    (code / program).chmod(0o755)
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]


def _variables(programs: list[Path], code: Path) -> dict[str, str]:
    search = [*map(str, programs), os.environ.get("PATH", os.defpath)]
    imports = [str(code), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PATH": os.pathsep.join(search),
        "PYTHONPATH": os.pathsep.join(filter(None, imports)),
    }
