"""Acts may change what is watched while others are due."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tuner.backends.readiness import Readiness


@pytest.fixture
def pipes() -> Iterator[list[tuple[int, int]]]:
    made = [os.pipe() for _ in range(2)]
    for _, writer in made:
        os.write(writer, b"x")
    yield made
    for pair in made:
        for fd in pair:
            os.close(fd)


def test_an_act_that_ends_another_one_due_at_the_same_time_wins(
    pipes: list[tuple[int, int]],
) -> None:
    readiness = Readiness()
    done: list[int] = []

    def act(own: int, other: int) -> None:
        done.append(own)
        readiness.unwatch(other)

    (first, _), (second, _) = pipes
    readiness.watch(first, lambda: act(first, second))
    readiness.watch(second, lambda: act(second, first))
    readiness.wait(10)
    assert len(done) == 1


def test_a_number_that_changed_hands_is_not_taken_for_the_old_one(
    pipes: list[tuple[int, int]],
) -> None:
    readiness = Readiness()
    done: list[str] = []
    (first, _), (second, _) = pipes

    def replace(other: int) -> None:
        done.append("old")
        readiness.unwatch(other)
        readiness.watch(other, lambda: done.append("new"))

    readiness.watch(first, lambda: replace(second))
    readiness.watch(second, lambda: replace(first))
    readiness.wait(10)
    assert done == ["old"]


def test_waiting_ends_when_the_time_is_over() -> None:
    Readiness().wait(0.01)
