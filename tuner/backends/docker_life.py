"""Living with an engine that may be restarted under us."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_engine import Engine

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PATIENCE = 60.0
"""Seconds that an engine may be away before what needs it is given up."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


class Closing(Exception):
    """The backend lets go; whatever is under way is left as it is."""


class EngineLife:
    """Tells whether the engine's process has ended since some moment, and waits for its return.

    A container that ends while its engine shuts down looks as if it had ended by itself: only
    that the engine goes away, too, tells the difference.
    """

    def __init__(self, engine: Engine, label: str) -> None:
        self.engine = engine
        self.closing = threading.Event()
        self._label = label
        self._ends = 0
        self._thread = threading.Thread(target=self._watch, name="docker-life", daemon=True)

    @property
    def ends(self) -> int:
        """How many times the engine has ended so far."""
        return self._ends

    def start(self) -> None:
        self._thread.start()

    def patiently(self, act: Callable[[], Answer]) -> Answer:
        """Act, again and again while the engine is away. Raises EngineUnavailable when it is
        away for too long, EngineRefused, or Closing."""
        deadline = time.monotonic() + PATIENCE
        wait = _FIRST_WAIT
        while True:
            if self.closing.is_set():
                raise Closing
            try:
                return act()
            except EngineUnavailable:
                if time.monotonic() > deadline:
                    raise
            self.closing.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _watch(self) -> None:
        wait = _FIRST_WAIT
        away = False
        while not self.closing.is_set():
            began = time.monotonic()
            try:
                self.engine.await_end(self._label)
                self._ends += 1
            except (EngineUnavailable, EngineRefused) as error:
                if not away and wait > _FIRST_WAIT:
                    log.warning("%s", error)
                    away = True
            if time.monotonic() - began > _LONGEST_WAIT:
                wait, away = _FIRST_WAIT, False
            self.closing.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
