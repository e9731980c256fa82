"""How this room opens SQLite: one writer, and read-only connections lent out one use at a time.

`synchronous=NORMAL` in WAL mode: what was committed survives kill -9, and a power cut may take
the last commits with it but leaves the file whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

BUSY_TIMEOUT_SECONDS = 30.0
IDLE_READERS = 8


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write; makes the file, not its directory."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class Readers:
    """Read-only connections; each is used by one thread at a time and sees committed rows only."""

    def __init__(self, path: Path) -> None:
        self._uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction of its own: all its answers are of one committed state."""
        if self._closed:
            raise RuntimeError("the store is closed")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(
                self._uri,
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._closed or len(self._idle) >= IDLE_READERS:
                connection.close()
            else:
                self._idle.append(connection)

    def close(self) -> None:
        """Connections still lent out are closed when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
