"""The owner's HTTP servers, on its unix socket and on TCP, with an end that drops no request."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from tuner.owner.address import LARGEST_BODY, SOCKET, socket_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_THREADS = 8
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


class Door:
    """One bound socket and the app behind it, with threads of its own, so that nobody who comes
    through another door waits for them. Its methods are for the thread that loops."""

    def __init__(
        self,
        app: WSGIApplication,
        bound: socket.socket,
        served: dict[int, Any],
        channel: type | None = None,
        **adjustments: Any,
    ) -> None:
        self._server = create_server(
            app,
            map=served,
            sockets=[bound],
            threads=_THREADS,
            asyncore_use_poll=True,
            ident=None,
            **adjustments,
        )
        if channel is not None:
            self._server.channel_class = channel
        self._deadline: float | None = None

    def wake(self) -> None:
        """Have the loop turn; from any thread or signal handler."""
        self._server.pull_trigger()

    def shut(self) -> None:
        """Take no more connections. A client whose request was not read yet gets a reset
        connection, which tells it that the request was not served."""
        if self._deadline is None:
            self._server.del_channel()
            self._server.socket.close()
            self._deadline = time.monotonic() + _LONGEST_DRAIN

    def drained(self) -> bool:
        """Let go of who has his answer, and of everybody once it took too long; true when no
        connection and no thread is left."""
        assert self._deadline is not None, "shut it first"
        late = time.monotonic() > self._deadline
        for channel in list(self._server.active_channels.values()):
            unfinished = channel.requests or channel.request or channel.total_outbufs_len
            if late or not unfinished:
                channel.handle_close()
        if self._server.active_channels:
            return False
        threads = self._server.task_dispatcher
        threads.set_thread_count(0)
        return not threads.threads

    def close(self) -> None:
        """Once it is drained: before, a thread could write to what has the pipe's number next."""
        self._server.trigger.close()


class Server:
    """Serves an app on the home's socket, and others on more sockets as they come and go, from
    one thread that loops.

    `connections` bounds those through all doors together. Nobody who holds many open can keep
    others out: the other doors take no more at a part of it, and only the home's at the whole.
    """

    def __init__(self, app: WSGIApplication, bound: socket.socket, connections: int) -> None:
        self._connections = connections
        self._map: dict[int, Any] = {}
        # the app refuses what is too large, in AWS's shape; this only bounds the disk
        self._home = Door(
            app,
            bound,
            self._map,
            connection_limit=connections,
            max_request_body_size=8 * LARGEST_BODY,
        )
        self._doors: dict[socket.socket, Door] = {}
        self._shut: list[Door] = []
        self._wanted: deque[Callable[[], None]] = deque()
        self._closing = False
        self._waking = threading.RLock()  # a signal may come while this thread has it

    def run(self, ended: Callable[[], bool]) -> None:
        """Serve until `ended()`; it is asked at least once a second."""
        while not ended():
            self._turn(_TURN)

    def wake(self) -> None:
        """Have `ended` asked now; from any thread or signal handler."""
        with self._waking:
            if not self._closing:
                self._home.wake()

    def open(
        self,
        app: WSGIApplication,
        bound: socket.socket,
        channel: type,
        part: float,
        **adjustments: Any,
    ) -> None:
        """Serve `app` on one more bound socket from the next turn on; from any thread. A server
        that is closed closes the socket."""
        bound.listen()  # whoever connects meanwhile waits

        def act() -> None:
            self._doors[bound] = Door(
                app,
                bound,
                self._map,
                channel,
                connection_limit=int(self._connections * part),
                **adjustments,
            )

        with self._waking:
            if self._closing:
                bound.close()
                return
            self._wanted.append(act)
            self.wake()

    def shut(self, bound: socket.socket) -> None:
        """Serve it no more, once the requests that were taken are answered; from any thread."""

        def act() -> None:
            door = self._doors.pop(bound)
            door.shut()
            self._shut.append(door)

        self._wanted.append(act)
        self.wake()

    def close(self, home: Path) -> None:
        """Take no more connections, finish what was taken, and let go."""
        (home / SOCKET).unlink(missing_ok=True)
        with self._waking:
            self._closing = True
        self._act()
        self._shut += [self._home, *self._doors.values()]
        for door in self._shut:
            door.shut()
        latest = time.monotonic() + _LONGEST_DRAIN + _TURN
        while self._shut and time.monotonic() < latest:
            self._turn(0.05)
        wasyncore.close_all(self._map, ignore_all=True)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        self._act()
        for door in [door for door in self._shut if door.drained()]:
            self._shut.remove(door)
            door.close()

    def _act(self) -> None:
        while self._wanted:
            self._wanted.popleft()()
