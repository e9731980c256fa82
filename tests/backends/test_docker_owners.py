"""Containers outlive their owner; those that others end are noticed; nothing is left behind."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.backends.docker_stage import DockerStage, client
from tests.conformance.backends.stage import BUCKET, with_image
from tuner.backends.docker_engine import Engine
from tuner.domain.definitions import CheckpointConfig
from tuner.domain.ports import Faulted, InstanceExited, Prepared, Started
from tuner.domain.statuses import FailureKind

COUNT = """
    import sys, time
    for number in range(3000):
        print(number, file=(sys.stdout, sys.stderr)[number % 2], flush=True)
        if number % 10 == 0:
            time.sleep(0.01)
    """


def within(stage: DockerStage, seconds: float) -> float:
    """Wait for the end of the attempt 1-1; the seconds that were left."""
    deadline = time.monotonic() + seconds
    stage.wait(lambda: any(isinstance(e, InstanceExited | Faulted) for e in stage.events))
    return deadline - time.monotonic()


def test_the_log_is_complete_and_without_repeats_however_often_the_owner_changes(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job(COUNT, instances=2)
    stage.start(job)
    for _ in range(8):
        time.sleep(0.2)
        stage.replace_owner()
        stage.backend.adopt([job])
        stage.first(Started, job.key)
    stage.exits(job)
    for host in ("algo-1", "algo-2"):
        numbers = [int(line.text) for line in stage.lines(job) if line.host == host]
        assert sorted(numbers) == list(range(3000))
        assert [n for n in numbers if n % 2] == list(range(1, 3000, 2))


def test_a_container_killed_from_outside_is_noticed_within_a_second(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("import time; print('up', flush=True); time.sleep(60)")
    stage.start(job)
    stage.wait_for_line(job, "up")
    stage.containers(job)[0].kill()
    assert within(stage, 1.0) > 0
    assert stage.exits(job)["algo-1"].code == -9


def test_a_container_removed_from_outside_is_noticed_within_a_second(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("import time; print('up', flush=True); time.sleep(60)")
    stage.start(job)
    stage.wait_for_line(job, "up")
    stage.containers(job)[0].remove(force=True)
    assert within(stage, 1.0) > 0
    (told,) = [event for event in stage.events if isinstance(event, InstanceExited | Faulted)]
    if isinstance(told, Faulted):  # it was gone before anybody could ask how it had ended
        assert told.failure.kind is FailureKind.INTERNAL
    else:
        assert told.code == -9


@pytest.mark.parametrize("watched", [True, False])
def test_the_checkpoints_of_a_container_that_is_gone_are_stored_before_its_fault_is_told(
    docker_stage: DockerStage, watched: bool
) -> None:
    stage = docker_stage
    job = stage.job(
        """
        import pathlib, time
        for number in range(300):
            pathlib.Path(f"/opt/ml/checkpoints/{number}").touch()
        print("up", flush=True)
        time.sleep(60)
        """,
        checkpoints=CheckpointConfig(s3_uri=f"s3://{BUCKET}/saved"),
    )
    stage.start(job)
    stage.wait_for_line(job, "up")
    if not watched:
        stage.backend.close()
    stage.containers(job)[0].remove(force=True)
    if not watched:
        stage.replace_owner()
        stage.backend.launch(job)
    stage.wait(lambda: any(isinstance(e, InstanceExited | Faulted) for e in stage.events))
    if not any(isinstance(event, Faulted) for event in stage.events):
        stage.backend.collect(job)
    stage.first(Faulted, job.key)
    assert len(list(stage.objects.list(BUCKET, "saved/"))) == 300


def test_containers_that_others_remove_at_the_same_time_are_gone_afterwards(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("import time; print('up', flush=True); time.sleep(60)", instances=3)
    stage.start(job)
    stage.wait_for_line(job, "up")
    with ThreadPoolExecutor(12) as others:
        for item in stage.containers(job) * 4:
            others.submit(item.remove, force=True)
        stage.backend.release(job.key)
        stage.wait(lambda: not stage.backend.holds(job.key))
    assert stage.containers(job) == []


def test_a_prepared_container_that_is_gone_at_its_launch_is_an_internal_error(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("")
    stage.backend.prepare(job)
    stage.wait(lambda: bool(stage.containers(job)))
    stage.wait(lambda: bool(stage.events))
    stage.containers(job)[0].remove()
    stage.backend.launch(job)
    failure = stage.first(Faulted, job.key).failure
    assert (failure.kind, "removed by somebody else" in failure.text) == (
        FailureKind.INTERNAL,
        True,
    )


def test_what_another_owner_prepared_is_made_anew_before_its_launch(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("import os; print(os.path.exists('/left-over'))", instances=2)
    stage.backend.prepare(job)
    stage.wait(lambda: bool(stage.events))
    stage.touch(job, "left-over")
    stage.replace_owner()
    stage.backend.adopt([job])
    stage.run(job)
    assert stage.texts(job) == ["False", "False"]


def test_a_stop_can_be_hurried(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job(
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"asked\\n"))
        print("up", flush=True)
        while True: time.sleep(1)
        """
    )
    stage.start(job)
    stage.wait_for_line(job, "up")
    stage.backend.stop(job, 60)
    stage.wait_for_line(job, "asked")
    stage.backend.stop(job, 0.2)
    assert stage.exits(job)["algo-1"].code == -9
    assert stage.texts(job) == ["up", "asked"]


def test_another_homes_containers_are_left_alone(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job("import time; time.sleep(60)")
    stage.start(job)
    other = DockerStage(stage.home / "other")
    foreign = client().containers.create("python:3.11-slim", labels={"amtlocal.host": "algo-1"})
    try:
        other.backend.adopt([])
        other.close()
        assert stage.alive(job)
        foreign.reload()
    finally:
        foreign.remove()


def test_a_job_that_is_released_while_it_runs_is_gone(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job("import time; time.sleep(60)", instances=2)
    stage.start(job)
    stage.backend.release(job.key)
    stage.wait(lambda: not stage.backend.holds(job.key))
    assert stage.containers(job) == []
    assert not [event for event in stage.events if isinstance(event, Faulted)]


def test_an_image_that_cannot_be_had_is_the_clients_fault(docker_stage: DockerStage) -> None:
    stage = docker_stage
    image = "localhost:1/nobody/knows:this"
    fault = stage.backend.image_fault(image, user_code=False)
    assert fault is not None
    assert fault.startswith(f"The training image {image!r} is not here and cannot be pulled: ")
    job = with_image(stage.job(""), image)
    stage.backend.prepare(job)
    failure = stage.first(Faulted, job.key).failure
    assert (failure.kind, failure.text[:30]) == (FailureKind.CLIENT, fault[:30])


class SlowEngine(Engine):
    """Is held where an image is prepared from a container."""

    def __init__(self) -> None:
        super().__init__()
        self.preparing, self.go_on, self.removed = (threading.Event() for _ in range(3))

    def put(self, container: str, directory: str, archive: bytes) -> None:
        self.preparing.set()
        assert self.go_on.wait(20)
        super().put(container, directory, archive)

    def remove(self, container: str) -> None:
        super().remove(container)
        self.removed.set()


def test_what_an_image_is_prepared_from_is_not_swept_away(docker_stage: DockerStage) -> None:
    stage = docker_stage
    stage.make_engine = SlowEngine
    stage.replace_owner()
    engine = stage.engine
    assert isinstance(engine, SlowEngine)
    job = stage.job("print('ran')")
    stage.backend.prepare(job)
    assert engine.preparing.wait(20)
    stage.backend.adopt([job])
    engine.removed.wait(1.0)
    engine.go_on.set()
    stage.run(job)
    assert stage.texts(job) == ["ran"]


def test_what_a_former_owner_prepared_an_image_from_is_swept_away(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    image = stage.job("").spec.algorithm_specification.training_image
    labels = {"amtlocal.home": stage.home_id}
    left = stage.engine.create(image=image, command=["train"], labels=labels, host={})
    stage.backend.adopt([])
    stage.wait(
        lambda: left not in [item["Id"] for item in stage.engine.containers("amtlocal.home")]
    )


def test_what_the_engine_says_of_a_path_of_ours_is_told_without_it(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    saved = CheckpointConfig(s3_uri=f"s3://{BUCKET}/saved")
    job = stage.job("", checkpoints=saved)
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    (stage.attempts() / str(job.key) / "algo-1" / "ml" / "checkpoints").rmdir()
    stage.backend.launch(job)
    text = stage.first(Faulted, job.key).failure.text
    assert "algo-1 cannot be started" in text
    assert str(stage.home) not in text
