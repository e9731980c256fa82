"""How long a training job may wait for capacity, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controller.world import World, printing
from tuner.domain.definitions import InstanceGroup, ResourceConfig, StoppingCondition
from tuner.domain.jobs import TrainingJob
from tuner.domain.statuses import SecondaryStatus, TrainingJobStatus
from tuner.shapes.responses import describe_training_job

LIMIT = 1800
Make = Callable[[float], World]
_S = SecondaryStatus


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Make]:
    """A world whose capacity is taken by a job of so many seconds."""
    made: list[World] = []

    def make(seconds: float) -> World:
        here = World(tmp_path, lambda job: printing(seconds, 1.0))
        made.append(here)
        here.create_plain("first", cpus=4)
        return here

    yield make
    for item in made:
        item.close()


def waiting(here: World, config: ResourceConfig) -> TrainingJob:
    condition = StoppingCondition(max_pending_time_in_seconds=LIMIT)
    return here.create_plain(
        "second", cpus=4, resource_config=config, stopping_condition=condition
    )


def of_type(instance_type: str) -> ResourceConfig:
    return ResourceConfig(instance_type=instance_type, instance_count=1)


def in_groups(*types: str) -> ResourceConfig:
    return ResourceConfig(
        instance_groups=tuple(
            InstanceGroup(instance_type=item, instance_count=1, instance_group_name=item)
            for item in types
        )
    )


@pytest.mark.parametrize(
    "config",
    [
        of_type("ml.p3.2xlarge"),
        of_type("ml.g4dn.xlarge"),
        of_type("ml.trn1.2xlarge"),
        of_type("ml.p5.48xlarge"),
        in_groups("ml.m5.large", "ml.g5.xlarge"),
    ],
)
def test_a_job_that_waits_too_long_for_accelerated_instances_is_stopped(
    busy: Make, config: ResourceConfig
) -> None:
    here = busy(10_000)
    waiting(here, config)
    here.advance(LIMIT - 1)
    assert here.plain("second").secondary_status is _S.PENDING
    here.advance(1)
    ended = here.plain("second")
    assert [item.status for item in ended.transitions] == [
        *(_S.STARTING, _S.PENDING, _S.STOPPING, _S.STOPPED)
    ]
    told = describe_training_job(ended, None)
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert told["SecondaryStatusTransitions"][-1]["StatusMessage"] == (
        "Training job pending time exceeded MaxPendingTimeInSeconds provided"
    )
    assert told["StoppingCondition"]["MaxPendingTimeInSeconds"] == LIMIT
    assert "TrainingTimeInSeconds" not in told


@pytest.mark.parametrize("config", [of_type("ml.m5.large"), of_type("local"), ResourceConfig()])
def test_the_limit_has_no_effect_on_jobs_of_processors_alone(
    busy: Make, config: ResourceConfig
) -> None:
    here = busy(2 * LIMIT)
    waiting(here, config)
    here.run()
    assert here.plain("second").status is TrainingJobStatus.COMPLETED


def test_a_job_that_got_its_instances_in_time_is_pending_no_more(busy: Make) -> None:
    here = busy(LIMIT - 100)
    waiting(here, of_type("ml.g4dn.xlarge"))
    here.run()
    ended = here.plain("second")
    assert ended.status is TrainingJobStatus.COMPLETED
    assert ended.training_end_time is not None
    assert ended.training_end_time - ended.creation_time > LIMIT


def test_the_limit_outlives_the_owner(busy: Make) -> None:
    here = busy(10_000)
    waiting(here, of_type("ml.g4dn.xlarge"))
    here.advance(LIMIT / 2)
    here.restart()
    here.advance(LIMIT / 2)
    ended = here.plain("second")
    assert ended.secondary_status is _S.STOPPED
    stopping = next(item for item in ended.transitions if item.status is _S.STOPPING)
    assert stopping.start_time - ended.creation_time == LIMIT
