"""containers/script runs a user's entry point by the rules of sagemaker-training."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy
import pytest
from script_instance import PACKAGE, Instance, archive

SHOW = """
import json, os, sys
print(json.dumps({"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}))
"""


def shown(output: str) -> dict[str, object]:
    return dict(json.loads(output.splitlines()[-1]))


def test_a_script_gets_its_arguments_in_the_code_directory(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    outcome = instance.run({"train.py": SHOW}, arguments=["--lr", "0.1", "-e", "a b"])
    assert outcome.code == 0, outcome.output
    found = shown(outcome.output)
    assert found["args"] == ["--lr", "0.1", "-e", "a b"]
    assert found["cwd"] == str(instance.code)
    assert "python train.py --lr 0.1 -e 'a b'" in outcome.output
    assert not (instance.root / "output" / "failure").exists()


def test_what_the_runner_was_told_is_not_in_the_script_s_environment(tmp_path: Path) -> None:
    found = shown(Instance(tmp_path).run({"train.py": SHOW}).output)
    assert "TUNER_SCRIPT" not in dict(found["env"])  # type: ignore[call-overload]


def test_modules_beside_and_above_the_script_are_imported(tmp_path: Path) -> None:
    files = {"models/net.py": "NAME = 'net'\n", "src/train.py": "import models.net as n, helper"}
    files |= {"src/helper.py": "print('helped')", "models/__init__.py": ""}
    outcome = Instance(tmp_path).run(files, program="src/train.py")
    assert (outcome.code, outcome.lines[-1]) == (0, "helped"), outcome.output


def test_a_shell_script_is_run_by_its_own_shell_with_quoted_arguments(tmp_path: Path) -> None:
    script = '#!/bin/bash\nset -e\n[[ -n $BASH_VERSION ]]\nprintf "<%s>" "$@"\npython -V\n'
    outcome = Instance(tmp_path).run(
        {"train.sh": script}, program="train.sh", arguments=["--a", "$HOME; 'x'"]
    )
    assert outcome.code == 0, outcome.output
    assert "<--a><$HOME; 'x'>" in outcome.output


def test_a_package_is_installed_and_run_as_a_module(tmp_path: Path) -> None:
    script = (
        "import importlib.metadata as m, sys\nprint(__name__, m.version('mine'), sys.argv[1:])"
    )
    files = {"setup.py": "", "train.py": script, **PACKAGE}
    outcome = Instance(tmp_path).run(files, arguments=["--a", "1"])
    assert outcome.lines[-1] == "__main__ 1.0 ['--a', '1']", outcome.output


def test_the_script_imports_what_our_interpreter_imports(tmp_path: Path) -> None:
    script = "import numpy, shutil, sys\nprint(numpy.__file__)\nprint(shutil.which('pip'))\n"
    outcome = Instance(tmp_path).run({"train.py": script + "print(sys.executable)\n"})
    imported, pip, python = outcome.lines[-3:]
    assert imported == numpy.__file__
    assert pip == f"{tmp_path}/scratch/python/bin/pip"
    assert python == f"{tmp_path}/scratch/python/bin/python"


@pytest.mark.parametrize("code", [1, 3, 77])
def test_an_exit_code_is_passed_on_with_the_toolkit_s_failure_text(
    tmp_path: Path, code: int
) -> None:
    script = f"import sys\nprint('first', file=sys.stderr)\nsys.exit({code})\n"
    outcome = Instance(tmp_path).run({"train.py": script}, arguments=["--x", "1"])
    assert outcome.code == code
    assert outcome.failure == (
        f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "first"\n'
        'Command "python train.py --x 1"'
    )


def test_an_exception_is_the_error_message_and_names_no_path_of_the_host(tmp_path: Path) -> None:
    script = "import os\nos.makedirs('sub')\nopen(os.getcwd() + '/sub/none')\n"
    outcome = Instance(tmp_path).run({"train.py": script})
    assert outcome.code == 1
    assert "Traceback (most recent call last)" in outcome.output
    assert outcome.failure.splitlines()[2] == (
        'ErrorMessage "FileNotFoundError: [Errno 2] No such file or directory: '
        "'/opt/ml/code/sub/none'\""
    )
    assert str(tmp_path) not in outcome.failure


def test_the_script_s_own_failure_text_stays(tmp_path: Path) -> None:
    script = "import os\nopen(os.environ['SAGEMAKER_BASE_DIR'] + '/output/failure', 'w')"
    script += ".write('the moon')\nraise SystemExit(2)\n"
    outcome = Instance(tmp_path).run({"train.py": script})
    assert (outcome.code, outcome.failure) == (2, "the moon")


def test_a_long_failure_text_keeps_the_command(tmp_path: Path) -> None:
    script = "raise ValueError('x' * 5000)\n"
    outcome = Instance(tmp_path).run({"train.py": script}, arguments=["--long", "y" * 2000])
    assert len(outcome.failure) <= 1024
    assert 'Command "python train.py --long yyy' in outcome.failure


def test_a_killed_script_ends_as_its_signal_says(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run({"train.py": "import os\nos.kill(os.getpid(), 9)\n"})
    assert outcome.code == 137
    assert "OutOfMemory: Process killed by SIGKILL (signal 9)" in outcome.failure


def test_a_crash_without_a_message_is_told_by_its_signal(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run({"train.py": "import os\nos.kill(os.getpid(), 11)\n"})
    assert outcome.code == 139
    assert 'ExtraInfo "Process killed by SIGSEGV (signal 11)"' in outcome.failure


def test_a_stopped_script_is_not_told_as_a_failure(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    process = instance.start(
        {"train.py": "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"}
    )
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert "FAILURE" not in output
    assert not (instance.root / "output" / "failure").exists()


def test_sigterm_reaches_the_script_once_and_its_exit_code_counts(tmp_path: Path) -> None:
    script = """
import signal, sys, time
times = []
signal.signal(signal.SIGTERM, lambda *_: times.append(1))
print("ready", flush=True)
while not times:
    time.sleep(0.01)
time.sleep(0.2)
print("stopped", len(times))
sys.exit(5)
"""
    process = Instance(tmp_path).start({"train.py": script})
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert "stopped 1" in output
    assert process.returncode == 5


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("not an archive", "cannot be unpacked"),
        (None, "There is no source code at"),
    ],
)
def test_code_that_is_no_archive_is_a_clear_failure(
    tmp_path: Path, source: str | None, text: str
) -> None:
    place = tmp_path / "sourcedir.tar.gz"
    if source is not None:
        place.write_text(source)
    outcome = Instance(tmp_path / "job").run(place)
    assert outcome.code == 1
    assert text in outcome.failure
    assert "Traceback" not in outcome.output


def test_an_archive_cannot_write_outside_the_code(tmp_path: Path) -> None:
    place = archive(tmp_path / "sourcedir.tar.gz", {"../../evil": "x", "train.py": ""})
    outcome = Instance(tmp_path / "job").run(place)
    assert outcome.code == 1
    assert "cannot be unpacked" in outcome.failure
    assert not list(tmp_path.rglob("evil"))


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run({"other.py": ""})
    assert outcome.failure == "The source code has no file train.py, the sagemaker_program."


def test_code_may_lie_in_a_channel(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    archive(instance.root / "input/data/code/sourcedir.tar.gz", {"train.py": "print('here')"})
    outcome = instance.run(Path("/opt/ml/input/data/code/sourcedir.tar.gz"))
    assert (outcome.code, outcome.lines[-1]) == (0, "here"), outcome.output


def test_a_command_takes_the_program_s_place_with_our_python_first(tmp_path: Path) -> None:
    shell = "command -v python3; command -v pip3; python -c 'import numpy; print(1)'; exit 4"
    outcome = Instance(tmp_path).run(None, program=None, command=["/bin/bash", "-c", shell])
    programs = f"{tmp_path}/scratch/python/bin"
    assert outcome.lines == [f"{programs}/python3", f"{programs}/pip3", "1"]
    assert (outcome.code, outcome.failure) == (4, "")


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run(None, program=None, command=["/no/such/thing"])
    assert outcome.code == 127
    assert outcome.failure == "cannot start /no/such/thing: No such file or directory"


SLOW_LINE = """
import sys, time
for part, stream in [("loss=1", sys.stdout), ("noise\\n", sys.stderr), ("\\n", sys.stdout)]:
    print(part, end="", file=stream, flush=True)
    time.sleep(0.3)
print("no newline", end="")
"""


def test_a_line_of_one_stream_is_not_cut_by_the_other(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run({"train.py": SLOW_LINE})
    assert outcome.code == 0, outcome.output
    assert {"loss=1", "noise", "no newline"} <= set(outcome.lines)


def test_prints_come_before_the_traceback_that_follows_them(tmp_path: Path) -> None:
    outcome = Instance(tmp_path).run({"train.py": "print('last words')\n1 / 0\n"})
    assert outcome.output.index("last words") < outcome.output.index("Traceback")
