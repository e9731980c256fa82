"""An image is pulled from a registry, and whoever waits for it is told how far that is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.backends.image_registry import PAYLOAD, Registry, serving
from tests.conformance.backends.docker_stage import DockerStage
from tests.conformance.backends.stage import with_image
from tuner.backends import docker_pull
from tuner.backends.docker_pull import Layers
from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import Collected, Prepared, Preparing


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving("echo pulled and run") as found:
        yield found


def messages(stage: DockerStage, key: AttemptKey) -> list[str]:
    found = [event for event in list(stage.events) if isinstance(event, Preparing)]
    return [event.message for event in found if event.key == key]


def prepare(stage: DockerStage, number: int, registry: Registry) -> TrainingJob:
    job = with_image(stage.job("", number=number), registry.image)
    stage.backend.prepare(job)
    return job


def test_an_image_is_pulled_once_for_all_who_wait_and_run(
    registry: Registry, docker_stage: DockerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = docker_stage
    monkeypatch.setattr(docker_pull, "_TELL_EVERY", 0.0)
    assert stage.backend.image_fault(registry.image, user_code=False) is None
    jobs = [prepare(stage, number, registry) for number in (1, 2)]
    begin = f"Downloading the training image {registry.image}"
    so_far = re.compile(rf"{re.escape(begin)}: \d of {registry.layers} layers, (\d\.\d) MB")

    def megabytes(job: TrainingJob) -> float:
        matched = [so_far.fullmatch(message) for message in messages(stage, job.key)]
        return max((float(match[1]) for match in matched if match is not None), default=0.0)

    stage.wait(lambda: all(megabytes(job) > 1 for job in jobs))
    registry.free.set()
    for job in jobs:
        stage.first(Prepared, job.key)
        said = messages(stage, job.key)
        assert said[0].startswith(begin)
        assert said[-1] == "Training image download completed. Downloading input data"
    assert messages(stage, jobs[0].key)[0] == begin
    stage.run(jobs[0])
    stage.backend.collect(jobs[0])
    stage.first(Collected, jobs[0].key)
    assert stage.texts(jobs[0]) == ["pulled and run"]


def test_a_pull_is_told_of_every_few_seconds_only(
    registry: Registry, docker_stage: DockerStage
) -> None:
    registry.free.set()
    job = prepare(docker_stage, 1, registry)
    docker_stage.first(Prepared, job.key)
    assert len(messages(docker_stage, job.key)) < 5


def test_layers_are_counted_as_the_engine_tells_of_them() -> None:
    layers = Layers()
    assert str(layers) == ""
    told = [
        {"status": "Pulling from library/some", "id": "latest"},
        {"status": "Already exists", "progressDetail": {}, "id": "a"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
        {"status": "Waiting", "progressDetail": {}, "id": "c"},
        {"status": "Downloading", "progressDetail": {"current": 500_000, "total": 9}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": PAYLOAD, "total": 9}, "id": "b"},
        {"status": "Extracting", "progressDetail": {"current": 1, "total": 9}, "id": "b"},
        {"status": "Pull complete", "progressDetail": {}, "id": "b"},
        {"status": "Digest: sha256:0"},
    ]
    for step in told:
        layers.take(step)
    assert str(layers) == ": 2 of 3 layers, 4.0 MB"
