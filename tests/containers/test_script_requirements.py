"""What requirements.txt asks for is installed once, and only where the job can see it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from opt_ml_tree import finish
from script_instance import PACKAGE, Instance, wheel

SHOW = "import mine_installed as m\nprint(m.__file__)\nprint(getattr(m, 'VERSION', None))\n"


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    return tmp_path / "environments"


def built(environments: Path) -> list[str]:
    return sorted(path.parent.name for path in environments.glob("*/complete"))


def test_one_environment_serves_all_jobs_with_the_same_requirements(
    tmp_path: Path, environments: Path
) -> None:
    links = str(wheel(tmp_path / "wheels", "1.0"))
    files = {"train.py": SHOW, "requirements.txt": "mine\n"}
    first, second = (
        Instance(tmp_path / name, environments).run(files, PIP_FIND_LINKS=links) for name in "ab"
    )
    assert (first.code, second.code) == (0, 0), first.output + second.output
    (name,) = built(environments)
    assert first.lines[-1] == second.lines[-1] == "1.0"
    assert first.lines[-2] == second.lines[-2]
    assert first.lines[-2].startswith(f"{environments}/{name}/")
    assert "pip install" in first.output and "pip install" not in second.output
    assert list((environments / name).rglob("mine_installed*.pyc")), "it is byte-compiled"


def test_other_requirements_get_another_environment(tmp_path: Path, environments: Path) -> None:
    wheel(tmp_path / "wheels", "1.0")
    links = str(wheel(tmp_path / "wheels", "2.0"))
    for version in ("1.0", "2.0"):
        files = {"train.py": SHOW, "requirements.txt": f"mine=={version}  # wanted\n"}
        instance = Instance(tmp_path / version, environments)
        assert instance.run(files, PIP_FIND_LINKS=links).lines[-1] == version
    assert len(built(environments)) == 2


def test_what_is_asked_for_goes_before_what_is_there(tmp_path: Path, environments: Path) -> None:
    links = str(wheel(tmp_path / "wheels", "99.0", name="regex"))
    script = (
        "import importlib.metadata as m\nprint(m.version('regex'), m.version('numpy')[0] > '0')"
    )
    files = {"train.py": script, "requirements.txt": "regex==99.0\n"}
    outcome = Instance(tmp_path / "job", environments).run(files, PIP_FIND_LINKS=links)
    assert outcome.lines[-1] == "99.0 True", outcome.output


def test_jobs_that_start_together_build_one_environment(
    tmp_path: Path, environments: Path
) -> None:
    links = str(wheel(tmp_path / "wheels", "1.0"))
    files = {"train.py": SHOW, "requirements.txt": "mine\n"}
    instances = [Instance(tmp_path / str(number), environments) for number in range(3)]
    processes = [instance.start(files, PIP_FIND_LINKS=links) for instance in instances]
    outcomes = [finish(*pair) for pair in zip(processes, (i.root for i in instances), strict=True)]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert sum("pip install" in outcome.output for outcome in outcomes) == 1


def test_a_build_that_was_killed_is_begun_anew(tmp_path: Path, environments: Path) -> None:
    links = str(wheel(tmp_path / "wheels", "1.0"))
    files = {"train.py": SHOW, "requirements.txt": "mine\n"}
    instance = Instance(tmp_path / "killed", environments)
    process = instance.start(files, PIP_FIND_LINKS=links)
    while not (found := list(environments.glob("*/requirements.txt"))):
        assert process.poll() is None
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)  # until pip, which has the pipe, has ended too
    (half,) = (path.parent for path in found)
    assert not (half / "complete").exists()
    (half / "left-over").touch()
    outcome = Instance(tmp_path / "next", environments).run(files, PIP_FIND_LINKS=links)
    assert outcome.lines[-1] == "1.0", outcome.output
    assert not (half / "left-over").exists()


def test_what_cannot_be_installed_fails_with_pip_s_words(
    tmp_path: Path, environments: Path
) -> None:
    files = {"train.py": SHOW, "requirements.txt": "no-such-package==1\n"}
    outcome = Instance(tmp_path / "job", environments).run(files)
    assert outcome.code == 1
    assert outcome.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage")
    assert "No matching distribution found for no-such-package==1" in outcome.failure
    assert 'Command "python -m pip install -r requirements.txt"' in outcome.failure
    assert not built(environments)


def test_requirements_beside_the_code_are_the_job_s_own(
    tmp_path: Path, environments: Path
) -> None:
    files = {"train.py": SHOW, "requirements.txt": "-r more.txt\n", "more.txt": "./package\n"}
    files |= {f"package/{name}": text for name, text in PACKAGE.items()}
    instance = Instance(tmp_path / "job", environments)
    outcome = instance.run(files)
    assert outcome.code == 0, outcome.output
    assert outcome.lines[-2].startswith(f"{instance.scratch}/python/")
    assert not built(environments)


def test_what_a_script_installs_itself_stays_with_it(tmp_path: Path, environments: Path) -> None:
    links = str(wheel(tmp_path / "wheels", "1.0"))
    install = "import subprocess\nsubprocess.run(['pip', 'install', '-q', 'mine'], check=True)\n"
    first = Instance(tmp_path / "a", environments)
    outcome = first.run({"train.py": install + SHOW}, PIP_FIND_LINKS=links)
    assert outcome.lines[-2].startswith(f"{first.scratch}/python/"), outcome.output
    assert Instance(tmp_path / "b", environments).run({"train.py": SHOW}).code == 1
