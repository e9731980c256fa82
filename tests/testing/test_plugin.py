"""`tuner.testing` as the tests of other people's programs use it, in a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.conftest import replace_owner
from tests.owner.homes import IMAGE, alive, owner_pid, specification, until, write_program
from tuner.backends.processes import MARKER
from tuner.testing import serving

CONFTEST = 'pytest_plugins = ["tuner.testing"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a conftest.py; homes are made in its `temporary`."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "temporary").mkdir()
    return tmp_path


def run(project: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project / "test_theirs.py").write_text(textwrap.dedent(tests))
    environ = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(project)],
        cwd=project,
        env=environ | {"TMPDIR": str(project / "temporary"), "AWS_PROFILE": "nobody"},
        capture_output=True,
        text=True,
        timeout=100,
    )


def processes_below(directory: Path) -> list[str]:
    """Command lines of processes that name a home in the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command and "pytest" not in command:
            found.append(command)
    return found


def test_code_that_makes_its_own_clients_reaches_the_server(project: Path) -> None:
    done = run(
        project,
        """
        import os, subprocess, sys
        import boto3

        def program():
            boto3.client("s3").create_bucket(Bucket="theirs")

        def test_in_process(tuner_endpoint):
            program()
            buckets = tuner_endpoint.client("s3").list_buckets()["Buckets"]
            assert [item["Name"] for item in buckets] == ["theirs"]

        def test_each_test_has_its_own(tuner_endpoint):
            assert tuner_endpoint.client("s3").list_buckets()["Buckets"] == []
            sts = boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com")
            assert sts.meta.endpoint_url == tuner_endpoint.url

        def test_a_program_as_a_process(tuner_server):
            assert "AWS_ENDPOINT_URL" not in os.environ
            code = "import boto3; boto3.client('s3').create_bucket(Bucket='from-a-process')"
            subprocess.run([sys.executable, "-c", code], env=tuner_server.environment, check=True)

        def test_the_session_shares_one(tuner_environment, tuner_server):
            assert tuner_environment is tuner_server
            buckets = boto3.client("s3").list_buckets()["Buckets"]
            assert [item["Name"] for item in buckets] == ["from-a-process"]

        def test_the_environment_is_as_it_was():
            assert os.environ["AWS_PROFILE"] == "nobody"
            assert "AWS_ENDPOINT_URL" not in os.environ
            assert boto3.DEFAULT_SESSION is None
        """,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_nothing_is_left_of_a_test_that_failed_while_a_job_ran(project: Path) -> None:
    program = project / "program"
    program.mkdir()
    write_program(program)
    done = run(
        project,
        f"""
        import time, pytest

        @pytest.fixture(scope="session")
        def tuner_settings():
            return {{"image_map": {{{IMAGE!r}: {str(program)!r}}}, "cpus": 2}}

        def test_theirs(tuner_endpoint):
            sagemaker = tuner_endpoint.client("sagemaker")
            sagemaker.create_hyper_parameter_tuning_job(**{specification("theirs", mode="hang")!r})
            while True:
                jobs = sagemaker.list_training_jobs()["TrainingJobSummaries"]
                models = list(tuner_endpoint.home.glob("attempts/*/*/ml/model/model.txt"))
                if models: break
                time.sleep(0.05)
            raise RuntimeError("theirs fails")
        """,
    )
    assert done.returncode == 1
    assert "theirs fails" in done.stdout
    assert list((project / "temporary").glob("amtlocal-*")) == []
    until(lambda: not processes_below(project))
    assert not attempts_of(project)


def attempts_of(directory: Path) -> list[Path]:
    """Processes of training jobs with a home in the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARKER}={directory}".encode() in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


def test_workers_of_xdist_have_one_each(project: Path) -> None:
    done = run(
        project,
        """
        import pathlib, pytest

        @pytest.mark.parametrize("number", range(4))
        def test_theirs(tuner_server, worker_id, number):
            pathlib.Path(f"{worker_id}-{tuner_server.url.rpartition(':')[2]}.seen").touch()
            assert tuner_server.client("s3").list_buckets()["Buckets"] == []
        """,
        "-n2",
    )
    assert done.returncode == 0, done.stdout
    seen = [path.stem.split("-") for path in project.glob("*.seen")]
    assert len({worker for worker, _ in seen}) == len({port for _, port in seen}) == len(seen)


def test_a_temporary_home_is_gone_afterwards() -> None:
    with serving() as server:
        owner = owner_pid(server.home)
        assert server.client("s3", region_name="us-west-2").meta.region_name == "us-west-2"
    assert not alive(owner)
    assert not server.home.exists()


def test_settings_may_be_as_a_user_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("program").mkdir()
    write_program(Path("program"))
    with serving(image_map={IMAGE: "program"}, idle_seconds=1.4, cpus=2) as server:
        sagemaker = server.client("sagemaker")
        sagemaker.create_hyper_parameter_tuning_job(**specification("theirs", jobs=1))


def test_a_home_that_was_given_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home, idle_seconds=1, account="210987654321") as server:
        server.client("s3").create_bucket(Bucket="kept")
        owner = owner_pid(home)
    until(lambda: not alive(owner))
    with serving(home, idle_seconds=1) as again:
        assert [item["Name"] for item in again.client("s3").list_buckets()["Buckets"]] == ["kept"]
        owner = owner_pid(home)
    until(lambda: not alive(owner))


def test_the_server_is_back_after_its_owner_was_killed() -> None:
    with serving() as server:
        replace_owner(server.home, server.url)
        assert server.client("s3").list_buckets()["Buckets"] == []


def test_without_pytest_and_boto3_there_is_still_a_server() -> None:
    code = """
import sys
sys.modules["pytest"] = None
sys.modules["boto3"] = None
import importlib.util
importlib.util.find_spec = (lambda find: lambda name, package=None:
    None if name in ("pytest", "boto3") else find(name, package))(importlib.util.find_spec)
import tuner.testing
assert not hasattr(tuner.testing, "tuner_endpoint")
with tuner.testing.serving() as server:
    try:
        server.client("s3")
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Server.client needs boto3: pip install boto3\n", "")
