"""What ends the training of one host ends that of all, with the same reason.

xgboost's collective alone does not promise it: a host that waits for the sums of one that has
gone may wait for ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from .meeting import receive, send
from .platform import UserError, fail

_GRACE_SECONDS = 2.0
_BROKEN = "/collective/"
_FINISHED = {"finished": True}


@contextmanager
def watched(own: str, connections: Mapping[str, socket.socket], leads: bool) -> Iterator[None]:
    """Inside, this host trains; hosts are connected as a star, and the leader passes news on.

    The leader leaves last. Raises UserError with the reason of the host that failed first; ends
    the program with it when the training does not come back within two seconds.
    """
    watch = _Watch(own, connections)
    try:
        yield
    except UserError as error:
        raise UserError(watch.reason(str(error))) from error
    except BaseException as error:
        watch.reason(f"{type(error).__name__}: {error}")
        raise
    watch.finish(wait=leads)


class _Watch:
    def __init__(self, own: str, connections: Mapping[str, socket.socket]) -> None:
        self._own = own
        self._connections = connections
        self._lock = threading.Lock()
        self._news: str | None = None
        self._heard = threading.Event()
        self._left = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=pair, daemon=True)
            for pair in connections.items()
        ]
        for thread in self._threads:
            thread.start()

    def reason(self, text: str) -> str:
        """Why the training of this host broke, told to the others where it is news.

        The error of a host that only notices the end of another names xgboost's collective.
        """
        self._left.set()
        if _BROKEN in text:
            self._heard.wait(_GRACE_SECONDS)
            return self._news or f"Another host of this training job ended too early.\n{text}"
        self._tell({"host": self._own, "failure": text})
        return text

    def finish(self, wait: bool) -> None:
        """Say that this host is done; with `wait`, stay until all others are."""
        self._left.set()
        self._tell(_FINISHED)
        if wait:
            for thread in self._threads:
                thread.join()
            if self._news is not None:
                raise UserError(self._news)

    def _listen(self, host: str, connection: socket.socket) -> None:
        connection.settimeout(None)
        said = receive(connection)
        if said == _FINISHED:
            return
        if not isinstance(said, dict):
            said = {"host": host, "failure": "Its program ended too early."}
        with self._lock:
            if self._heard.is_set():
                return
            self._news = f"Host {said['host']} failed: {said['failure']}"
            self._heard.set()
        self._tell(said, besides=host)
        if not self._left.wait(_GRACE_SECONDS):
            fail(self._news)

    def _tell(self, message: dict[str, Any], besides: str | None = None) -> None:
        for host, connection in self._connections.items():
            if host != besides:
                with suppress(OSError):
                    send(connection, message)
