"""How the instances of one training job find each other and train as one.

The first host (in order of names) listens; every other host connects and says whether it has
data. The first host then starts xgboost's tracker for those that have and tells each its rank.
The connections stay open until the end: over them a failure of one host reaches the others.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .meeting import (
    DEADLINE_SECONDS,
    Address,
    connect,
    job_token,
    listen,
    meeting_address,
    receive,
    send,
)
from .platform import Platform, UserError, log
from .watch import watched

_CLOSING_SECONDS = 60

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
    address = meeting_address(platform)
    with listen(address) as listener:
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
        send(connection, plan)
    _refuse_failed(platform.host, plan)
    connections = {host: connection for host, (connection, _) in peers.items()}
    with watched(platform.host, connections, leads=True):
        yield ranks.get(platform.host), place
    if tracker is not None:
        tracker.wait_for(timeout=_CLOSING_SECONDS)
        tracker.free()


@contextmanager
def _follow(
    platform: Platform, report: Report, xgboost: ModuleType
) -> Iterator[tuple[int | None, Address | None]]:
    """Every other host: reports, and does what the first host says."""
    first = platform.hosts[0]
    with connect(meeting_address(platform), first) as connection:
        send(connection, [job_token(), report.host, report.has_data, report.failure])
        plan = receive(connection)
        if plan is None:
            raise UserError(f"Host {first} ended before the training began.")
        _refuse_failed(platform.host, plan)
        with watched(platform.host, {first: connection}, leads=False):
            yield plan["ranks"].get(platform.host), plan["tracker"]


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
        said = receive(connection)
        if isinstance(said, list) and said[0] == job_token() and said[1] in others:
            peers[said[1]] = (connection, Report(*said[1:]))
        else:
            connection.close()
    return peers
