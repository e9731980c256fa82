"""The immutable parts of records: stored once by content, shared in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import Generic, TypeVar

from tuner.store.rows import Document, decode_document, encode_document

KEPT_IN_MEMORY = 512
KEY_BYTES = 16

Key = TypeVar("Key")
Value = TypeVar("Value")


class Documents:
    """All methods may be called from any thread.

    What is remembered cannot become wrong: a key says what the content is, whatever became of
    the row or of the transaction that it was seen in.
    """

    def __init__(self) -> None:
        self._by_key = _Recent[bytes, Document](KEPT_IN_MEMORY)
        self._keys = _Recent[int, tuple[Document, bytes]](KEPT_IN_MEMORY)

    def store(self, connection: sqlite3.Connection, document: Document) -> bytes:
        """The key of the document, whose row is written if it is not there."""
        known = self._keys.get(id(document))
        if known is not None and known[0] is document:
            query = "SELECT 1 FROM document WHERE key = ?"
            if connection.execute(query, (known[1],)).fetchone():
                return known[1]
        kind, content = encode_document(document)
        key = blake2b(f"{kind} {content}".encode(), digest_size=KEY_BYTES).digest()
        connection.execute(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (key, kind, content)
        )
        self._remember(key, document)
        return key

    def load(self, connection: sqlite3.Connection, key: bytes) -> Document:
        """The same object for the same key, as long as it is remembered."""
        document = self._by_key.get(key)
        if document is None:
            query = "SELECT kind, content FROM document WHERE key = ?"
            document = decode_document(*connection.execute(query, (key,)).fetchone())
            document = self._remember(key, document)
        return document

    def _remember(self, key: bytes, document: Document) -> Document:
        self._keys.put(id(document), (document, key))
        return self._by_key.put(key, document)


class _Recent(Generic[Key, Value]):
    """The values that were used last."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Key, value: Value) -> Value:
        """The value that is kept for the key: the first, if there was one."""
        with self._lock:
            kept = self._values.setdefault(key, value)
            self._values.move_to_end(key)
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
            return kept
