"""Order within an attempt, and none between attempts."""

from __future__ import annotations

import threading

from tuner.backends.lanes import Lanes
from tuner.domain.jobs import AttemptKey


def test_the_tasks_of_one_attempt_keep_their_order_and_others_do_not_wait() -> None:
    lanes = Lanes(4, "test")
    go, done = threading.Event(), threading.Event()
    seen: list[str] = []
    lanes.submit(AttemptKey(1, 1), lambda: (go.wait(10), seen.append("first"))[0])
    lanes.submit(AttemptKey(1, 1), lambda: seen.append("second"))
    lanes.submit(AttemptKey(1, 1), done.set)
    other = threading.Event()
    lanes.submit(AttemptKey(2, 1), other.set)
    assert other.wait(10)
    assert seen == []
    go.set()
    assert done.wait(10)
    assert seen == ["first", "second"]
    lanes.close()


def test_a_task_that_raises_holds_up_no_later_one() -> None:
    lanes = Lanes(1, "test")
    done = threading.Event()
    lanes.submit(AttemptKey(1, 1), lambda: 1 / 0)
    lanes.submit(AttemptKey(1, 1), done.set)
    assert done.wait(10)
    lanes.close()
