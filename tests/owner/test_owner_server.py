"""The owner's servers beside each other."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.owner.homes import until
from tuner.client import UnixConnection
from tuner.endpoint.channel import Channel
from tuner.owner import server as server_module
from tuner.owner.leases import bind
from tuner.owner.server import Server, listener

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return []


@contextlib.contextmanager
def running(server: Server, home: Path) -> Iterator[None]:
    over = threading.Event()

    def serve() -> None:
        server.run(over.is_set)
        server.close(home)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        server.wake()
        thread.join(10)


def answers(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except TimeoutError:
        return False
    finally:
        connection.close()


def test_a_closed_server_can_be_woken_and_opens_nothing_more(tmp_path: Path) -> None:
    """Signals come twice, and what opens a port may take longer than the owner stays."""
    server = Server(app, listener(tmp_path), connections=60)
    with running(server, tmp_path):
        pass
    server.wake()
    bound = bind(socket.AF_INET, "127.0.0.1", 0)
    server.open(app, bound, Channel, 1 / 3)
    assert bound.fileno() == -1


def test_nobody_waits_for_a_door_that_takes_too_long_to_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LONGEST_DRAIN", 0.1)
    entered, go_on = threading.Event(), threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        entered.set()
        go_on.wait(30)
        return app(environ, start_response)

    server = Server(app, listener(tmp_path), connections=60)
    bound = bind(socket.AF_INET, "127.0.0.1", 0)
    connection = http.client.HTTPConnection("127.0.0.1", bound.getsockname()[1], timeout=30)
    with running(server, tmp_path):
        server.open(slow, bound, Channel, 1 / 3)
        connection.request("GET", "/")
        assert entered.wait(10)
        server.shut(bound)
        began = time.monotonic()
        while (now := time.monotonic()) < began + 2:
            assert answers(UnixConnection(tmp_path))
            assert time.monotonic() - now < 0.5
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        go_on.set()
    connection.close()


def test_who_holds_many_connections_keeps_only_his_own_kind_out(tmp_path: Path) -> None:
    server = Server(app, listener(tmp_path), connections=60)
    ports = [bind(socket.AF_INET, "127.0.0.1", 0) for _ in range(2)]
    others, jobs = (port.getsockname()[1] for port in ports)
    with running(server, tmp_path), contextlib.ExitStack() as held:
        server.open(app, ports[0], Channel, 1 / 3)
        server.open(app, ports[1], Channel, 2 / 3)
        until(lambda: answers(http.client.HTTPConnection("127.0.0.1", others, timeout=5)))
        for _ in range(40):
            held.enter_context(socket.create_connection(("127.0.0.1", others)))
        assert not answers(http.client.HTTPConnection("127.0.0.1", others, timeout=0.5))
        assert answers(http.client.HTTPConnection("127.0.0.1", jobs, timeout=5))
        assert answers(UnixConnection(tmp_path))
        held.close()
        until(lambda: answers(http.client.HTTPConnection("127.0.0.1", others, timeout=5)))
