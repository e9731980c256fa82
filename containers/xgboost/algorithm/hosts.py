"""How the instances of one training job find each other and train as one.

The first host (in order of names) listens; every other host connects and says whether it has
data. The first host then starts xgboost's tracker for those that have and tells each its rank.
The connections stay open until the end, so that a host that dies is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .platform import Platform, UserError, is_relocated, log

PORT = 9099
DEADLINE_SECONDS = 900.0
_CONNECT_PAUSE_SECONDS = 0.05
_CLOSING_SECONDS = 60.0
_REASON_SECONDS = 2.0
_BROKEN = "/collective/"
_LOCAL_PORTS = range(20_000, 32_000)

Address = tuple[str, int]
Peers = dict[str, "tuple[socket.socket, Report]"]

# A tracker that is freed while hosts are still in its training complains at length.
_kept: list[Any] = []


@dataclass(frozen=True)
class Report:
    """What a host says when it has read its data; `failure` is why it cannot take part."""

    host: str
    has_data: bool
    failure: str | None = None


@contextmanager
def together(platform: Platform, report: Report, xgboost: ModuleType) -> Iterator[bool]:
    """Inside, the hosts with data train as one; yields whether this host is one of them.

    Raises UserError when a host failed to read its data or does not come in time.
    """
    meeting = _lead if platform.host == platform.hosts[0] else _follow
    with meeting(platform, report, xgboost) as (rank, tracker):
        if rank is None:
            log(
                f"Host {platform.host} does not have training data. This host "
                f"{platform.host} will not be used in distributed training.",
                "WARNING",
            )
            yield False
        elif tracker is None:
            yield True
        else:
            context = xgboost.collective.CommunicatorContext(
                dmlc_communicator="rabit",
                dmlc_tracker_uri=tracker[0],
                dmlc_tracker_port=tracker[1],
                dmlc_task_id=f"{rank:06d}",
                dmlc_timeout=int(DEADLINE_SECONDS),
            )
            try:
                context.__enter__()
            except ValueError as error:  # XGBoostError is one
                raise UserError(f"The hosts cannot join: {error}") from error
            yield True
            # Only after a success: leaving is agreed on with the others, who after a failure
            # still wait for this host's share of the sums.
            context.__exit__()


@contextmanager
def _lead(
    platform: Platform, report: Report, xgboost: ModuleType
) -> Iterator[tuple[int | None, Address | None]]:
    """The first host: collects the reports, gives out ranks, keeps the tracker."""
    others = [host for host in platform.hosts if host != platform.host]
    address = _meeting_address(platform)
    with _listen(address) as listener:
        peers = _accept(listener, others)
    reports = {host: answer for host, (_, answer) in peers.items()} | {platform.host: report}
    ranks = _ranks(reports)
    tracker = None
    place = None
    if len(ranks) > 1 and not _failures(reports):
        tracker = xgboost.tracker.RabitTracker(
            n_workers=len(ranks), host_ip=address[0], sortby="task"
        )
        _kept.append(tracker)
        tracker.start()
        place = (address[0], tracker.worker_args()["dmlc_tracker_port"])
    plan = {"ranks": ranks, "tracker": place, "failures": _failures(reports)}
    for connection, _ in peers.values():
        _send(connection, plan)
    _refuse_failed(platform.host, plan)
    try:
        yield ranks.get(platform.host), place
    except UserError as error:
        connections = {host: connection for host, (connection, _) in peers.items()}
        raise _reason(connections, error) from error
    for connection, _ in peers.values():
        connection.settimeout(None)
        _receive(connection)  # nothing, once that host has finished or died
    if tracker is not None:
        tracker.wait_for(timeout=int(_CLOSING_SECONDS))
        tracker.free()


@contextmanager
def _follow(
    platform: Platform, report: Report, xgboost: ModuleType
) -> Iterator[tuple[int | None, Address | None]]:
    """Every other host: reports, and does what the first host says."""
    first = platform.hosts[0]
    with _connect(_meeting_address(platform), first) as connection:
        _send(connection, [_job_token(), report.host, report.has_data, report.failure])
        plan = _receive(connection)
        if plan is None:
            raise UserError(f"Host {first} ended before the training began.")
        _refuse_failed(platform.host, plan)
        try:
            yield plan["ranks"].get(platform.host), plan["tracker"]
        except UserError as error:
            raise _reason({first: connection}, error) from error


def _reason(connections: dict[str, socket.socket], error: UserError) -> UserError:
    """Why the training broke, told to the hosts that only notice that it did.

    What those catch themselves bears the name of xgboost's collective.
    """
    reason = error
    if _BROKEN in str(error):
        reason = UserError(f"Another host of this training job ended too early.\n{error}")
        end = time.monotonic() + _REASON_SECONDS
        for host, connection in sorted(connections.items()):
            connection.settimeout(max(0.001, end - time.monotonic()))
            said = _receive(connection)
            if isinstance(said, str) and _BROKEN not in said:
                reason = UserError(f"Host {host} failed: {said}")
                break
    for connection in connections.values():
        with suppress(OSError):
            _send(connection, str(reason))
    return reason


def _ranks(reports: dict[str, Report]) -> dict[str, int]:
    with_data = sorted(host for host, report in reports.items() if report.has_data)
    return {host: rank for rank, host in enumerate(with_data)}


def _failures(reports: dict[str, Report]) -> dict[str, str]:
    return {host: report.failure for host, report in reports.items() if report.failure is not None}


def _refuse_failed(own: str, plan: dict[str, Any]) -> None:
    failures = plan["failures"]
    if own in failures:
        raise UserError(failures[own])
    if failures:
        host, text = min(failures.items())
        raise UserError(f"Host {host} failed: {text}")
    if not plan["ranks"]:
        raise UserError("No hosts received training data.")


# ---- addresses -------------------------------------------------------------------------------


def _job_token() -> str:
    job = os.environ.get("TRAINING_JOB_ARN") or os.environ.get("TRAINING_JOB_NAME", "")
    return hashlib.sha256(job.encode()).hexdigest()


def _meeting_address(platform: Platform) -> Address:
    """Where the first host listens.

    Hosts that are processes on one machine (a relocated /opt/ml, or a name that is a loopback
    address) share its ports with other training jobs, so the address comes from the job's name.
    """
    if not is_relocated():
        found = resolve(platform.hosts[0])
        if not found.startswith("127."):
            return found, PORT
    digest = bytes.fromhex(_job_token())
    if sys.platform == "linux":  # all of 127.0.0.0/8 is there
        return f"127.{digest[0] % 254 + 1}.{digest[1]}.{digest[2] % 254 + 1}", PORT
    return "127.0.0.1", _LOCAL_PORTS[int.from_bytes(digest[:4]) % len(_LOCAL_PORTS)]


def resolve(host: str) -> str:
    """Names of hosts may come up later than the program."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() >= end:
                raise UserError(f"The name of host {host} does not resolve: {error}") from error
            time.sleep(1.0)


# ---- messages: one line of JSON each ---------------------------------------------------------


def _listen(address: Address) -> socket.socket:
    try:
        return socket.create_server(address)
    except OSError as error:
        raise UserError(f"Cannot listen at {address[0]}:{address[1]}: {error}") from error


def _accept(listener: socket.socket, others: list[str]) -> dict[str, tuple[socket.socket, Report]]:
    end = time.monotonic() + DEADLINE_SECONDS
    peers: Peers = {}
    while len(peers) < len(others):
        missing = ", ".join(host for host in others if host not in peers)
        listener.settimeout(max(0.001, end - time.monotonic()))
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            raise UserError(
                f"Host {missing} did not come within {DEADLINE_SECONDS:.0f} seconds."
            ) from None
        connection.settimeout(max(0.001, end - time.monotonic()))
        said = _receive(connection)
        if isinstance(said, list) and said[0] == _job_token() and said[1] in others:
            peers[said[1]] = (connection, Report(*said[1:]))
        else:
            connection.close()
    return peers


def _connect(address: Address, first: str) -> socket.socket:
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            connection = socket.create_connection(address, timeout=5.0)
        except OSError as error:
            if time.monotonic() >= end:
                raise UserError(f"Host {first} cannot be reached: {error}") from error
            time.sleep(_CONNECT_PAUSE_SECONDS)
        else:
            connection.settimeout(DEADLINE_SECONDS)
            return connection


def _send(connection: socket.socket, message: Any) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket) -> Any:
    """One message; None when the other side is gone or talks something else."""
    data = b""
    try:
        while not data.endswith(b"\n"):
            part = connection.recv(65536)
            if not part:
                return None
            data += part
        return json.loads(data)
    except (OSError, ValueError):
        return None
