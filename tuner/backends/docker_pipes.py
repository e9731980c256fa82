"""What feeds containers whose channels are in Pipe mode: a keeper of their own.

It outlives the owner, as the containers do, and works in the directory of their attempts.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tuner.backends.docker_plan import key_of
from tuner.backends.docker_watch import Lost
from tuner.backends.keeper_client import KeeperClient, KeeperUnavailable
from tuner.backends.pipes import kept_feeds, was_fed
from tuner.backends.places import Places
from tuner.domain.jobs import AttemptKey

_ENDED = "what feeds its channels in Pipe mode ended unexpectedly"


class ContainerPipes:
    """`fail` is told of an attempt that is fed no more, from any thread. The keeper is only
    started for attempts that have such channels."""

    def __init__(self, places: Places, fail: Callable[[AttemptKey, Exception], None]) -> None:
        self._places = places
        self._fail = fail
        self._keeper = KeeperClient(places.root, self._on_event, self._on_lost)
        self._fed: set[AttemptKey] = set()

    def feed(self, key: AttemptKey) -> None:
        """Begin, unless it has begun. Raises KeeperUnavailable, or OSError."""
        directory = self._places.directory(key)
        if feeds := kept_feeds(directory):
            self._fed.add(key)
            self._keeper.send(do="feed", key=str(key), directory=str(directory), feeds=feeds)

    def end(self, key: AttemptKey) -> None:
        """Whoever fed it, nobody reads any more."""
        if key in self._fed or was_fed(self._places.directory(key)):
            self._fed.discard(key)
            with contextlib.suppress(KeeperUnavailable):  # then nothing feeds, either
                self._keeper.send(do="release", key=str(key))

    def close(self) -> None:
        """Let go; what is fed is fed on."""
        self._keeper.close()

    def _on_event(self, message: Mapping[str, Any]) -> None:
        key = key_of(message["key"])
        if message["event"] in ("faulted", "lost") and key in self._fed:
            self._fed.discard(key)
            self._fail(key, Lost(message.get("text", _ENDED)))

    def _on_lost(self) -> None:
        """The keeper died, or dropped us: another one says what it does not feed."""

        def ask() -> None:
            for key in list(self._fed):
                try:
                    self.feed(key)
                except (KeeperUnavailable, OSError) as error:
                    self._fail(key, error)

        threading.Thread(target=ask, name="docker-pipes", daemon=True).start()
