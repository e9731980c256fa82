"""A WSGI application over a real server on loopback, on a thread of the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@contextmanager
def serving_app(
    app: WSGIApplication, channel: type[HTTPChannel] = HTTPChannel, **settings: Any
) -> Iterator[int]:
    """The port; `settings` are waitress's own."""
    sockets: dict[int, Any] = {}
    server = create_server(app, host="127.0.0.1", port=0, map=sockets, threads=8, **settings)
    server.channel_class = channel
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.is_set():
            wasyncore.loop(timeout=0.2, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=loop, name="test-server")
    thread.start()
    try:
        yield server.effective_port
    finally:
        stopping.set()
        thread.join(timeout=10)
        server.task_dispatcher.shutdown(timeout=5)
        wasyncore.close_all(sockets, ignore_all=True)
