"""The owner's HTTP server on a unix socket, with an end that drops no request it took."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from tuner.owner.address import LARGEST_BODY, SOCKET, socket_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_THREADS = 8
_CONNECTIONS = 1000
_TURN = 1.0
_LONGEST_DRAIN = 5.0


def listener(home: Path) -> socket.socket:
    """The home's socket, bound for its user only. Whoever calls holds the home's lock, so a
    socket file that is there was left by an owner that is gone."""
    (home / SOCKET).unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket_address(home) as address:
        bound.bind(address)
    (home / SOCKET).chmod(0o600)
    return bound


class Server:
    """Serves an app from one thread that loops and several that answer."""

    def __init__(self, app: WSGIApplication, bound: socket.socket) -> None:
        self._map: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._map,
            sockets=[bound],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            asyncore_use_poll=True,
            # the app refuses what is too large, in AWS's shape; this only bounds the disk
            max_request_body_size=8 * LARGEST_BODY,
            ident=None,
        )

    def run(self, ended: Callable[[], bool]) -> None:
        """Serve until `ended()`; it is asked at least once a second."""
        while not ended():
            self._turn(_TURN)

    def wake(self) -> None:
        """Have `ended` asked now; from any thread or signal handler."""
        self._server.pull_trigger()

    def close(self, home: Path) -> None:
        """Take no more connections, finish what was taken, and let go.

        A client whose request was not read yet gets a reset connection, which tells it that the
        request was not served.
        """
        (home / SOCKET).unlink(missing_ok=True)
        self._server.del_channel()
        self._server.socket.close()
        deadline = time.monotonic() + _LONGEST_DRAIN
        while self._unfinished() and time.monotonic() < deadline:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map, ignore_all=True)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def _unfinished(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(item.requests or item.request or item.total_outbufs_len for item in channels)
