"""What the controller has still to take in: events, suggestions and requests, in order."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tuner.controller.asking import Suggested
from tuner.controller.decide import Ask
from tuner.domain.ports import Event

ITEMS_PER_TURN = 1000


@dataclass(frozen=True, slots=True)
class Answered:
    """A suggestion has come back."""

    ask: Ask
    result: Suggested


@dataclass(frozen=True, slots=True)
class Request:
    """Something a door wants done on the controller's thread."""

    run: Callable[[], Any]
    future: Future[Any]


Item = Event | Answered | Request


class Inbox:
    """Anybody may `put`; all else is the controller's."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._held: deque[Item] = deque()

    def put(self, item: Item) -> None:
        self._queue.put(item)

    def wake(self) -> None:
        """End a `wait` that nothing was put for."""
        self._queue.put(None)

    def empty(self) -> bool:
        return not self._held and self._queue.empty()

    def wait(self, seconds: float | None) -> None:
        """Until something new is put, or time is up; what was put before does not count."""
        with contextlib.suppress(queue.Empty):
            self._hold(self._queue.get(timeout=seconds))

    def take(self) -> Iterator[Item]:
        """What is there now, but no more than a turn can deal with."""
        with contextlib.suppress(queue.Empty):
            while len(self._held) < ITEMS_PER_TURN:
                self._hold(self._queue.get_nowait())
        for _ in range(min(len(self._held), ITEMS_PER_TURN)):
            yield self._held.popleft()

    def keep_requests(self) -> list[Request]:
        """Drop all events and suggestions, which their senders repeat; what is left."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._hold(self._queue.get_nowait())
        left = [item for item in self._held if isinstance(item, Request)]
        self._held = deque(left)
        return left

    def _hold(self, item: Item | None) -> None:
        if item is not None:
            self._held.append(item)
