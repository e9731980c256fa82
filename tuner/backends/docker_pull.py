"""The pull of an image: how far it is, and who waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tuner.backends.docker_engine import Engine
from tuner.domain.statuses import DOWNLOADING_IMAGE

log = logging.getLogger(__name__)

_TELL_EVERY = 5.0
_DONE = ("Pull complete", "Already exists")
_OF_THE_IMAGE = "Pulling from "

Step = Mapping[str, Any]
Tell = Callable[[str], None]


class Layers:
    """What the engine has said of the layers so far; as words that follow the image's name."""

    def __init__(self) -> None:
        self._done: dict[str, bool] = {}
        self._bytes: dict[str, int] = {}

    def take(self, step: Step) -> None:
        layer, status = step.get("id"), str(step.get("status", ""))
        if layer is None or status.startswith(_OF_THE_IMAGE):
            return
        self._done[layer] = status in _DONE
        if status == "Downloading":
            self._bytes[layer] = int(step.get("progressDetail", {}).get("current", 0))

    def __str__(self) -> str:
        if not self._done:
            return ""
        megabytes = sum(self._bytes.values()) / 1e6
        return f": {sum(self._done.values())} of {len(self._done)} layers, {megabytes:,.1f} MB"


def line_of(step: Step) -> str | None:
    """A step as a line; None for one that says how far another one is."""
    if "progress" in step:
        return None
    return " ".join(filter(None, [step.get("id"), step.get("status")]))


class Pull:
    """An image that may be on its way. Whoever holds `turn` runs it; all who wait hear of it,
    every few seconds, in words for a StatusMessage."""

    def __init__(self, image: str) -> None:
        self.turn = threading.Lock()
        self._image = image
        self._lock = threading.Lock()
        self._waiting: list[Tell] = []
        self._message: str | None = None

    @contextmanager
    def awaited(self, tell: Tell) -> Iterator[None]:
        with self._lock:
            self._waiting.append(tell)
            message = self._message
        if message is not None:
            tell(message)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(tell)

    def run(self, engine: Engine) -> None:
        """Raises EngineUnavailable, or EngineRefused with the reason."""
        log.info("pulling the image %s", self._image)
        layers, told = Layers(), time.monotonic()
        self._say(f"{DOWNLOADING_IMAGE} {self._image}")
        try:
            for step in engine.pull(self._image):
                layers.take(step)
                if (line := line_of(step)) is not None:
                    log.info("pulling %s: %s", self._image, line)
                if time.monotonic() - told >= _TELL_EVERY:
                    told = time.monotonic()
                    self._say(f"{DOWNLOADING_IMAGE} {self._image}{layers}")
            self._say("Training image download completed. Downloading input data")
        finally:
            with self._lock:
                self._message = None

    def _say(self, message: str) -> None:
        with self._lock:
            if message == self._message:
                return
            self._message = message
            waiting = list(self._waiting)
        for tell in waiting:
            tell(message)
