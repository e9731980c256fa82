"""How an owner ends: what it took is served, what it did not take is told apart."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.owner.homes import until
from tuner.client import UnixConnection
from tuner.owner.app import application
from tuner.owner.gate import Gate, OwnerEnding
from tuner.owner.server import Server, listener


def test_a_gate_in_use_does_not_shut() -> None:
    gate = Gate()
    with gate:
        assert not gate.shut_if_unused(0)
    assert gate.shut_if_unused(0)


def test_a_gate_stays_open_for_the_time_given() -> None:
    gate = Gate()
    assert not gate.shut_if_unused(60)
    with gate:
        pass


def test_a_shut_gate_lets_nobody_in() -> None:
    gate = Gate()
    gate.shut()
    with pytest.raises(OwnerEnding), gate:
        raise AssertionError("inside")


def request(home: Path, target: str) -> dict[str, Any]:
    connection = UnixConnection(home)
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    connection.request("POST", "/", b"{}", headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert isinstance(answer, dict)
    return answer


def test_a_request_in_progress_is_answered_before_the_server_closes(tmp_path: Path) -> None:
    entered, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def call(target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        entered.set()
        go_on.wait(10)
        return {"Served": target}

    server = Server(application(call, "us-east-1"), listener(tmp_path), connections=30)
    answers: list[dict[str, Any]] = []
    caller = threading.Thread(target=lambda: answers.append(request(tmp_path, "Tuner.Slow")))

    def serve() -> None:
        server.run(over.is_set)
        server.close(tmp_path)

    serving = threading.Thread(target=serve)
    serving.start()
    caller.start()
    assert entered.wait(10)
    over.set()
    server.wake()
    until(lambda: not (tmp_path / "owner.sock").exists())
    with pytest.raises(FileNotFoundError):
        request(tmp_path, "Tuner.TooLate")
    go_on.set()
    caller.join(10)
    serving.join(10)
    assert answers == [{"Served": "Tuner.Slow"}]


def test_a_request_never_read_is_reset(tmp_path: Path) -> None:
    """The client relies on it: a reset means not served, an end of file means perhaps."""
    bound = listener(tmp_path)
    bound.listen()
    connection = UnixConnection(tmp_path)
    connection.request("POST", "/", b"{}", {})
    bound.close()
    with pytest.raises(ConnectionResetError) as caught:
        connection.getresponse()
    assert not isinstance(caught.value, http.client.RemoteDisconnected)
    connection.close()


def test_the_log_is_bounded_and_takes_printed_text_along(tmp_path: Path) -> None:
    source = f"""
import logging, os, sys
from pathlib import Path
from tuner.owner.log import log_to
log = Path({str(tmp_path)!r}) / "owner.log"
with log.open("ab") as output:
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
log_to(log, log.with_name("access.log"))
for number in range(6000):
    logging.getLogger("tuner").info("%d %s", number, "x" * 1000)
print("printed late", flush=True)
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)
    current, older = tmp_path / "owner.log", tmp_path / "owner.log.1"
    assert sorted(tmp_path.glob("owner.log*")) == [current, older]
    assert older.stat().st_size < 6 * 1024 * 1024
    assert current.read_text().endswith("printed late\n")
