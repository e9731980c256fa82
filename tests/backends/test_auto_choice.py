"""Which backend an image gets, and that an attempt keeps the one it was given to."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.conformance.backends.docker_stage import DockerStage, client
from tests.conformance.backends.process_stage import ProcessStage
from tests.conformance.backends.stage import Stage
from tuner.backends.auto import AutoBackend, Choice, Situation, choose
from tuner.backends.docker import DockerBackend
from tuner.backends.docker_engine import Engine
from tuner.backends.machine import machine_capacity
from tuner.backends.process import ProcessBackend
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Started

NOWHERE = "unix:///nowhere/docker.sock"


@pytest.mark.parametrize(
    ("mapped", "program", "here", "engine", "backend"),
    [
        (True, True, True, True, "process"),
        (False, True, True, True, "docker"),
        (False, True, False, True, "process"),
        (False, True, False, False, "process"),
        (False, False, True, True, "docker"),
        (False, False, False, True, "docker"),
        (False, False, False, False, "process"),
    ],
)
def test_the_choice(mapped: bool, program: bool, here: bool, engine: bool, backend: str) -> None:
    situation = Situation(mapped=mapped, program=program, here=here, engine=engine)
    assert choose(situation).backend == backend


def test_every_choice_says_why() -> None:
    assert choose(Situation(mapped=False, program=False, here=False, engine=False)) == Choice(
        "process", "no Docker engine answers"
    )


class AutoStage(DockerStage):
    """Jobs of numbers up to 9 have an image, the others a program of this machine."""

    address: str | None = None

    def __init__(self, home: Path) -> None:
        self.images: dict[str, str] = {}
        super().__init__(home)

    def owner(self) -> AutoBackend:  # type: ignore[override]
        engine = Engine(address=self.address)
        docker = DockerBackend(
            self.home, self.objects, self.logs, capacity=machine_capacity(), engine=engine
        )
        self.docker = docker
        process = ProcessBackend(
            self.home,
            self.objects,
            self.logs,
            image_map=self.images,
            capacity=machine_capacity(),
            namespaces=False,
        )
        backend = AutoBackend(process, docker, self.images)
        backend.start(self._post)
        return backend

    @property
    def home_id(self) -> str:
        return self.docker.home_id

    def image(self, source: str, name: str = "program") -> str:
        if name.removeprefix("program-").isdigit() and int(name[8:]) > 9:
            return ProcessStage.image(self, source, name)  # type: ignore[arg-type]
        return super().image(source, name)

    def close(self) -> None:
        self.backend.adopt([])
        places = [self.home / "containers", self.home / "attempts"]
        self.wait(lambda: not any(list(place.glob("*-*")) for place in places))
        Stage.close(self)


@pytest.fixture
def stage(tmp_path: Path) -> AutoStage:
    client()
    return AutoStage(tmp_path)


def ran_in(stage: AutoStage, job: TrainingJob) -> str:
    return "docker" if (stage.home / "containers" / str(job.key)).exists() else "process"


def test_attempts_stay_where_they_are_when_the_owner_changes(
    stage: AutoStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    forever = "import time; print('up', flush=True); time.sleep(60)"
    container, program = stage.job(forever, number=1), stage.job(forever, number=11)
    for job in (container, program):
        stage.start(job)
        stage.wait_for_line(job, "up")
    assert (ran_in(stage, container), ran_in(stage, program)) == ("docker", "process")
    assert "runs on the docker backend: the Docker engine has the image" in caplog.text
    assert "program-11 runs on the process backend: the image map names" in caplog.text
    stage.replace_owner()
    stage.images["amtlocal-test"] = "/nowhere"  # a new choice would be another one
    stage.backend.adopt([container, program])
    for job in (container, program):
        stage.first(Started, job.key)
        stage.backend.stop(job, 60)
        assert stage.exits(job)["algo-1"].code == -15
        stage.backend.release(job.key)
    stage.wait(lambda: not stage.containers(container))
    stage.close()


def test_without_an_engine_images_are_refused_with_both_reasons(tmp_path: Path) -> None:
    class Alone(AutoStage):
        address = NOWHERE

    stage = Alone(tmp_path)
    fault = stage.backend.image_fault("nobody/knows:this", user_code=False)
    assert fault is not None
    assert "TUNER_IMAGE_MAP" in fault
    assert "It cannot be run as a container: the Docker engine does not answer" in fault
    able = stage.backend.capabilities()
    assert (able.images, able.network_isolation) == (False, False)
    assert "does not answer" in able.images_note
    job = stage.job("print('ran')", number=11)
    assert stage.run(job)["algo-1"].code == 0
    stage.close()
