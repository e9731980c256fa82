"""Tuning jobs from creation to end, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.controller.world import METRIC, World, definition, printing
from tuner.backends.simulated import SimulatedRun
from tuner.controller.progress import fold
from tuner.domain.definitions import (
    CategoricalParameterRange,
    InstanceGroup,
    ObjectiveType,
    ParameterRanges,
    ResourceConfig,
)
from tuner.domain.jobs import AttemptKey, Failure, Resources, TrainingJob, Transition
from tuner.domain.ports import Capacity
from tuner.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopCause,
    TrainingJobStatus,
    TuningJobStatus,
)

Make = Callable[..., World]
DISTURBANCES = ("wait", "crash", "crash", "full", "turn", "stop", "interrupt", "interrupt")
INTERNAL = Failure(kind=FailureKind.INTERNAL, text="We encountered an internal error.")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(
        behaviour: Callable[[TrainingJob], SimulatedRun], capacity: Capacity | None = None
    ) -> World:
        made.append(World(tmp_path, behaviour, capacity))
        return made[-1]

    yield make
    for item in made:
        item.close()


def test_it_runs_its_budget_and_names_the_best(world: Make) -> None:
    here = world(lambda job: printing(10, float(job.number)))
    job = here.create(jobs=7, parallel=2, objective=ObjectiveType.MAXIMIZE)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.COMPLETED
    assert ended.progress.counters.completed == ended.progress.counters.objective_succeeded == 7
    best = here.records.training_job(ended.progress.best_training_job_id or 0)
    assert best is not None
    assert (best.number, best.objective_value) == (7, 7.0)
    assert [item.name[:8] for item in here.training_jobs(job)] == [
        f"job-{number:03d}-" for number in range(1, 8)
    ]


def test_slots_are_never_idle_while_there_is_budget(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0))
    here.create(jobs=8, parallel=2)
    began = here.clock.now()
    here.run()
    assert here.clock.now() - began == 40


def test_ties_go_to_the_earliest_end(world: Make) -> None:
    here = world(lambda job: printing(10.0 - job.number, 1.0))
    job = here.create(jobs=3, parallel=3)
    here.run()
    best = here.records.training_job(here.tuning_job(job).progress.best_training_job_id or 0)
    assert best is not None
    assert best.number == 3


def test_the_value_reported_last_counts_not_the_best(world: Make) -> None:
    points = tuple((float(second), METRIC, value) for second, value in [(1, 0.1), (2, 0.9)])
    here = world(lambda job: SimulatedRun(seconds=3, points=points))
    job = here.create(jobs=1)
    here.run()
    assert here.training_jobs(job)[0].objective_value == 0.9


def test_five_failures_without_a_success_end_it(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0, exit_code=1))
    job = here.create(jobs=50, parallel=1)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.FAILED
    assert ended.progress.counters.non_retryable_error == 5
    assert ended.failure_reason is not None
    assert ended.failure_reason.startswith("No training job succeeded after 5 attempts.")
    reason = here.training_jobs(job)[0].failure
    assert reason is not None
    assert reason.reason == "AlgorithmError: , exit code: 1"


def test_the_failures_of_jobs_that_ran_meanwhile_are_no_attempts_more(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0, exit_code=1))
    job = here.create(jobs=50, parallel=4)
    here.run()
    ended = here.tuning_job(job)
    assert ended.progress.counters.non_retryable_error > 5
    assert ended.failure_reason is not None
    assert ended.failure_reason.startswith("No training job succeeded after 5 attempts.")


def test_jobs_already_running_may_still_save_it(world: Make) -> None:
    here = world(
        lambda job: printing(100, 1.0) if job.number == 1 else printing(1, 1.0, exit_code=1)
    )
    job = here.create(jobs=8, parallel=2)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.COMPLETED
    assert ended.progress.counters.launched == 8


def test_a_small_budget_of_failures_fails_with_the_real_count(world: Make) -> None:
    here = world(lambda job: printing(1, 1.0, exit_code=3))
    job = here.create(jobs=2)
    here.run()
    assert (here.tuning_job(job).failure_reason or "").startswith(
        "No training job succeeded after 2 attempts."
    )


def test_one_failure_among_successes_is_no_failure(world: Make) -> None:
    here = world(lambda job: printing(1, 1.0, exit_code=int(job.number == 2)))
    job = here.create(jobs=3)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.COMPLETED
    assert ended.progress.counters.non_retryable_error == 1


def test_jobs_that_never_print_the_objective_fail_it(world: Make) -> None:
    here = world(lambda job: SimulatedRun(seconds=1))
    job = here.create(jobs=20)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.FAILED
    assert (ended.failure_reason or "").startswith(
        "No objective metrics found after running 5 training jobs."
    )
    assert ended.progress.counters.completed == 5
    assert ended.progress.counters.objective_failed == 5


def test_stop_ends_running_jobs_and_keeps_what_they_printed(world: Make) -> None:
    here = world(lambda job: printing(100, 0.5, stops_after=3))
    job = here.create(jobs=10, parallel=2)
    here.advance(60)
    here.stop(job)
    assert here.tuning_job(job).status is TuningJobStatus.STOPPING
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.STOPPED
    assert ended.progress.counters.stopped == ended.progress.counters.objective_succeeded == 2
    stopped = here.training_jobs(job)[0]
    assert stopped.objective_value == 0.5
    assert stopped.stop_cause is StopCause.TUNING_JOB
    assert [item.status for item in stopped.transitions][-3:] == [
        SecondaryStatus.STOPPING,
        SecondaryStatus.UPLOADING,
        SecondaryStatus.STOPPED,
    ]


def test_a_program_that_ignores_sigterm_is_killed_after_two_minutes(world: Make) -> None:
    here = world(lambda job: printing(10_000, 0.5, stops_after=1e9))
    job = here.create(jobs=1)
    here.advance(10)
    here.stop(job)
    began = here.clock.now()
    here.run()
    assert here.clock.now() - began == 120


def test_max_runtime_of_the_tuning_job_completes_it(world: Make) -> None:
    here = world(lambda job: printing(50, 1.0))
    job = here.create(jobs=100, max_runtime=120)
    here.run()
    ended = here.tuning_job(job)
    assert ended.status is TuningJobStatus.COMPLETED
    assert ended.end_time == ended.creation_time + 120
    assert (ended.progress.counters.completed, ended.progress.counters.stopped) == (2, 1)


def test_max_runtime_of_a_training_job_stops_it(world: Make) -> None:
    here = world(lambda job: printing(50, 1.0))
    job = here.create(jobs=1, template=definition(max_runtime=30))
    here.run()
    ended = here.training_jobs(job)[0]
    assert ended.status is TrainingJobStatus.STOPPED
    assert ended.secondary_status is SecondaryStatus.MAX_RUNTIME_EXCEEDED
    assert ended.objective_status is ObjectiveStatus.SUCCEEDED


def test_internal_errors_are_retried_under_the_same_name(world: Make) -> None:
    here = world(lambda job: printing(5, 1.0, fault=INTERNAL if job.attempt < 3 else None))
    job = here.create(jobs=1, template=definition(retries=2))
    here.run()
    ended = here.training_jobs(job)[0]
    assert (ended.status, ended.attempt) == (TrainingJobStatus.COMPLETED, 3)
    assert here.tuning_job(job).progress.counters.launched == 1


def test_without_a_retry_strategy_an_internal_error_is_retryable_but_final(world: Make) -> None:
    here = world(lambda job: printing(5, 1.0, fault=INTERNAL if job.number == 1 else None))
    job = here.create(jobs=2)
    here.run()
    counters = here.tuning_job(job).progress.counters
    assert (counters.retryable_error, counters.completed) == (1, 1)


def test_algorithm_errors_are_never_retried(world: Make) -> None:
    here = world(lambda job: printing(5, 1.0, exit_code=1))
    job = here.create(jobs=1, template=definition(retries=5))
    here.run()
    assert here.training_jobs(job)[0].attempt == 1


def test_any_instance_that_fails_ends_the_others(world: Make) -> None:
    here = world(lambda job: printing(5, 1.0, exit_code=2))
    job = here.create(jobs=1, template=definition(instances=3))
    here.run()
    assert here.training_jobs(job)[0].status is TrainingJobStatus.FAILED


def test_an_exhausted_space_completes_the_job(world: Make) -> None:
    ranges = ParameterRanges(
        categorical_parameter_ranges=(
            CategoricalParameterRange(name="a", values=("1", "2")),
            CategoricalParameterRange(name="b", values=("x", "y")),
        )
    )
    here = world(lambda job: printing(1, 1.0))
    job = here.create(jobs=None, strategy="Grid", ranges=ranges, parallel=3)
    here.run()
    tried = [tuple(item.tuned.values()) for item in here.training_jobs(job)]
    assert sorted(tried) == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert here.tuning_job(job).status is TuningJobStatus.COMPLETED


def test_capacity_is_shared_round_robin(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0), Capacity(cpus=2, memory_mib=100))
    first = here.create("first", jobs=10, parallel=2)
    here.advance(1)
    second = here.create("second", jobs=10, parallel=2)
    here.advance(30)
    launched = [len(here.training_jobs(job)) for job in (first, second)]
    assert abs(launched[0] - launched[1]) <= 2


def test_a_gang_waits_for_the_machine_and_nobody_starves_it(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0), Capacity(cpus=4, memory_mib=100))
    here.create(jobs=100, parallel=4)
    here.advance(1)
    here.create_plain(instances=4)
    here.advance(35)
    assert here.plain().status is TrainingJobStatus.COMPLETED


def test_a_job_larger_than_the_machine_runs_alone(world: Make) -> None:
    here = world(lambda job: printing(10, 1.0), Capacity(cpus=2, memory_mib=100))
    job = here.create(jobs=4, parallel=2, resources=Resources(cpus=3, memory_mib=1))
    here.run()
    assert here.tuning_job(job).progress.counters.completed == 4


@pytest.mark.parametrize(("memory_mib", "at_once"), [(2 * 20_480, 2), (2 * 20_480 - 1, 1)])
def test_a_gang_of_several_groups_fits_as_a_whole(
    world: Make, memory_mib: int, at_once: int
) -> None:
    groups = (
        InstanceGroup(instance_type="ml.t3.medium", instance_count=1, instance_group_name="a"),
        InstanceGroup(instance_type="ml.m5.large", instance_count=2, instance_group_name="b"),
    )
    template = replace(definition(), resource_config=ResourceConfig(instance_groups=groups))
    here = world(lambda job: printing(10, 1.0), Capacity(cpus=9, memory_mib=memory_mib))
    share = Resources(cpus=1, memory_mib=20_000)
    job = here.create(jobs=4, parallel=3, resources=share, template=template)
    here.advance(1)
    assert len(here.training_jobs(job)) == at_once
    here.run()
    assert here.tuning_job(job).progress.counters.completed == 4


def was_interruption(moves: tuple[Transition, Transition]) -> bool:
    return [move.status for move in moves] == [
        SecondaryStatus.INTERRUPTED,
        SecondaryStatus.STARTING,
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_happens_the_records_add_up(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Random programs, crashes of the owner at random moments, random stops and interruptions: no
    training job is lost or launched twice, the budget and the counters hold after every turn."""
    outcomes = st.sampled_from(["good", "bad", "silent", "fault"])
    plan = data.draw(st.lists(st.tuples(outcomes, st.integers(1, 30)), min_size=1, max_size=12))

    def behaviour(job: TrainingJob) -> SimulatedRun:
        kind, seconds = plan[(job.number + job.attempt) % len(plan)]
        run = printing(seconds, float(seconds), stops_after=float(seconds % 7))
        return {
            "good": run,
            "bad": replace(run, exit_code=1),
            "silent": replace(run, points=()),
            "fault": replace(run, fault=INTERNAL),
        }[kind]

    here = World(
        tmp_path_factory.mktemp("world"),
        behaviour,
        Capacity(cpus=data.draw(st.integers(1, 4)), memory_mib=64),
        interruption_rate=data.draw(st.sampled_from([0.0, 0.0, 200.0])),
    )
    try:
        job = here.create(
            jobs=data.draw(st.integers(1, 12)),
            parallel=data.draw(st.integers(1, 4)),
            template=definition(
                instances=data.draw(st.integers(1, 2)),
                retries=data.draw(st.integers(0, 2)),
                max_runtime=data.draw(st.sampled_from([5, 20, 1000])),
                max_wait=data.draw(st.sampled_from([None, 40, 2000])),
            ),
            max_runtime=data.draw(st.sampled_from([None, 30, 120])),
        )
        for _ in range(data.draw(st.integers(0, 6))):
            match data.draw(st.sampled_from(DISTURBANCES)):
                case "wait":
                    here.advance(data.draw(st.integers(0, 40)))
                case "crash":
                    here.restart()
                case "full":
                    here.failing_commits = data.draw(st.integers(1, 3))
                case "turn":
                    here.turn()
                case "stop":
                    here.stop(job)
                case "interrupt":
                    here.interrupt()
        here.run()
        ended = here.tuning_job(job)
        jobs = here.training_jobs(job)
        assert ended.status.terminal
        assert all(item.status.terminal for item in jobs)
        assert fold(jobs, ObjectiveType.MINIMIZE) == ended.progress
        assert [item.number for item in jobs] == list(range(1, len(jobs) + 1))
        orders = sorted(item.completion_order or 0 for item in jobs)
        assert orders == list(range(1, len(jobs) + 1))
        for item in jobs:
            limit = (
                item.spec.retry_strategy.maximum_retry_attempts if item.spec.retry_strategy else 0
            )
            assert 0 <= item.retries <= limit
            assert len(item.interrupted) == sum(map(was_interruption, pairwise(item.transitions)))
            assert item.uses_spot or not item.interrupted
            assert set(here.backend.launches) >= {AttemptKey(item.id, n) for n in item.interrupted}
    finally:
        here.close()
