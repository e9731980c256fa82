"""kill -9 of the owner while training jobs on spot instances are interrupted: every step of every
training job happens once, on whichever attempt."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.owner import CHECKPOINTS, SPOT_PLACES
from tests.crash.test_kill import Crash
from tuner.store.objects import FileObjects

JOBS = 6
STEPS = 8
TRAIN = """#!{python}
import os, pathlib, signal, time
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
def witness(kind, what):
    with open({witness!r} + "-" + kind, "a") as file:
        file.write(what + "\\n")
witness("attempts", os.path.basename(os.environ["TUNER_ATTEMPT"]))
name = os.environ["TRAINING_JOB_NAME"]
place = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints", name)
step = int(place.read_text()) if place.exists() else 0
while step < {steps} and not leaving:
    step += 1
    witness("steps", name + ":" + str(step))
    draft = place.with_suffix(".sagemaker-ignore")
    draft.write_text(str(step))
    draft.replace(place)
    print("loss=%d" % step, flush=True)
    time.sleep(0.03)
"""


class SpotCrash(Crash):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        train = TRAIN.format(python=sys.executable, witness=str(self.witness), steps=STEPS)
        (self.image / "train").write_text(train)
        self.environ |= {"CRASH_SPOT": "1", "CRASH_JOBS": str(JOBS)}

    def times(self, kind: str) -> Counter[str]:
        return Counter(Path(f"{self.witness}-{kind}").read_text().split())

    def checkpoints(self) -> dict[str, str]:
        objects = FileObjects(self.home / "objects")
        found = {
            info.key.rsplit("/", 1)[1]: objects.open(CHECKPOINTS, info.key).read().decode()
            for info in objects.list(CHECKPOINTS, "crash/")
        }
        objects.close()
        return found


@pytest.fixture
def crash(tmp_path: Path) -> Iterator[SpotCrash]:
    made = SpotCrash(tmp_path)
    yield made
    made.kill_keeper()


def assert_every_step_happened_once(crash: SpotCrash) -> None:
    found = crash.finish()
    assert found["HyperParameterTuningJobStatus"] == "Completed", found
    assert found["TrainingJobStatusCounters"]["Completed"] == JOBS
    jobs = crash.records()
    names = [job.name for job in jobs]
    assert crash.checkpoints() == dict.fromkeys(names, str(STEPS))
    expected = {f"{name}:{step}": 1 for name in names for step in range(1, STEPS + 1)}
    assert crash.times("steps") == expected
    assert set(crash.times("attempts").values()) == {1}
    assert any(job.interrupted for job in jobs)
    assert all(job.retries == 0 and job.objective_value == STEPS for job in jobs)


@pytest.mark.parametrize("place", SPOT_PLACES)
def test_an_owner_killed_around_an_interruption_loses_no_step(
    crash: SpotCrash, place: str
) -> None:
    dying = crash.owner(place, "2")
    dying.communicate(timeout=60)
    assert dying.returncode == -signal.SIGKILL
    assert_every_step_happened_once(crash)


def test_an_owner_killed_at_random_among_interruptions_loses_no_step(crash: SpotCrash) -> None:
    chance = random.Random(12)
    for _ in range(10):
        owner = crash.owner()
        time.sleep(chance.uniform(0.4, 0.8))
        owner.kill()
        owner.communicate(timeout=30)
    assert_every_step_happened_once(crash)
