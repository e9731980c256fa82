"""FIFOs of containers: who may read them, and what is left of those who fed them."""

from __future__ import annotations

import os
import signal
import time

from tests.conformance.backends.docker_stage import BASE, DockerStage, build
from tests.conformance.backends.stage import with_image
from tuner.backends import processes
from tuner.domain.definitions import InputMode
from tuner.domain.ports import Collected, Faulted

AS_NOBODY = f"""
FROM {BASE}
COPY train /usr/local/bin/train
USER 12345:23456
"""
READ = b"#!/bin/sh\nid -u\ncat /opt/ml/input/data/train_0 /opt/ml/input/data/train_1\n"


def keeper(stage: DockerStage) -> int:
    return int((stage.home / "containers" / "keeper.lock").read_text())


def test_whatever_user_an_image_runs_as_may_read(docker_stage: DockerStage) -> None:
    stage = docker_stage
    stage.home.chmod(0o700)
    channel = stage.channel("train", {"a": b"data\n"}, mode=InputMode.PIPE)
    job = with_image(stage.job("", channels=[channel]), build(AS_NOBODY, {"train": READ}))
    assert stage.run(job)["algo-1"].code == 0
    assert stage.texts(job) == ["12345", "data", "data"]


def test_who_feeds_ends_with_the_last_attempt_and_the_owner(docker_stage: DockerStage) -> None:
    stage = docker_stage
    channel = stage.channel("train", {"a": b"data"}, mode=InputMode.PIPE)
    jobs = [stage.job("", number=number, channels=[channel]) for number in (1, 2)]
    for job in jobs:
        stage.run(job)
    pid = keeper(stage)
    assert len(processes.tree(pid, processes.table())) == 2
    for job in jobs:
        stage.backend.release(job.key)
    stage.wait(lambda: not processes.tree(pid, processes.table()))
    stage.replace_owner()
    deadline = time.monotonic() + 30
    while processes.find(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_is_started_for_containers_without_pipes(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job("print('ran')", channels=[stage.channel("train", {"a": b"1"})])
    stage.run(job)
    assert stage.texts(job) == ["ran"]
    assert not (stage.home / "containers" / "keeper.lock").exists()


def test_a_stream_that_broke_off_is_found_however_soon_the_program_ends(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    channel = stage.channel("train", {"a": b"data"}, mode=InputMode.PIPE)
    job = stage.job("", channels=[channel])
    stage.run(job)
    os.kill(keeper(stage), signal.SIGKILL)
    stage.backend.collect(job)
    assert "ended unexpectedly" in stage.first(Faulted, job.key).failure.text


def test_outputs_are_collected_again_by_a_later_owner(docker_stage: DockerStage) -> None:
    stage = docker_stage
    channel = stage.channel("train", {"a": b"data"}, mode=InputMode.PIPE)
    job = stage.job("", channels=[channel])
    stage.run(job)
    for _ in range(2):
        stage.backend.collect(job)
        stage.first(Collected, job.key)
        assert not processes.tree(keeper(stage), processes.table())
        stage.replace_owner()
        stage.backend.adopt([job])
        stage.exits(job)
