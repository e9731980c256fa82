"""What becomes of training jobs when their engine goes away, and comes back or does not."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.docker_daemon import Daemon
from tests.conformance.backends.docker_stage import BASE, DockerStage, client
from tests.conformance.backends.stage import changed, with_image
from tuner.backends import docker_life
from tuner.backends.docker_connection import EngineUnavailable
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_start import note_launch
from tuner.backends.docker_watch import ended_by_engine, was_started
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Faulted, Prepared, Started
from tuner.domain.statuses import FailureKind

COUNT = """
import time
for number in range({lines}):
    print(number, flush=True)
    time.sleep(0.01)
"""
ENDS_WELL = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    client()
    daemon = Daemon(tmp_path_factory.mktemp("d"))
    daemon.start()
    daemon.copy(BASE)
    yield daemon
    daemon.close()


class RestartStage(DockerStage):
    def alive_in(self) -> int:
        return len(self.engine.containers(f"amtlocal.home={self.home_id}"))


@pytest.fixture
def restart_stage(daemon: Daemon, tmp_path: Path) -> Iterator[RestartStage]:
    daemon.stop(signal.SIGTERM)
    daemon.start()
    stage = RestartStage(tmp_path, lambda: Engine(20.0, daemon.address))
    yield stage
    stage.close()


def counting(stage: DockerStage, lines: int = 100_000, before: str = "") -> TrainingJob:
    program = before + COUNT.format(lines=lines)
    job = stage.job("", entrypoint=("python3", "-c", program))
    return changed(with_image(job, BASE), enable_network_isolation=True)


def started(stage: DockerStage, job: TrainingJob) -> None:
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    stage.backend.launch(job)
    stage.first(Started, job.key)
    stage.wait_for_line(job, "10")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_engine_is_an_internal_error_that_may_be_retried(
    restart_stage: RestartStage, daemon: Daemon, number: signal.Signals
) -> None:
    stage = restart_stage
    job = counting(stage)
    started(stage, job)
    daemon.stop(number)
    time.sleep(0.5)
    daemon.start()
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert "the Docker engine was restarted" in failure.text
    again = replace(counting(stage, 20), attempt=2)
    assert stage.run(again)["algo-1"].code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_that_no_owner_saw_is_the_same_internal_error(
    restart_stage: RestartStage, daemon: Daemon, number: signal.Signals
) -> None:
    stage = restart_stage
    job = counting(stage, before=ENDS_WELL)
    started(stage, job)
    stage.backend.close()
    daemon.stop(number)
    daemon.start()
    stage.replace_owner()
    stage.backend.adopt([job])
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert "the Docker engine was restarted" in failure.text


class DyingEngine(Engine):
    """The first container that it is to start may run when the engine is back, or not."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(20.0, daemon.address)
        self._daemon = daemon

    def start(self, container: str) -> None:
        self._daemon.stop(signal.SIGKILL)
        self._daemon.start()
        raise EngineUnavailable("it was killed while it served the request")


def test_a_container_that_an_engine_may_have_started_and_forgotten_is_not_started_again(
    restart_stage: RestartStage, daemon: Daemon
) -> None:
    stage = restart_stage
    stage.make_engine = lambda: DyingEngine(daemon)
    stage.replace_owner()
    job = counting(stage, 20)
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    stage.backend.launch(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert "the Docker engine was restarted" in failure.text


def test_a_launch_that_an_owner_did_not_live_to_see_is_made_by_the_next(
    restart_stage: RestartStage, daemon: Daemon
) -> None:
    stage = restart_stage
    job = counting(stage, 20)
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    container = next(iter(stage.engine.containers(f"amtlocal.home={stage.home_id}")))["Id"]
    note_launch(stage.engine, stage.attempts() / str(job.key))
    stage.replace_owner()
    stage.backend.adopt([job])
    stage.backend.launch(job)
    assert stage.exits(job)["algo-1"].code == 0
    assert was_started(stage.engine.state(container))


def test_what_ends_after_a_restart_ends_as_ever(
    restart_stage: RestartStage, daemon: Daemon
) -> None:
    stage = restart_stage
    job = counting(stage, 20)
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    assert stage.run(job)["algo-1"].code == 0


@pytest.mark.parametrize(
    ("code", "seconds_before", "by_it"),
    [(0, 5, True), (0, -5, False), (0, 3600, False), (-15, 3600, True), (255, 3600, True)],
)
def test_an_engine_has_ended_what_ended_with_it_or_by_a_signal(
    code: int, seconds_before: float, by_it: bool
) -> None:
    assert ended_by_engine(code, 10_000.0 - seconds_before, began=10_000.0) is by_it


def test_with_live_restore_the_program_goes_on_and_no_line_is_lost(
    restart_stage: RestartStage, daemon: Daemon
) -> None:
    stage = restart_stage
    daemon.stop(signal.SIGTERM)
    daemon.start("--live-restore")
    job = counting(stage, 600)
    started(stage, job)
    daemon.stop(signal.SIGKILL)
    time.sleep(0.5)
    daemon.start("--live-restore")
    assert stage.exits(job)["algo-1"].code == 0
    assert stage.texts(job) == [str(number) for number in range(600)]


def test_an_engine_that_stays_away_ends_the_job_and_is_cleaned_up_when_it_is_back(
    restart_stage: RestartStage, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = restart_stage
    monkeypatch.setattr(docker_life, "PATIENCE", 2.0)
    stage.replace_owner()
    job = counting(stage)
    started(stage, job)
    daemon.stop(signal.SIGKILL)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert "does not answer" in failure.text
    stage.backend.release(job.key)
    time.sleep(2.5)
    daemon.start()
    stage.wait(lambda: not stage.backend.holds(job.key))
    assert stage.alive_in() == 0


def test_an_engine_that_is_late_is_waited_for(restart_stage: RestartStage, daemon: Daemon) -> None:
    stage = restart_stage
    daemon.stop(signal.SIGTERM)
    job = counting(stage, 20)
    threading.Timer(1.0, daemon.start).start()
    stage.backend.prepare(job)
    assert stage.run(job)["algo-1"].code == 0
