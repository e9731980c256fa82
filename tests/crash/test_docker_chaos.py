"""Containers killed, owners killed, the engine killed: budgets and counters are exact, nothing ran
twice and nothing is left behind. CHAOS_JOBS and CHAOS_SEED choose a longer or another run."""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.backends.docker_daemon import Daemon
from tests.conformance.backends.docker_stage import DOCKERFILE, build, client
from tests.crash.docker_chaos import (
    CHECKPOINTS,
    PLAIN,
    RETRIES,
    SPOT,
    STEPS,
    TRAIN,
    Chaos,
    Witness,
    tuning_job,
)
from tuner.backends.docker_engine import Engine
from tuner.domain.jobs import AttemptKey, Scope, TrainingJob
from tuner.domain.statuses import FailureKind, ObjectiveStatus, TrainingJobStatus
from tuner.service.ports import Ports, open_ports

JOBS = int(os.environ.get("CHAOS_JOBS", 16))
SEED = int(os.environ.get("CHAOS_SEED", 1))
BUDGET = {PLAIN: JOBS, SPOT: JOBS // 4}


@pytest.fixture
def image() -> str:
    client()
    return build(DOCKERFILE, {"train": TRAIN.encode()})


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("d"))
    daemon.start()
    daemon.copy(image)
    yield daemon
    daemon.close()


@pytest.fixture
def witness(daemon: Daemon) -> Iterator[Witness]:
    witness = Witness(Engine(5.0, daemon.address).host_address())
    yield witness
    witness.close()


@pytest.mark.timeout(1200)
def test_chaos_costs_no_training_job_its_place_and_leaves_nothing(
    tmp_path: Path,
    daemon: Daemon,
    witness: Witness,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", daemon.address)
    chaos = Chaos(tmp_path / "home", daemon, SEED, BUDGET)
    for name, jobs in BUDGET.items():
        request = tuning_job(name, image, witness.address, jobs, 4 if name == PLAIN else 2)
        chaos.client.call("CreateHyperParameterTuningJob", **request)
    chaos.unleash()
    described = {
        name: chaos.client.call(
            "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name
        )
        for name in BUDGET
    }
    chaos.end_owner()

    ports = open_ports(chaos.settings)
    try:
        jobs = {name: jobs_of(ports, name) for name in BUDGET}
        for name, found in described.items():
            assert found["HyperParameterTuningJobStatus"] == "Completed", found
            assert len(jobs[name]) == BUDGET[name]
            assert [job.number for job in jobs[name]] == list(range(1, BUDGET[name] + 1))
            assert found["TrainingJobStatusCounters"] == status_counters(jobs[name])
            assert found["ObjectiveStatusCounters"] == objective_counters(jobs[name])
        everything = [job for found in jobs.values() for job in found]
        assert_ended_as_they_must(everything, chaos)
        assert_ran_once(everything, ports, witness)
        for job in everything:
            assert_whole(job, ports)
    finally:
        ports.close()
    assert not any((chaos.settings.home / "containers").iterdir())
    assert chaos.left_behind() == {
        "containers": [],
        "networks": [],
        "volumes": [],
        "images": [image],
    }


def jobs_of(ports: Ports, name: str) -> list[TrainingJob]:
    scope = Scope(account="123456789012", region="eu-north-1")
    found = ports.records.find_tuning_job(scope, name)
    assert found is not None
    return sorted(ports.records.training_jobs_of(found.id), key=lambda job: job.number or 0)


def status_counters(jobs: Sequence[TrainingJob]) -> dict[str, int]:
    """From nothing but the training jobs."""
    internal = [job.failure and job.failure.kind is FailureKind.INTERNAL for job in jobs]
    statuses = Counter(job.status for job in jobs)
    return {
        "Completed": statuses[TrainingJobStatus.COMPLETED],
        "InProgress": 0,
        "RetryableError": internal.count(True),
        "NonRetryableError": statuses[TrainingJobStatus.FAILED] - internal.count(True),
        "Stopped": statuses[TrainingJobStatus.STOPPED],
    }


def objective_counters(jobs: Sequence[TrainingJob]) -> dict[str, int]:
    statuses = Counter(job.objective_status for job in jobs)
    return {
        "Succeeded": statuses[ObjectiveStatus.SUCCEEDED],
        "Pending": 0,
        "Failed": statuses[ObjectiveStatus.FAILED],
    }


def assert_ended_as_they_must(jobs: Sequence[TrainingJob], chaos: Chaos) -> None:
    """Only who was killed has failed, and what was not the program's fault was retried."""
    for job in jobs:
        assert job.status in (TrainingJobStatus.COMPLETED, TrainingJobStatus.FAILED), job
        if job.status is TrainingJobStatus.COMPLETED:
            continue
        assert job.failure is not None
        assert job.name in chaos.killed.values(), (job.name, job.failure)
        if job.failure.kind is FailureKind.ALGORITHM:
            assert job.failure.exit_code == -9, job.failure
        else:
            assert (job.failure.kind, job.retries) == (FailureKind.INTERNAL, RETRIES)
    assert any(job.interrupted for job in jobs)


def texts(ports: Ports, key: AttemptKey) -> list[str]:
    return [line.text for line in ports.logs.read(key, 0, 10_000)[0]]


def assert_ran_once(jobs: Sequence[TrainingJob], ports: Ports, witness: Witness) -> None:
    """No container began twice, and each attempt has one container at most."""
    assert set(Counter(start.container for start in witness.starts).values()) == {1}
    seen: Counter[str] = Counter()
    for job in jobs:
        runs: list[str] = []
        for number in range(1, job.attempt + 1):
            lines = texts(ports, AttemptKey(job.id, number))
            begun = [line.split()[1] for line in lines if line.startswith("begin ")]
            assert len(begun) <= 1, (job.name, number, begun)
            runs += begun
        told = [start.run for start in witness.starts if start.job == job.name]
        assert len(told) <= job.attempt
        seen.update(told)
        if job.status is TrainingJobStatus.COMPLETED:
            assert runs[-1] == told[-1]
    assert sum(seen.values()) == len(witness.starts)


def steps_of(lines: Sequence[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("step ")]


def assert_whole(job: TrainingJob, ports: Ports) -> None:
    """A completed job has its whole log, its objective and the model of its last attempt."""
    if job.status is not TrainingJobStatus.COMPLETED:
        return
    lines = texts(ports, job.key)
    run = lines[0].removeprefix("begin ")
    assert lines[-1] == f"end {run}"
    steps = steps_of(lines)
    first = 1 if job.spec.checkpoint_config is None else STEPS + 1 - len(steps)
    assert steps == list(range(first, STEPS + 1))
    assert len(lines) == len(steps) + 3
    assert job.objective_value == STEPS
    bucket, _, prefix = job.output_prefix.removeprefix("s3://").partition("/")
    with ports.objects.open(bucket, f"{prefix}/model.tar.gz") as packed:
        archive = tarfile.open(fileobj=io.BytesIO(packed.read()))  # noqa: SIM115
        content = archive.extractfile("run")
        assert content is not None
        assert content.read().decode() == run
    if job.spec.checkpoint_config is not None:
        keys = [AttemptKey(job.id, number) for number in range(1, job.attempt + 1)]
        steps = [step for key in keys for step in steps_of(texts(ports, key))]
        assert steps == sorted(set(steps)), "a step that was kept was done again"
        with ports.objects.open(CHECKPOINTS, f"chaos/{job.name}") as kept:
            assert kept.read().decode() == str(STEPS)
