"""The owner as a process: one per home, started on demand, gone when idle, replaced when lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.owner.homes import (
    alive,
    environment,
    owned,
    owner_pid,
    settings_of,
    specification,
    until,
    write_program,
)
from tuner.client import Client, OwnerUnavailable
from tuner.domain.errors import AwsError, ResourceInUse
from tuner.settings import Settings

LIST = "ListHyperParameterTuningJobs"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    (tmp_path / "program").mkdir()
    program = write_program(tmp_path / "program")
    with owned(tmp_path / "home") as home:
        yield settings_of(environment(home, program))


def owner(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuner.owner", "--home", str(settings.home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_first_call_starts_an_owner_that_others_find(settings: Settings) -> None:
    assert Client(settings).call(LIST) == {"HyperParameterTuningJobSummaries": []}
    pid = owner_pid(settings.home)
    Client(settings).call(LIST)
    assert owner_pid(settings.home) == pid
    assert os.getsid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


def test_an_owner_lets_itself_open_many_files(settings: Settings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        Client(settings).call(LIST)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(owner_pid(settings.home), resource.RLIMIT_NOFILE)[0] == min(hard, 8192)


def test_only_the_user_can_reach_home_and_socket(settings: Settings) -> None:
    settings.home.mkdir(mode=0o755)
    Client(settings).call(LIST)
    assert settings.home.stat().st_mode & 0o777 == 0o700
    assert (settings.home / "owner.sock").stat().st_mode & 0o777 == 0o600
    assert (settings.home / "owner.lock").stat().st_mode & 0o777 == 0o600


def test_a_second_owner_is_refused(settings: Settings) -> None:
    Client(settings).call(LIST)
    for arguments in ((), ("--detach",)):
        second = owner(settings, *arguments)
        assert second.returncode == 75
        assert second.stderr == f"tuner: another process owns {settings.home}\n"
    Client(settings).call(LIST)


def test_many_first_clients_at_once_share_one_owner(settings: Settings) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: Client(settings).call(LIST), range(6)))
    assert answers == [{"HyperParameterTuningJobSummaries": []}] * 6
    log = (settings.home / "owner.log").read_text()
    assert log.count(" owns ") == 1


def test_a_killed_owner_is_replaced_and_nothing_is_forgotten(settings: Settings) -> None:
    client = Client(settings)
    client.call("CreateHyperParameterTuningJob", **specification("kept"))
    os.kill(owner_pid(settings.home), signal.SIGKILL)
    described = client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="kept")
    assert described["HyperParameterTuningJobName"] == "kept"
    with pytest.raises(ResourceInUse):
        client.call("CreateHyperParameterTuningJob", **specification("kept"))


def test_an_owner_killed_while_training_runs_can_be_replaced(settings: Settings) -> None:
    client = Client(settings)
    client.call("CreateHyperParameterTuningJob", **specification("long", mode="hang"))

    def running() -> int:
        described = client.call(
            "DescribeHyperParameterTuningJob", HyperParameterTuningJobName="long"
        )
        return int(described["TrainingJobStatusCounters"]["InProgress"])

    until(lambda: running() == 1)
    killed = owner_pid(settings.home)
    os.kill(killed, signal.SIGKILL)
    assert running() == 1
    assert owner_pid(settings.home) != killed


def test_an_idle_owner_ends_and_leaves_no_socket(settings: Settings) -> None:
    idle = replace(settings, idle_seconds=1)
    Client(idle).call(LIST)
    pid = owner_pid(settings.home)
    until(lambda: not alive(pid))
    assert not (settings.home / "owner.sock").exists()
    Client(idle).call(LIST)
    assert owner_pid(settings.home) != pid


def test_an_owner_with_a_running_job_is_not_idle(settings: Settings) -> None:
    client = Client(replace(settings, idle_seconds=1))
    client.call("CreateHyperParameterTuningJob", **specification("long", mode="hang"))
    pid = owner_pid(settings.home)
    threading.Event().wait(2.5)
    assert alive(pid)


def test_calls_while_owners_come_and_go_all_succeed(settings: Settings) -> None:
    over = threading.Event()

    def call_on() -> int:
        client, count = Client(settings), 0
        while not over.is_set():
            client.call(LIST)
            count += 1
        return count

    Client(settings).call(LIST)
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(call_on) for _ in range(4)]
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGTERM):
            pid = owner_pid(settings.home)
            os.kill(pid, number)
            until(lambda gone=pid: owner_pid_now(settings) not in (None, gone))
        over.set()
        assert all(caller.result() > 0 for caller in callers)
    assert "Traceback" not in (settings.home / "owner.log").read_text()


def owner_pid_now(settings: Settings) -> int | None:
    """The pid of an owner that serves; None while there is none."""
    try:
        pid = owner_pid(settings.home)
    except ValueError:
        return None
    return pid if alive(pid) and (settings.home / "owner.sock").exists() else None


def test_a_home_with_a_long_path_works(settings: Settings) -> None:
    deep = settings.home.parent.joinpath(*["a-directory-with-a-long-name"] * 6)
    with owned(deep):
        Client(replace(settings, home=deep)).call(LIST)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpus": -1}, "TUNER_CPUS must be a whole number from 1 up, not '-1'."),
        ({"backend": "nonsense"}, "nonsense"),
    ],
)
def test_an_owner_that_cannot_start_tells_why(
    settings: Settings, change: dict[str, object], said: str
) -> None:
    with pytest.raises(OwnerUnavailable, match="could not start") as caught:
        Client(replace(settings, **change)).call(LIST)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_home_that_is_a_file_is_told(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OwnerUnavailable, match=str(file)):
        Client(replace(settings, home=file)).call(LIST)


def test_an_owner_in_the_foreground_ends_with_status_0(settings: Settings) -> None:
    command = [sys.executable, "-m", "tuner.owner", "--home", str(settings.home)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until((settings.home / "owner.sock").exists)
    Client(settings).call(LIST)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


def test_an_idle_owner_makes_way_for_the_settings_of_a_new_job(settings: Settings) -> None:
    Client(replace(settings, image_map={})).call(LIST)
    first = owner_pid(settings.home)
    Client(settings).call("CreateHyperParameterTuningJob", **specification("mapped"))
    assert owner_pid(settings.home) != first
    assert not alive(first)


def test_running_jobs_keep_the_settings_that_they_were_created_with(settings: Settings) -> None:
    hanging = specification("counting", mode="hang")
    Client(settings).call("CreateHyperParameterTuningJob", **hanging)
    pid = owner_pid(settings.home)
    other = Client(replace(settings, cpus=3))
    with pytest.raises(AwsError, match="another value of TUNER_CPUS"):
        other.call("CreateHyperParameterTuningJob", **specification("other"))
    plain = Client(Settings(home=settings.home, region=settings.region))
    plain.call("CreateHyperParameterTuningJob", **specification("plain"))
    assert len(other.call(LIST)["HyperParameterTuningJobSummaries"]) == 2
    assert owner_pid(settings.home) == pid
