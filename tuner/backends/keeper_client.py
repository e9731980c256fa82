"""The owner's end of the keeper's socket: starts a keeper when there is none, and reads events."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOG = "keeper.log"

_SOCKET = "keeper.sock"
_ANOTHER_RUNS = 3
_TIMEOUT = 10.0
_STARTS, _STARTS_WITHIN = 5, 60.0
_LONGEST_ADDRESS = 100
_ROOT = str(Path(__file__).resolve().parents[2])
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[3]); from tuner.backends.keeper import main; "
    "main(sys.argv[1], float(sys.argv[2]))"
)


class KeeperUnavailable(Exception):
    """There is no keeper and none can be started; the text says why."""


class KeeperClient:
    """One connection at a time; made, and a keeper started, when something is to be sent.

    `on_event` gets every event but `hello`; `on_lost` is called when a connection broke that
    was not closed here: what was sent may or may not have been obeyed. Both are called on the
    reading thread, and may not call `send`.
    """

    def __init__(
        self,
        home: Path,
        on_event: Callable[[Mapping[str, Any]], None],
        on_lost: Callable[[], None],
        *,
        idle_seconds: float = 5.0,
    ) -> None:
        self._home = home
        self._on_event = on_event
        self._on_lost = on_lost
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._greeted = threading.Event()
        self._hello: Mapping[str, Any] = {}
        self._starts: deque[float] = deque(maxlen=_STARTS)
        self._closed = False

    def send(self, **command: Any) -> None:
        """Raises KeeperUnavailable. Returning means only that the keeper will get it if it
        lives; what comes of it arrives as events."""
        line = json.dumps(command).encode() + b"\n"
        with self._lock:
            for _ in range(2):  # the connection may have broken without our knowing
                connection = self._connected()
                try:
                    connection.sendall(line)
                    return
                except OSError:
                    self._forget(connection)
        raise KeeperUnavailable("the process keeper does not listen")

    def hello(self) -> Mapping[str, Any]:
        """What the keeper says of itself. Raises KeeperUnavailable."""
        with self._lock:
            self._connected()
        if not self._greeted.wait(_TIMEOUT):
            raise KeeperUnavailable("the process keeper does not answer")
        return self._hello

    def close(self) -> None:
        """Let go; the keeper goes on."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> socket.socket:
        """The connection, with the lock held."""
        if self._closed:
            raise KeeperUnavailable("the backend is closed")
        if self._connection is not None:
            return self._connection
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                connection = _connect(self._home)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise KeeperUnavailable("the process keeper does not listen") from None
                self._start_keeper()
            except OSError as error:
                raise KeeperUnavailable(f"cannot reach the process keeper: {error}") from error
        self._connection = connection
        self._greeted.clear()
        threading.Thread(
            target=self._read, args=(connection,), name="keeper-events", daemon=True
        ).start()
        return connection

    def _start_keeper(self) -> None:
        now = time.monotonic()
        if len(self._starts) == _STARTS and now - self._starts[0] < _STARTS_WITHIN:
            raise KeeperUnavailable(
                f"the process keeper ended {_STARTS} times within a minute; see {self._home / LOG}"
            )
        arguments = [str(self._home), str(self._idle_seconds), _ROOT]
        try:
            with (self._home / LOG).open("ab") as log:
                # -I -S: nothing of the user's environment or site-packages, and a quick start.
                code = subprocess.run(
                    [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=_TIMEOUT,
                    check=False,
                ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KeeperUnavailable(f"the process keeper does not start: {error}") from error
        if code == _ANOTHER_RUNS:  # it is about to listen, or about to end
            time.sleep(0.05)
        elif code != 0:
            raise KeeperUnavailable(f"the process keeper does not start; see {self._home / LOG}")
        else:
            self._starts.append(now)

    def _read(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message["event"] == "hello":
                    self._hello = message
                    self._greeted.set()
                else:
                    self._on_event(message)
        with self._lock:
            self._forget(connection)
            closed = self._closed
        if not closed:
            self._on_lost()

    def _forget(self, connection: socket.socket) -> None:
        if self._connection is connection:
            self._connection = None
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _connect(home: Path) -> socket.socket:
    """Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    path = str(home / _SOCKET)
    try:
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
            connection.connect(path)
        else:
            # A socket's address holds some 100 bytes; a handle on the directory makes it short.
            handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{handle}/{_SOCKET}")
            finally:
                os.close(handle)
    except BaseException:
        connection.close()
        raise
    return connection
