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
from tuner.backends.keeper import STARVED
from tuner.backends.keeper_client import KeeperClient, KeeperUnavailable
from tuner.backends.pipes import kept_feeds, was_fed
from tuner.backends.places import Places
from tuner.domain.jobs import AttemptKey

_TO_THE_END = "fed-to-the-end"
_PATIENCE = 10.0


class ContainerPipes:
    """`fail` is told of an attempt that is fed no more, from any thread. The keeper is only
    started for attempts that have such channels."""

    def __init__(self, places: Places, fail: Callable[[AttemptKey, Exception], None]) -> None:
        self._places = places
        self._fail = fail
        self._keeper = KeeperClient(places.root, self._on_event, self._on_lost)
        self._fed: set[AttemptKey] = set()
        self._answers: dict[AttemptKey, bool] = {}
        self._answered = threading.Condition()

    def feed(self, key: AttemptKey) -> None:
        """Begin, unless it has begun. Raises KeeperUnavailable, or OSError."""
        directory = self._places.directory(key)
        if kept_feeds(directory) and not (directory / _TO_THE_END).exists():
            self._fed.add(key)
            self._ask(key)

    def finish(self, key: AttemptKey) -> None:
        """All programs have ended. Raises Lost if they may have seen the end of a stream that
        broke off; KeeperUnavailable, or OSError."""
        directory = self._places.directory(key)
        note = directory / _TO_THE_END
        if not was_fed(directory) or note.exists():
            return
        self._fed.discard(key)
        self._answers.pop(key, None)
        self._ask(key)
        with self._answered:
            self._answered.wait_for(lambda: key in self._answers, _PATIENCE)
        if not self._answers.pop(key, False):
            raise Lost(STARVED)
        note.touch()
        self.end(key)

    def end(self, key: AttemptKey) -> None:
        """Whoever fed it, nobody reads any more."""
        if key in self._fed or was_fed(self._places.directory(key)):
            self._fed.discard(key)
            self._answers.pop(key, None)
            with contextlib.suppress(KeeperUnavailable):  # then nothing feeds, either
                self._keeper.send(do="release", key=str(key))

    def close(self) -> None:
        """Let go; what is fed is fed on."""
        self._keeper.close()

    def _ask(self, key: AttemptKey) -> None:
        """Have it fed, or hear that it is, or that it was."""
        directory = self._places.directory(key)
        feeds = kept_feeds(directory)
        self._keeper.send(do="feed", key=str(key), directory=str(directory), feeds=feeds)

    def _on_event(self, message: Mapping[str, Any]) -> None:
        key, event = key_of(message["key"]), message["event"]
        if event in ("fed", "faulted", "lost"):
            with self._answered:
                self._answers[key] = event == "fed"
                self._answered.notify_all()
        if event in ("faulted", "lost") and key in self._fed:
            self._fed.discard(key)
            self._fail(key, Lost(message.get("text", STARVED)))

    def _on_lost(self) -> None:
        """The keeper died, or dropped us: another one says what it does not feed."""

        def ask() -> None:
            for key in list(self._fed):
                try:
                    self.feed(key)
                except (KeeperUnavailable, OSError) as error:
                    self._fail(key, error)

        threading.Thread(target=ask, name="docker-pipes", daemon=True).start()
