"""The keeper's end of its socket: whoever is connected sends commands and hears all events."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from tuner.backends.readiness import Readiness

_MAX_UNSENT = 8 << 20
_MAX_COMMAND = 64 << 20

Message = dict[str, Any]


class _Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()
        self.unsent = bytearray()


class Clients:
    """`greet` makes the first message to each; `obey` gets every line, and raises nothing."""

    def __init__(
        self,
        listener: socket.socket,
        readiness: Readiness,
        greet: Callable[[], Message],
        obey: Callable[[bytes], None],
    ) -> None:
        self._listener = listener
        self._readiness = readiness
        self._greet = greet
        self._obey = obey
        self._connected: dict[int, _Client] = {}
        listener.setblocking(False)
        readiness.watch(listener.fileno(), self._accept)

    def __bool__(self) -> bool:
        return bool(self._connected)

    def post(self, message: Message) -> None:
        for client in list(self._connected.values()):
            self._send(client, message)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has left again
            return
        connection.setblocking(False)
        client = _Client(connection)
        self._connected[connection.fileno()] = client
        self._readiness.watch(connection.fileno(), lambda: self._serve(client))
        self._send(client, self._greet())

    def _serve(self, client: _Client) -> None:
        self._flush(client)
        try:
            data = client.connection.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        if not data or len(client.received) > _MAX_COMMAND:
            self._drop(client)
            return
        *lines, client.received = client.received.split(b"\n")
        for line in lines:
            self._obey(bytes(line))

    def _send(self, client: _Client, message: Message) -> None:
        client.unsent += json.dumps(message).encode() + b"\n"
        self._flush(client)

    def _flush(self, client: _Client) -> None:
        if not client.unsent:
            return
        try:
            del client.unsent[: client.connection.send(client.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if len(client.unsent) > _MAX_UNSENT:  # it hangs; when it comes back it asks for a report
            self._drop(client)
            return
        fd, more = client.connection.fileno(), bool(client.unsent)
        self._readiness.watch(fd, lambda: self._serve(client), writing=more)

    def _drop(self, client: _Client) -> None:
        fd = client.connection.fileno()
        if self._connected.pop(fd, None) is not None:
            self._readiness.unwatch(fd)
            client.connection.close()
