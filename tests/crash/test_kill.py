"""kill -9 of the owner and of the keeper: nothing lost, nothing run twice, counters exact."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.owner import JOBS, NAME, PLACES
from tuner.backends.keeper_start import LOCK
from tuner.domain.jobs import Scope, TrainingJob
from tuner.service.ports import open_ports
from tuner.settings import Settings

ROOT = Path(__file__).parents[2]
TRAIN = """#!{python}
import os, time
with open({witness!r}, "a") as witness:
    witness.write(os.environ["TRAINING_JOB_NAME"] + "\\n")
time.sleep(0.05)
print("loss=0.5", flush=True)
"""


class Crash:
    """A home, a program that leaves a line for each time it ran, and owners that come and go."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.witness = directory / "witness"
        self.image = directory / "image"
        self.image.mkdir()
        train = self.image / "train"
        train.write_text(TRAIN.format(python=sys.executable, witness=str(self.witness)))
        train.chmod(0o755)
        self.environ = {**os.environ, "CRASH_IMAGE": str(self.image)}

    def owner(self, *where: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.crash.owner", str(self.home), *where]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> dict[str, Any]:
        """A last owner that is left in peace: the tuning job's Describe at its end."""
        process = self.owner()
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        return json.loads(out)  # type: ignore[no-any-return]

    def runs(self) -> Counter[str]:
        return Counter(self.witness.read_text().split())

    def keeper(self) -> int | None:
        """The keeper's process id, if one lives."""
        try:
            found = int((self.home / LOCK).read_text())
            command = Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):  # none yet, or that one is gone
            return None
        return found if str(self.home).encode() in command else None

    def kill_keeper(self) -> bool:
        found = self.keeper()
        if found is None:
            return False
        os.kill(found, signal.SIGKILL)
        return True

    def records(self) -> list[TrainingJob]:
        ports = open_ports(Settings(home=self.home, image_map={}))
        found = ports.records.find_tuning_job(
            Scope(account="123456789012", region="us-east-1"), NAME
        )
        assert found is not None
        jobs = list(ports.records.training_jobs_of(found.id))
        ports.records.close()
        return jobs


@pytest.fixture
def crash(tmp_path: Path) -> Iterator[Crash]:
    made = Crash(tmp_path)
    yield made
    made.kill_keeper()


def assert_exact(crash: Crash, found: dict[str, Any], jobs: int = JOBS) -> None:
    """The budget is used once, every training job ran exactly once."""
    assert found["HyperParameterTuningJobStatus"] == "Completed", found
    counters = found["TrainingJobStatusCounters"]
    assert counters == {
        "Completed": jobs,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }, [job.failure for job in crash.records() if job.failure]
    runs = crash.runs()
    assert len(runs) == jobs
    assert set(runs.values()) == {1}


@pytest.mark.parametrize("nth", [1, 4])
@pytest.mark.parametrize("place", PLACES)
def test_an_owner_killed_where_state_changes_loses_nothing(
    crash: Crash, place: str, nth: int
) -> None:
    dying = crash.owner(place, str(nth))
    dying.communicate(timeout=60)
    assert dying.returncode == -signal.SIGKILL
    assert_exact(crash, crash.finish())


def test_an_owner_killed_at_thirty_random_moments_loses_nothing(crash: Crash) -> None:
    crash.environ["CRASH_JOBS"] = "60"
    chance = random.Random(30)
    for _ in range(30):
        owner = crash.owner()
        time.sleep(chance.uniform(0.2, 0.7))
        owner.kill()
        owner.communicate(timeout=30)
    assert_exact(crash, crash.finish(), jobs=60)


def test_a_killed_keeper_takes_its_jobs_along_and_they_are_retried(crash: Crash) -> None:
    crash.environ |= {"CRASH_JOBS": "30", "CRASH_RETRIES": "30"}
    chance = random.Random(7)
    owner = crash.owner()
    killed = 0
    deadline = time.monotonic() + 60
    while killed < 4 and owner.poll() is None and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.1, 0.4))
        killed += crash.kill_keeper()
    out, err = owner.communicate(timeout=90)
    assert owner.returncode == 0, err
    found = json.loads(out)
    assert found["TrainingJobStatusCounters"]["Completed"] == 30
    attempts = {job.name: job.attempt for job in crash.records()}
    for name, times in crash.runs().items():
        assert times <= attempts[name]


def test_without_a_retry_strategy_a_killed_keeper_costs_only_what_ran(crash: Crash) -> None:
    owner = crash.owner()
    deadline = time.monotonic() + 30
    while not crash.witness.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert crash.kill_keeper()
    out, err = owner.communicate(timeout=90)
    assert owner.returncode == 0, err
    counters = json.loads(out)["TrainingJobStatusCounters"]
    assert counters["Completed"] + counters["RetryableError"] == JOBS
    assert 1 <= counters["RetryableError"] <= 3
    assert set(crash.runs().values()) == {1}
