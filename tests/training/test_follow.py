from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from training_job import job_with_metrics

from tuner.domain.jobs import AttemptKey, MetricPoint, TrainingJob
from tuner.domain.log_format import SEGMENT_BYTES, encode_line, segment_name
from tuner.domain.ports import Event, Scraped
from tuner.store.logs import SegmentedLogs
from tuner.training.follow import LogFollower

JOB = job_with_metrics(loss="loss=(.*)")


class Controller:
    """Takes the events as the controller does: points and offset are kept together."""

    def __init__(self) -> None:
        self.offsets: dict[AttemptKey, int] = {}
        self.points: list[MetricPoint] = []
        self.ends: dict[AttemptKey, Scraped] = {}
        self.events: list[Scraped] = []
        self._changed = threading.Condition()

    def post(self, event: Event) -> None:
        assert isinstance(event, Scraped)
        with self._changed:
            self.events.append(event)
            self.offsets[event.key] = event.offset
            self.points += event.points
            if event.at_end:
                self.ends[event.key] = event
            self._changed.notify_all()

    def offset_of(self, key: AttemptKey) -> int:
        return self.offsets.get(key, 0)

    def wait(self, until: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(until, timeout=30)

    @property
    def values(self) -> list[float]:
        return [point.value for point in self.points]


@pytest.fixture
def logs(tmp_path: Path) -> SegmentedLogs:
    return SegmentedLogs(tmp_path / "logs")


@pytest.fixture
def controller() -> Controller:
    return Controller()


@pytest.fixture
def follower(logs: SegmentedLogs, controller: Controller) -> Iterator[LogFollower]:
    made = LogFollower(logs, controller.offset_of, controller.post)
    made.start()
    yield made
    made.close()


def write(logs: SegmentedLogs, key: AttemptKey, *texts: str | bytes, segment: int = 0) -> None:
    directory = logs.directory(key)
    directory.mkdir(parents=True, exist_ok=True)
    encoded = (text if isinstance(text, bytes) else text.encode() for text in texts)
    lines = b"".join(encode_line(1_000_000_000, "algo-1", text) for text in encoded)
    with (directory / segment_name(segment)).open("ab") as file:
        file.write(lines)


def other(number: int, job: TrainingJob = JOB) -> TrainingJob:
    return replace(job, id=number, name=f"job-{number}")


def test_a_growing_log_is_scraped_and_its_end_told(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    follower.watch(JOB)
    write(logs, JOB.key, "loss=3", "hello")
    follower.grew(JOB.key)
    controller.wait(lambda: controller.values == [3.0])

    write(logs, JOB.key, "loss=2")
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert controller.values == [3.0, 2.0]
    assert controller.ends[JOB.key].note is None


def test_a_short_log_is_one_event(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, "loss=1")
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert len(controller.events) == 1


def test_a_log_without_the_objective_ends_with_a_note(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, "Loss: 0.5")
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert 'nearest: "Loss: 0.5"' in (controller.ends[JOB.key].note or "")


def test_a_log_that_was_never_written_ends_too(
    controller: Controller, follower: LogFollower
) -> None:
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert "printed nothing" in (controller.ends[JOB.key].note or "")


def test_a_job_without_an_objective_needs_no_note(
    controller: Controller, follower: LogFollower
) -> None:
    job = job_with_metrics(None)
    follower.finish(job)
    controller.wait(lambda: job.key in controller.ends)

    assert controller.ends[job.key].note is None


def test_after_a_restart_nothing_is_scraped_twice(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, "loss=3", "loss=2")
    follower.watch(JOB)
    controller.wait(lambda: len(controller.points) == 2)
    follower.close()
    write(logs, JOB.key, "the end")

    second = LogFollower(logs, controller.offset_of, controller.post)
    second.start()
    second.finish(replace(JOB, metrics=(controller.points[-1],)))
    controller.wait(lambda: JOB.key in controller.ends)
    second.close()

    assert controller.values == [3.0, 2.0]
    assert controller.ends[JOB.key].note is None


def test_nothing_is_posted_for_a_forgotten_attempt(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    follower.watch(JOB)
    follower.forget(JOB.key)
    write(logs, JOB.key, "loss=1")
    follower.grew(JOB.key)

    follower.finish(other(2))
    controller.wait(lambda: other(2).key in controller.ends)

    assert controller.points == []


def test_any_bytes_in_a_log_do_no_harm(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, bytes(range(256)).replace(b"\n", b""), b"\xff" * 300_000, "loss=4")
    (logs.directory(JOB.key) / segment_name(0)).open("ab").write(b"\0\xffgarbage\n12 \n")
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert controller.values == [4.0]


def test_a_long_log_does_not_keep_others_waiting(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, *(f"loss={number}" for number in range(60_000)))
    write(logs, other(2).key, "loss=1")
    follower.finish(JOB)
    follower.finish(other(2))
    controller.wait(lambda: len(controller.ends) == 2)

    assert [event.key.job_id for event in controller.events if event.at_end] == [2, JOB.id]
    assert len(controller.points) == 60_001


def test_a_log_without_metrics_is_recorded_as_read_now_and_then(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, *("x" * 1000 for _ in range(10_000)))
    follower.watch(JOB)

    controller.wait(lambda: controller.offsets.get(JOB.key, 0) > 4_000_000)

    assert controller.points == []


def test_what_was_read_and_committed_of_a_flood_is_trimmed(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    line = encode_line(1, "algo-1", b"x" * 200_000)
    segment = line * (SEGMENT_BYTES // len(line))
    directory = logs.directory(JOB.key)
    directory.mkdir(parents=True)
    follower.watch(JOB)
    for number in range(20):
        (directory / segment_name(number * len(segment))).write_bytes(segment)
        follower.grew(JOB.key)

    deadline = time.monotonic() + 30
    while len(list(directory.iterdir())) > 17:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_log_that_cannot_be_read_still_ends(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    logs.directory(JOB.key).mkdir(parents=True)
    (logs.directory(JOB.key) / segment_name(0)).mkdir()
    follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)

    assert "could not be read" in (controller.ends[JOB.key].note or "")


def test_acts_can_be_repeated(
    logs: SegmentedLogs, controller: Controller, follower: LogFollower
) -> None:
    write(logs, JOB.key, "loss=1")
    for _ in range(5):
        follower.watch(JOB)
        follower.grew(JOB.key)
        follower.finish(JOB)
    controller.wait(lambda: JOB.key in controller.ends)
    follower.forget(JOB.key)
    follower.forget(JOB.key)
    follower.close()
    follower.close()

    assert controller.values == [1.0]
