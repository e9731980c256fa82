"""The loop when something fails: it neither spins nor hangs nor loses anything."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.controller.world import METRIC, World, definition, printing
from tuner.backends.simulated import SimulatedRun
from tuner.domain.jobs import Failure, TrainingJob
from tuner.domain.ports import Collected, Event, Faulted, Prepared, Preparing, Scraped
from tuner.domain.statuses import FailureKind, SecondaryStatus, TrainingJobStatus, TuningJobStatus
from tuner.strategies.base import Exhausted, Suggestion
from tuner.strategies.registry import find_strategy

INTERNAL = Failure(kind=FailureKind.INTERNAL, text="disk")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(behaviour: Callable[[TrainingJob], SimulatedRun]) -> World:
        made.append(World(tmp_path, behaviour))
        return made[-1]

    yield make
    for item in made:
        item.close()


class Scripted:
    """A strategy that needs no history; `answers` by index."""

    name = "Scripted"

    def __init__(self, answer: Callable[[int], Suggestion | Exhausted]) -> None:
        self._answer = answer

    def needs_history(self, index: int) -> bool:
        return False

    def suggest(self, problem: Any, observations: Any, seed: int, index: int) -> Any:
        return self._answer(index)


def scripted(here: World, answer: Callable[[int], Suggestion | Exhausted]) -> None:
    """Strategy Bayesian is answered by a script."""
    here.controller._strategies._find_strategy = lambda name: (
        Scripted(answer) if name == "Bayesian" else find_strategy(name)
    )


def turns_in_a_row(here: World) -> int:
    """How often the controller wants a turn at once although nothing happens (up to 50)."""
    for count in range(50):
        due = here.controller.step(here.clock.now())
        if due is None or due > here.clock.now():
            return count
    return 50


def test_after_the_deadline_of_a_tuning_job_the_loop_sleeps(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(1000, 1.0, stops_after=100))
    here.create(jobs=5, max_runtime=120)
    here.advance(119)
    here.clock.time += 2
    assert turns_in_a_row(here) < 5


def test_an_upload_after_max_runtime_lets_the_loop_sleep(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(10, 1.0))
    here.backend.collect = lambda job: None  # type: ignore[method-assign]
    here.create(jobs=1, template=definition(max_runtime=11))
    here.advance(10)
    here.clock.time += 5
    assert turns_in_a_row(here) < 5


def test_an_upload_that_is_never_reported_has_a_deadline(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(1000, 1.0))
    here.backend.collect = lambda job: None  # type: ignore[method-assign]
    job = here.create(jobs=1)
    here.advance(10)
    here.stop(job)
    here.advance(1)
    assert here.training_jobs(job)[0].secondary_status is SecondaryStatus.UPLOADING
    assert here.controller.step(here.clock.now()) is not None


def test_five_jobs_without_any_objective_are_a_failure(world: Callable[..., World]) -> None:
    here = world(lambda job: SimulatedRun(seconds=100))
    job = here.create(jobs=50, template=definition(max_runtime=30))
    here.run()
    ended = here.tuning_job(job)
    assert (ended.status, bool(ended.failure_reason)) == (TuningJobStatus.FAILED, True)


def test_a_failed_strategy_ends_what_runs(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(10_000 if job.number == 1 else 10, 1.0))

    def answer(index: int) -> Suggestion:
        if index == 2:
            raise ValueError("boom")
        return Suggestion(values={"x": "0.5"})

    scripted(here, answer)
    job = here.create(jobs=5, parallel=2, strategy="Bayesian")
    here.advance(100)
    assert here.tuning_job(job).status is TuningJobStatus.FAILED


def test_a_suggestion_that_cannot_be_stored_fails_its_own_job_only(
    world: Callable[..., World],
) -> None:
    here = world(lambda job: printing(10, 1.0))
    here.checks = False
    scripted(
        here,
        lambda index: Suggestion(values={"x": "0.5"}, memo={"a": np.float32(1)} if index else {}),
    )
    good = here.create("good", jobs=5)
    bad = here.create("bad", jobs=3, strategy="Bayesian")
    here.advance(300)
    assert here.tuning_job(good).status is TuningJobStatus.COMPLETED
    assert here.tuning_job(bad).status is TuningJobStatus.FAILED


def test_nothing_is_tried_again_once_the_tuning_job_is_stopped(
    world: Callable[..., World],
) -> None:
    here = world(lambda job: printing(10, 1.0))
    here.backend.collect = lambda job: None  # type: ignore[method-assign]
    job = here.create(jobs=5, template=definition(retries=3))
    here.advance(10)
    here.stop(job)
    here.controller.post(Faulted(key=here.training_jobs(job)[0].key, failure=INTERNAL))
    here.advance(5)
    assert len(here.backend.launches) == 1
    assert here.tuning_job(job).status is TuningJobStatus.STOPPED


def test_the_programs_own_failure_text_survives_a_restart(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(10, 1.0, exit_code=1))
    here.backend.collect = lambda job: None  # type: ignore[method-assign]
    job = here.create(jobs=1)
    here.advance(10)
    here.restart()
    here.controller.step(here.clock.now())
    key = here.training_jobs(job)[0].key
    here.controller.post(Collected(key=key, failure_text="my reason"))
    here.controller.post(Scraped(key=key, offset=0, points=(), at_end=True))
    here.controller.step(here.clock.now())
    failure = here.training_jobs(job)[0].failure
    assert failure is not None
    assert failure.reason == "AlgorithmError: my reason, exit code: 1"


def test_last_modified_never_goes_back(world: Callable[..., World]) -> None:
    from tuner.domain.jobs import MetricPoint

    here = world(lambda job: printing(10, 1.0))
    job = here.create(jobs=1)
    here.clock.time += 5
    here.turn()
    before = here.tuning_job(job).last_modified_time
    point = MetricPoint(name=METRIC, value=1.0, time=before - 4, host="algo-1")
    key = here.training_jobs(job)[0].key
    here.controller.post(Scraped(key=key, offset=1, points=(point,)))
    here.controller.step(here.clock.now())
    assert here.tuning_job(job).last_modified_time >= before


def test_requests_that_come_while_it_recovers_are_all_answered(
    world: Callable[..., World],
) -> None:
    here = world(lambda job: printing(1, 1.0))
    controller, transaction = here.controller, here.records.transaction
    controller._clock = type("Wall", (), {"now": staticmethod(time.time)})()
    broken = threading.Event()

    @contextlib.contextmanager
    def failing_once() -> Iterator[None]:
        with transaction():
            yield
            if broken.is_set():
                broken.clear()
                raise OSError("disk")

    here.records.transaction = failing_once  # type: ignore[method-assign]
    thread = threading.Thread(target=controller.run, daemon=True)
    thread.start()
    broken.set()
    assert controller.submit(lambda: 0).exception(5) is not None
    steps, step = [], controller.step
    controller.step = lambda now: steps.append(now) or step(now)  # type: ignore[method-assign,func-returns-value]
    futures = [controller.submit(lambda number=number: number) for number in range(5)]  # type: ignore[misc]
    try:
        assert [future.result(5) for future in futures] == [0, 1, 2, 3, 4]
        assert len(steps) < 50, "it spins while it waits to recover"
    finally:
        controller.close()
        thread.join(5)


def test_an_act_that_raises_does_not_end_the_loop(world: Callable[..., World]) -> None:
    here = world(lambda job: printing(1, 1.0))
    prepare, calls = here.backend.prepare, []

    def failing_once(job: TrainingJob) -> None:
        calls.append(job)
        if len(calls) == 1:
            raise RuntimeError("can't start new thread")
        prepare(job)

    here.backend.prepare = failing_once  # type: ignore[method-assign]
    job = here.create(jobs=1)
    here.advance(60)
    assert here.tuning_job(job).status is TuningJobStatus.COMPLETED


def test_why_a_training_job_was_tried_again_stays_to_be_read(world: Callable[..., World]) -> None:
    def behaviour(job: TrainingJob) -> SimulatedRun:
        return SimulatedRun(seconds=1, fault=INTERNAL) if job.attempt == 1 else printing(1, 1.0)

    here = world(behaviour)
    job = here.create(jobs=1, template=definition(retries=1))
    here.run()
    (ended,) = here.training_jobs(job)
    said = [(item.status, item.status_message) for item in ended.transitions]
    again = said.index((SecondaryStatus.STARTING, f"Retrying after: {INTERNAL.text}"))
    assert said[again - 1][0] is SecondaryStatus.TRAINING
    assert said[again + 1][0] is SecondaryStatus.DOWNLOADING
    assert ended.status is TrainingJobStatus.COMPLETED


def test_what_a_preparation_waits_for_is_told_and_counts_no_more_once_it_is_over(
    world: Callable[..., World],
) -> None:
    here = world(lambda job: printing(10, 1.0))
    here.backend.prepare = lambda job: None  # type: ignore[method-assign]
    job = here.create(jobs=1)
    here.turn()
    key = here.training_jobs(job)[0].key

    def messages_after(event: Event) -> list[str]:
        here.controller.post(event)
        here.turn()
        return [item.status_message for item in here.training_jobs(job)[0].transitions]

    told = messages_after(Preparing(key=key, message="1 of 2 layers"))
    assert told[-2:] == ["Preparing the instances for training", "1 of 2 layers"]
    assert messages_after(Preparing(key=key, message="2 of 2 layers")) == [
        *told[:-1],
        "2 of 2 layers",
    ]
    trained = messages_after(Prepared(key=key))
    assert messages_after(Preparing(key=key, message="late")) == trained
