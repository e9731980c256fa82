"""Interruptions of training jobs on spot instances, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controller.world import METRIC, World, definition, printing
from tuner.backends.simulated import SimulatedRun
from tuner.domain.jobs import Failure, TrainingJob, TuningJob
from tuner.domain.ports import Capacity, Faulted
from tuner.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    TrainingJobStatus,
    TuningJobStatus,
)
from tuner.shapes.responses import describe_training_job

Make = Callable[..., World]
INTERNAL = Failure(kind=FailureKind.INTERNAL, text="disk")
_S = SecondaryStatus
ONE_ATTEMPT = [_S.STARTING, _S.DOWNLOADING, _S.TRAINING]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(behaviour: Callable[[TrainingJob], SimulatedRun], rate: float = 0.0) -> World:
        made.append(World(tmp_path, behaviour, interruption_rate=rate))
        return made[-1]

    yield make
    for item in made:
        item.close()


def only(here: World, job: TuningJob) -> TrainingJob:
    (found,) = here.training_jobs(job)
    return found


def statuses(job: TrainingJob) -> list[SecondaryStatus]:
    return [item.status for item in job.transitions]


def test_an_interrupted_job_starts_again_and_completes(world: Make) -> None:
    here = world(lambda job: printing(100 / job.attempt, 1.0, stops_after=7))
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(20)
    here.interrupt()
    assert only(here, job).secondary_status is _S.INTERRUPTED
    here.advance(10)
    assert only(here, job).secondary_status is _S.TRAINING
    here.interrupt()
    here.run()
    ended = only(here, job)
    interruption = [*ONE_ATTEMPT, _S.INTERRUPTED]
    assert statuses(ended) == [
        *interruption,
        *interruption,
        *ONE_ATTEMPT,
        _S.UPLOADING,
        _S.COMPLETED,
    ]
    assert (ended.attempt, ended.interrupted, ended.retries) == (3, (1, 2), 0)
    assert [key.attempt for key in ended.runs] == [1, 2, 3]
    assert [key.attempt for key in here.backend.launches] == [1, 2, 3]
    assert here.tuning_job(job).progress.counters.completed == 1


def test_only_time_with_instances_is_training_time(world: Make) -> None:
    here = world(lambda job: printing(100, 1.0, stops_after=60))
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(20)
    here.interrupt()
    here.run()
    ended = only(here, job)
    assert ended.training_seconds(ended.training_end_time or 0) == 120
    told = describe_training_job(ended, None)
    assert (told["TrainingTimeInSeconds"], told["BillableTimeInSeconds"]) == (120, 36)
    assert told["TrainingEndTime"] - told["TrainingStartTime"] == 180
    wire = [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert wire.count("Interrupted") == 1


def test_without_spot_all_time_is_billed(world: Make) -> None:
    here = world(lambda job: printing(100, 1.0))
    job = here.create(jobs=1)
    here.run()
    told = describe_training_job(only(here, job), None)
    assert (told["TrainingTimeInSeconds"], told["BillableTimeInSeconds"]) == (100, 100)


def test_max_runtime_counts_all_attempts_but_not_the_waits(world: Make) -> None:
    here = world(lambda job: printing(100, 1.0, stops_after=60))
    job = here.create(jobs=1, template=definition(max_runtime=50, max_wait=500))
    here.advance(30)
    here.interrupt()
    here.run()
    ended = only(here, job)
    assert ended.secondary_status is _S.MAX_RUNTIME_EXCEEDED
    stopping = next(item for item in ended.transitions if item.status is _S.STOPPING)
    assert stopping.start_time - ended.creation_time == 30 + 60 + 20


@pytest.mark.parametrize("interrupted_at", [30, 75])
def test_max_wait_time_counts_everything(world: Make, interrupted_at: int) -> None:
    """It passes while the job trains again, or while its interrupted attempt ends."""
    here = world(lambda job: printing(100, 1.0, stops_after=10))
    job = here.create(jobs=1, template=definition(max_runtime=80, max_wait=80))
    here.advance(interrupted_at)
    here.interrupt()
    here.run()
    ended = only(here, job)
    assert (ended.status, ended.secondary_status) == (
        TrainingJobStatus.STOPPED,
        _S.MAX_WAIT_TIME_EXCEEDED,
    )
    stopping = next(item for item in ended.transitions if item.status is _S.STOPPING)
    assert stopping.start_time - ended.creation_time == 80


def test_a_spot_job_that_never_starts_ends_by_its_wait_time(world: Make) -> None:
    here = world(lambda job: printing(1000, 1.0))
    here.create_plain("first", cpus=4)
    here.create_plain("second", cpus=4, max_wait=100)
    here.advance(100)
    ended = here.plain("second")
    assert statuses(ended) == [_S.STARTING, _S.PENDING, _S.STOPPING, _S.MAX_WAIT_TIME_EXCEEDED]
    assert "TrainingTimeInSeconds" not in describe_training_job(ended, None)


def test_metrics_of_interrupted_attempts_stay(world: Make) -> None:
    """The second attempt has nothing left to do, and prints nothing."""
    here = world(
        lambda job: printing(100, 0.25) if job.attempt == 1 else SimulatedRun(seconds=1, points=())
    )
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(60)
    here.interrupt()
    here.run()
    ended = only(here, job)
    assert (ended.objective_status, ended.objective_value) == (ObjectiveStatus.SUCCEEDED, 0.25)
    assert [point.name for point in here.records.points(ended.runs[0])] == [METRIC]


def test_interruptions_are_no_retries(world: Make) -> None:
    """The one retry that there is still helps after two interruptions."""
    here = world(
        lambda job: printing(50, 1.0, **({"fault": INTERNAL} if job.attempt == 3 else {}))
    )
    job = here.create(jobs=1, template=definition(retries=1, max_wait=90_000))
    for _ in range(2):
        here.advance(10)
        here.interrupt()
    here.run()
    ended = only(here, job)
    assert ended.status is TrainingJobStatus.COMPLETED
    assert (ended.attempt, ended.retries, ended.interrupted) == (4, 1, (1, 2))
    assert [key.attempt for key in ended.runs] == [4]


def test_a_fault_of_what_is_interrupted_anyway_costs_no_retry(world: Make) -> None:
    here = world(lambda job: printing(50, 1.0, stops_after=30))
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(10)
    here.interrupt()
    here.controller.post(Faulted(key=only(here, job).key, failure=INTERNAL))
    here.run()
    ended = only(here, job)
    assert (ended.status, ended.interrupted) == (TrainingJobStatus.COMPLETED, (1,))


def test_what_ignores_the_signal_is_waited_for_two_minutes(world: Make) -> None:
    here = world(lambda job: printing(1000, 1.0, stops_after=999))
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(10)
    here.interrupt()
    here.advance(119)
    assert only(here, job).attempt == 1
    here.advance(1)
    assert only(here, job).attempt == 2


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_stop_ends_an_interruption(world: Make, seconds: int) -> None:
    """While the interrupted attempt ends, and after it has."""
    here = world(lambda job: printing(1000, 1.0, stops_after=1))
    job = here.create(jobs=1, template=definition(max_wait=90_000))
    here.advance(10)
    here.interrupt()
    here.advance(seconds)
    here.stop(job)
    here.run()
    assert only(here, job).secondary_status is _S.STOPPED
    assert here.tuning_job(job).status is TuningJobStatus.STOPPED


def test_a_restart_of_the_owner_at_any_turn_interrupts_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for killed_at in range(12):
        here = World(
            tmp_path_factory.mktemp("world"), lambda job: printing(50, 1.0, stops_after=5)
        )
        job = here.create(jobs=1, template=definition(max_wait=90_000))
        here.advance(10)
        here.interrupt()
        for _ in range(killed_at):
            due = here.turn()
            here.clock.time = max(here.clock.time, due or 0)
        here.restart()
        here.run()
        ended = only(here, job)
        assert (ended.status, ended.interrupted) == (TrainingJobStatus.COMPLETED, (1,)), killed_at
        here.close()


def interruptions(here: World, job: TuningJob) -> list[tuple[int, float]]:
    return [
        (item.number, move.start_time - item.creation_time)
        for item in here.training_jobs(job)
        for move in item.transitions
        if move.status is _S.INTERRUPTED
    ]


def test_a_rate_interrupts_by_chance_but_always_alike(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A hundred times 1,800 s at 2 an hour: one each on average, of which some repeat it."""
    found = []
    for restarts in (0, 7):
        here = World(
            tmp_path_factory.mktemp("world"),
            lambda job: printing(1800, 1.0),
            Capacity(cpus=100, memory_mib=100),
            interruption_rate=2.0,
        )
        job = here.create(jobs=100, parallel=100, template=definition(max_wait=900_000))
        for _ in range(restarts):
            here.advance(300)
            here.restart()
        here.run()
        assert here.tuning_job(job).progress.counters.completed == 100
        found.append(interruptions(here, job))
        here.close()
    assert found[0] == found[1]
    assert 80 < len(found[0]) < 320


def test_the_rate_spares_what_is_not_on_spot_instances(world: Make) -> None:
    here = world(lambda job: printing(1800, 1.0), rate=10_000.0)
    job = here.create(jobs=3)
    here.run()
    assert interruptions(here, job) == []
