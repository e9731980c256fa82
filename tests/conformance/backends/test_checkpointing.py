"""Checkpoints of real programs: in at the start, out while they run and at their end."""

from __future__ import annotations

import io
from dataclasses import replace

from tests.conformance.backends.stage import BUCKET, Stage
from tuner.domain.definitions import CheckpointConfig
from tuner.domain.ports import Collected, Faulted
from tuner.domain.statuses import SecondaryStatus

CONFIG = CheckpointConfig(s3_uri=f"s3://{BUCKET}/saved")
STEP = """
    import os, pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    place = base / "checkpoints" / "step"
    step = int(place.read_text()) if place.exists() else 0
    place.write_text(str(step + 1))
    print(f"step {step + 1}", flush=True)
    """
WAIT = "time.sleep(60)"


def stored(stage: Stage) -> dict[str, str]:
    return {
        info.key.removeprefix("saved/"): stage.objects.open(BUCKET, info.key).read().decode()
        for info in stage.objects.list(BUCKET, "saved/")
    }


def test_a_program_finds_what_a_former_one_left(stage: Stage) -> None:
    for attempt in (1, 2):
        job = stage.job(STEP, attempt=attempt, checkpoints=CONFIG)
        stage.run(job)
        stage.backend.collect(job)
        stage.first(Collected, job.key)
        assert stored(stage) == {"step": str(attempt)}
        stage.backend.release(job.key)


def test_checkpoints_are_stored_while_the_program_runs(stage: Stage) -> None:
    job = stage.job(STEP + WAIT, checkpoints=CONFIG)
    stage.start(job)
    stage.wait(lambda: stored(stage) == {"step": "1"})
    stage.backend.stop(job, 60)
    stage.exits(job)


def test_a_later_owner_stores_what_is_left_of_an_interrupted_attempt(stage: Stage) -> None:
    job = stage.job(STEP + WAIT, checkpoints=CONFIG)
    stage.start(job)
    stage.wait_for_line(job, "step 1")
    stage.backend.stop(job, 60)
    stage.exits(job)
    stage.replace_owner()
    ended = replace(job, secondary_status=SecondaryStatus.INTERRUPTED)
    stage.backend.adopt([ended])
    stage.exits(ended)
    stage.backend.collect(ended)
    stage.first(Collected, ended.key)
    assert stored(stage) == {"step": "1"}


def test_every_instance_has_a_directory_of_its_own(private_stage: Stage) -> None:
    stage = private_stage
    stage.objects.put(BUCKET, "saved/given", io.BytesIO(b"x"))
    job = stage.job(
        """
        import os, pathlib
        place = pathlib.Path("/opt/ml/checkpoints")
        print(sorted(path.name for path in place.iterdir()))
        (place / os.uname().nodename).write_text("mine")
        """,
        instances=2,
        checkpoints=CONFIG,
    )
    stage.run(job)
    stage.backend.collect(job)
    stage.first(Collected, job.key)
    assert stage.texts(job) == ["['given']"] * 2
    assert stored(stage) == {"given": "x", "algo-1": "mine", "algo-2": "mine"}


def test_keys_that_are_no_file_names_are_the_users_to_mend(stage: Stage) -> None:
    stage.objects.put(BUCKET, "saved/../x", io.BytesIO(b"x"))
    job = stage.job("", checkpoints=CONFIG)
    stage.backend.prepare(job)
    failure = stage.first(Faulted, job.key).failure
    assert "saved/../x" in failure.reason
    assert failure.kind == "ClientError"
