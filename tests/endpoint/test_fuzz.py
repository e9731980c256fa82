"""10,000 requests, most of them broken: none is answered with a 5xx, none hangs, and the server
is well afterwards."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint.endpoint_server import REGION, client, endpoint, neighbours_of, serving
from tests.endpoint.fuzzing import Requests
from tests.service.service_home import Home, tuning
from tuner.endpoint.guard import loopback_policy

REQUESTS = 10_000
SHARDS = 8
LONGEST = 10.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Wire:
    """One connection after the other, each used for as long as it is open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> list[int]:
        """The statuses that came back; none where the server waits for more, or hung up."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=LONGEST)
        try:
            self._socket.sendall(request)
            answer, whole = self._answer(request.startswith(b"HEAD "))
        except (BrokenPipeError, ConnectionResetError):
            answer, whole = b"", False
        if not whole:
            self.close()
        return [int(status) for status in _STATUS.findall(answer)]

    def _answer(self, head: bool) -> tuple[bytes, bool]:
        """And whether it is a whole one, after which the connection can be used again."""
        assert self._socket is not None
        received = b""
        self._socket.settimeout(LONGEST)
        while b"\r\n\r\n" not in received:
            # an unfinished request has no answer: say that it ends here, and there is one or none
            self._socket.settimeout(0.05 if not received else LONGEST)
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                return self._rest(received), False
            if not piece:
                return received, False
            received += piece
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", received)
        if head or found is None or b"\r\nConnection: close" in received:
            return self._rest(received), False
        end = received.index(b"\r\n\r\n") + 4 + int(found[1])
        while len(received) < end:
            piece = self._socket.recv(65536)
            if not piece:
                break
            received += piece
        return received, len(received) == end

    def _rest(self, received: bytes) -> bytes:
        """To the end of the connection, which comes in time or the server hangs."""
        assert self._socket is not None
        self._socket.settimeout(LONGEST)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := self._socket.recv(65536):
                received += piece
        return received

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@pytest.fixture(scope="module")
def port(home: Home) -> Iterator[int]:
    policy = loopback_policy(os.geteuid())
    app = endpoint(home.service, policy, neighbours_of(home.service))
    with serving(app, 64 * 1024 * 1024) as port:
        yield port


def _threads() -> list[str]:
    """Their names, without those of backends, which keep pools and watch engines."""
    names = (thread.name for thread in threading.enumerate())
    return sorted(name for name in names if not name.startswith(("docker", "process")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_request_hurts(
    home: Home, port: int, shard: int, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    buckets = (f"fuzz-{shard}", "shared")
    s3 = client(port, "s3", REGION)
    for bucket in buckets:
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket)
    client(port, "iam").list_roles()  # imports what the neighbours are made of
    _well(home, port, f"before-{shard}")  # starts what works in the background
    threads = _threads()
    wire, statuses = Wire(port), list[int]()
    with caplog.at_level(logging.CRITICAL, "tuner.endpoint"):
        for request in itertools.islice(Requests(shard, buckets), REQUESTS // SHARDS):
            began = time.monotonic()
            answered = wire.ask(request)
            assert time.monotonic() - began < LONGEST, request
            assert not [status for status in answered if status >= 500], request
            statuses += answered
    wire.close()
    assert len(statuses) > REQUESTS // SHARDS * 0.8
    assert {200, 400, 404} <= set(statuses)
    _well(home, port, f"after-{shard}")
    deadline = time.monotonic() + LONGEST
    while len(_threads()) > len(threads):
        assert time.monotonic() < deadline, set(_threads()) - set(threads)
        time.sleep(0.05)


def _well(home: Home, port: int, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/_tuner/health")
    assert json.loads(connection.getresponse().read())["status"] == "ok"
    connection.close()
    sagemaker = client(port, "sagemaker", REGION)
    sagemaker.create_hyper_parameter_tuning_job(**tuning(name))
    found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert found["HyperParameterTuningJobName"] == name
    assert home.wait(name)["HyperParameterTuningJobStatus"] == "Completed"
