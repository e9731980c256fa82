"""The owner's end of the keeper's socket: starts a keeper when there is none, and reads events."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tuner.domain.errors import told_of

_log = logging.getLogger(__name__)

LOG = "keeper.log"

_SOCKET = "keeper.sock"
_ANOTHER_RUNS = 3
_TIMEOUT = 10.0
_TRIES = 3
_STARTS, _STARTS_WITHIN = 5, 60.0
_LONGEST_ADDRESS = 100
_ROOT = str(Path(__file__).resolve().parents[2])
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[3]); from tuner.backends.keeper_start import main; "
    "main(sys.argv[1], float(sys.argv[2]))"
)


class KeeperUnavailable(Exception):
    """There is no keeper and none can be started; the text says why."""


class _Link:
    """A connection, and what the keeper behind it said of itself."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.hello: Future[Mapping[str, Any]] = Future()


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
        self._link: _Link | None = None
        self._starts: deque[float] = deque(maxlen=_STARTS)
        self._closed = False

    def send(self, **command: Any) -> None:
        """Raises KeeperUnavailable. Returning means only that the keeper will get it if it
        lives; what comes of it arrives as events."""
        line = json.dumps(command).encode() + b"\n"
        with self._lock:
            for _ in range(_TRIES):  # the connection may have broken without our knowing
                link = self._connected()
                try:
                    link.connection.sendall(line)
                    return
                except OSError:
                    self._forget(link)
        raise KeeperUnavailable("the process keeper does not listen")

    def hello(self) -> Mapping[str, Any]:
        """What the keeper says of itself. Raises KeeperUnavailable."""
        for _ in range(_TRIES):  # it may have ended as we came
            with self._lock:
                link = self._connected()
            try:
                return link.hello.result(_TIMEOUT)
            except TimeoutError:
                break
            except ConnectionError:
                time.sleep(0.05)
        raise KeeperUnavailable("the process keeper does not answer")

    def close(self) -> None:
        """Let go; the keeper goes on."""
        with self._lock:
            self._closed = True
            if self._link is not None:
                self._forget(self._link)

    def _connected(self) -> _Link:
        """The connection; to be called with the lock held."""
        if self._closed:
            raise KeeperUnavailable("the backend is closed")
        if self._link is not None:
            return self._link
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                link = self._link = _Link(_connect(self._home))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise KeeperUnavailable("the process keeper does not listen") from None
                self._start_keeper()
            except OSError as error:
                raise KeeperUnavailable(
                    f"cannot reach the process keeper: {told_of(error)}"
                ) from error
        threading.Thread(
            target=self._read, args=(link,), name="keeper-events", daemon=True
        ).start()
        return link

    def _start_keeper(self) -> None:
        now = time.monotonic()
        if len(self._starts) == _STARTS and now - self._starts[0] < _STARTS_WITHIN:
            raise KeeperUnavailable(
                f"the process keeper ended {_STARTS} times within a minute; {LOG} has the reason"
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
        except OSError as error:
            reason = told_of(error)
            raise KeeperUnavailable(f"the process keeper does not start: {reason}") from error
        except subprocess.TimeoutExpired:
            raise KeeperUnavailable("the process keeper does not start in time") from None
        if code == _ANOTHER_RUNS:  # it is about to listen, or about to end
            time.sleep(0.05)
        elif code != 0:
            raise KeeperUnavailable(f"the process keeper does not start; {LOG} has the reason")
        else:
            self._starts.append(now)

    def _read(self, link: _Link) -> None:
        with contextlib.suppress(OSError), link.connection.makefile("rb") as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                    if message["event"] == "hello":
                        link.hello.set_result(message)
                    else:
                        self._on_event(message)
                except Exception:  # one bad event must not make us deaf to the others
                    _log.exception("keeper event %r", line[:200])
        if not link.hello.done():
            link.hello.set_exception(ConnectionError())
        with self._lock:
            self._forget(link)
            closed = self._closed
        link.connection.close()
        if not closed:
            self._on_lost()

    def _forget(self, link: _Link) -> None:
        """Its reader then sees the end."""
        if self._link is link:
            self._link = None
        with contextlib.suppress(OSError):
            link.connection.shutdown(socket.SHUT_RDWR)


def _connect(home: Path) -> socket.socket:
    """Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Connecting and sending have a time limit; silence from the other end is no fault.
    limit = struct.pack("ll", int(_TIMEOUT), 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
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
