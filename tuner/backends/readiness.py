"""What the keeper waits for: descriptors, each with the act to do when it is ready."""

from __future__ import annotations

import selectors
from collections.abc import Callable

Act = Callable[[], None]


class Readiness:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, fd: int, act: Act, *, writing: bool = False) -> None:
        """Do `act` whenever there is something to read, or with `writing` room to write; what
        was to be done for this descriptor before is replaced."""
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        if fd in self._selector.get_map():
            self._selector.modify(fd, mask, act)
        else:
            self._selector.register(fd, mask, act)

    def unwatch(self, fd: int) -> None:
        """To be called before the descriptor is closed; nothing when it is not watched."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, seconds: float) -> None:
        """Do what is due once something is ready, or return after `seconds`."""
        known = self._selector.get_map()
        for key, _ in self._selector.select(seconds):
            # An earlier act may have closed this one, and another may have got its number.
            if known.get(key.fd) is key:
                key.data()
