"""Which containers get which GPUs, and what becomes of those that ask for some where none are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends.docker_stage import DockerStage, client
from tests.conformance.backends.stage import changed
from tuner.backends.docker import DockerBackend
from tuner.backends.docker_plan import free_gpus
from tuner.backends.machine import machine_capacity
from tuner.domain.definitions import ResourceConfig
from tuner.domain.jobs import Resources, TrainingJob
from tuner.domain.ports import Faulted, Prepared
from tuner.domain.statuses import FailureKind

GPUS = "amtlocal.gpus"


def listed(state: str, gpus: str | None) -> Mapping[str, Any]:
    """A container as the engine lists it."""
    return {"State": state, "Labels": {} if gpus is None else {GPUS: gpus}}


def test_the_first_free_devices_are_chosen_and_no_more_than_wanted() -> None:
    assert free_gpus(4, [], 1) == ["0"]
    assert free_gpus(4, [], 4) == ["0", "1", "2", "3"]
    assert free_gpus(4, [], 0) == []


def test_devices_of_other_jobs_are_not_free() -> None:
    several = [listed("running", "0"), listed("running", "2,3")]
    assert free_gpus(4, several, 1) == ["1"]
    assert free_gpus(6, several, 2) == ["1", "4"]
    assert free_gpus(6, [*several, listed("running", "1,4,5")], 1) == []


def test_a_device_is_known_by_its_whole_id() -> None:
    assert free_gpus(12, [listed("running", "11")], 2) == ["0", "1"]


def test_a_container_holds_its_devices_from_its_making_to_its_end() -> None:
    for state, free in (("created", "1"), ("running", "1"), ("exited", "0"), ("dead", "0")):
        assert free_gpus(2, [listed(state, "0")], 1) == [free], state


def test_containers_without_devices_hold_none() -> None:
    assert free_gpus(1, [listed("running", ""), listed("running", None)], 1) == ["0"]


def test_fewer_are_given_where_fewer_are_free() -> None:
    assert free_gpus(2, [listed("running", "1")], 2) == ["0"]
    assert free_gpus(0, [], 4) == []


class GpuStage(DockerStage):
    """An owner that believes in two GPUs; the engine is this machine's."""

    def owner(self) -> DockerBackend:
        self.engine = self.make_engine()
        capacity = replace(machine_capacity(), gpus=2)
        backend = DockerBackend(
            self.home, self.objects, self.logs, capacity=capacity, engine=self.engine
        )
        backend.start(self._post)
        return backend

    def devices(self, job: TrainingJob) -> list[list[str]]:
        """The ids that each container of a job asks the engine for."""
        given = [item.attrs["HostConfig"]["DeviceRequests"] for item in self.containers(job)]
        return [[name for item in asked or () for name in item["DeviceIDs"]] for asked in given]

    def prepare(self, job: TrainingJob) -> None:
        self.backend.prepare(job)
        self.first(Prepared, job.key)


@pytest.fixture
def gpu_stage(tmp_path: Path) -> Iterator[GpuStage]:
    client()
    stage = GpuStage(tmp_path)
    yield stage
    stage.close()


def on_gpus(
    stage: DockerStage, number: int = 1, source: str = "", instances: int = 1
) -> TrainingJob:
    """Each of its instances has one GPU on AWS."""
    config = ResourceConfig(instance_type="ml.g4dn.xlarge", instance_count=instances)
    job = changed(stage.job(source, number=number), resource_config=config)
    gpus = stage.backend.capacity().gpus
    return replace(job, resources=Resources(cpus=1, memory_mib=256, gpus=gpus))


def test_no_two_jobs_have_a_device_whoever_owns_them(gpu_stage: GpuStage) -> None:
    stage = gpu_stage
    first, second, third, fourth = (on_gpus(stage, number) for number in range(1, 5))
    stage.prepare(first)
    assert stage.devices(first) == [["0"]]
    stage.replace_owner()
    stage.backend.adopt([first])
    stage.prepare(second)
    assert stage.devices(second) == [["1"]]
    stage.backend.release(first.key)
    stage.wait(lambda: not stage.backend.holds(first.key))
    stage.prepare(third)
    assert stage.devices(third) == [["0"]]
    stage.prepare(fourth)
    assert stage.devices(fourth) == [[]]


def test_instances_of_one_job_have_devices_of_their_own(gpu_stage: GpuStage) -> None:
    stage = gpu_stage
    job = on_gpus(stage, instances=2)
    stage.prepare(job)
    assert stage.devices(job) == [["0"], ["1"]]


def test_a_gpu_type_on_a_machine_without_gpus_runs_without_devices(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    assert stage.backend.capacity().gpus == 0
    job = on_gpus(stage, source="print('ran')")
    assert stage.run(job)["algo-1"].code == 0
    assert stage.texts(job) == ["ran"]
    (container,) = stage.containers(job)
    assert not container.attrs["HostConfig"]["DeviceRequests"]


def test_devices_that_the_engine_cannot_give_are_an_internal_error(gpu_stage: GpuStage) -> None:
    if "nvidia" in client().info()["Runtimes"]:
        pytest.skip("needs an engine without GPUs")
    stage = gpu_stage
    job = on_gpus(stage)
    stage.prepare(job)
    stage.backend.launch(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    assert "algo-1 cannot be started" in failure.text and "gpu" in failure.text
