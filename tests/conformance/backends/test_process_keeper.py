"""What becomes of process attempts when their keeper dies."""

from __future__ import annotations

import os
import signal

from tests.conformance.backends.process_stage import ProcessStage
from tests.conformance.backends.stage import BROOD, BUCKET
from tuner.backends import processes
from tuner.backends.keeper_client import LOG
from tuner.domain.definitions import CheckpointConfig, InputMode
from tuner.domain.ports import Faulted, InstanceExited
from tuner.domain.statuses import FailureKind


def test_a_killed_keeper_takes_its_instances_along_and_the_job_may_be_retried(
    process_stage: ProcessStage,
) -> None:
    stage = process_stage
    job = stage.job(BROOD)
    stage.start(job)
    stage.wait_for_line(job, "orphan")
    os.kill(stage.keeper_pid(), signal.SIGKILL)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert failure.text == (
        "We encountered an internal error. Please try again. "
        "(the process keeper ended unexpectedly)"
    )
    assert not stage.alive(job)
    again = stage.job("print('again')", attempt=2)
    assert stage.run(again)["algo-1"].code == 0


def test_a_keeper_killed_without_an_owner_is_found_out(process_stage: ProcessStage) -> None:
    stage = process_stage
    done, lost = stage.job("", number=2), stage.job("import time; time.sleep(60)")
    stage.run(done)
    stage.start(lost)
    stage.backend.close()
    os.kill(stage.keeper_pid(), signal.SIGKILL)
    stage.events.clear()
    stage.backend = stage.owner()
    stage.backend.adopt([done, lost])
    stage.first(Faulted, lost.key)
    assert stage.exits(done)["algo-1"].code == 0
    assert not stage.alive(lost)


def test_a_launch_is_not_repeated_by_a_new_keeper(process_stage: ProcessStage) -> None:
    stage = process_stage
    job = stage.job("print('ran', flush=True); import time; time.sleep(60)")
    stage.start(job)
    stage.wait_for_line(job, "ran")
    os.kill(stage.keeper_pid(), signal.SIGKILL)
    stage.first(Faulted, job.key)
    stage.events.clear()
    stage.backend.launch(job)
    stage.first(Faulted, job.key)
    assert stage.texts(job) == ["ran"]


def test_what_a_program_saved_is_stored_though_no_keeper_starts_any_more(
    process_stage: ProcessStage,
) -> None:
    stage = process_stage
    saved = CheckpointConfig(s3_uri=f"s3://{BUCKET}/saved")
    job = stage.job("import time; time.sleep(60)", checkpoints=saved)
    stage.start(job)
    stage.backend.close()
    os.kill(stage.keeper_pid(), signal.SIGKILL)
    stage.wait(lambda: not stage.alive(job))
    tree = stage.attempts() / str(job.key) / "algo-1" / "ml"
    (tree / "checkpoints" / "step").write_text("1")
    log = stage.home / LOG
    log.unlink()
    log.mkdir()
    stage.events.clear()
    stage.backend = stage.owner()
    stage.backend.launch(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.text.endswith("(the process keeper does not start: Is a directory)")
    assert stage.objects.head(BUCKET, "saved/step") is not None
    log.rmdir()


def test_the_end_of_a_stream_that_broke_off_is_no_success_though_the_keeper_is_late(
    process_stage: ProcessStage,
) -> None:
    stage = process_stage
    job = stage.job(
        """
        import os, time
        data = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml") + "/input/data"
        with open(data + "/train_0", "rb", buffering=0) as fifo:
            fifo.read(1)
            print("reads", flush=True)
            while not os.path.exists("go"): time.sleep(0.01)
            while fifo.read(1 << 20): pass
        """,
        channels=[stage.channel("train", {"a": b"x" * (8 << 20)}, mode=InputMode.PIPE)],
    )
    stage.start(job)
    stage.wait_for_line(job, "reads")
    keeper = stage.keeper_pid()
    feeder = min(item.pid for item in processes.table().values() if item.parent == keeper)
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(feeder, signal.SIGKILL)
        stage.touch(job, "go")
        stage.wait(lambda: not stage.alive(job))
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert "ended unexpectedly" in stage.first(Faulted, job.key).failure.text
    assert not any(isinstance(event, InstanceExited) for event in stage.events)
