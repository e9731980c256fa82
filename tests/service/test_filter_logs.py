"""FilterLogEvents: the events of all streams in the order of time, page by page, followed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.service_home import Home, training
from tests.store.job_records import training_job
from tuner.domain.errors import InvalidParameterException, ResourceNotFoundException
from tuner.domain.jobs import Scope, TrainingJob
from tuner.domain.log_format import encode_line, segment_name
from tuner.domain.statuses import TrainingJobStatus

GROUP = "/aws/sagemaker/TrainingJobs"
MILLISECOND = 1_000_000
NUMBERS = itertools.count()
EPOCH = 1000
"""Stored jobs started so many seconds after 1970; job N printed from N ms later on."""

Lines = list[tuple[int, str, str]]
"""Milliseconds after EPOCH, host and text, as they were printed."""


def _store(
    home: Home,
    region: str,
    jobs: dict[str, Lines],
    status: TrainingJobStatus = TrainingJobStatus.COMPLETED,
) -> list[TrainingJob]:
    context = home.service.context
    stored = []
    for name, lines in jobs.items():
        first = EPOCH + lines[0][0] / 1000 if lines else EPOCH
        last = EPOCH + lines[-1][0] / 1000 if lines else EPOCH
        job = training_job(
            context.ports.records.new_id(),
            name,
            scope=Scope(account="123456789012", region=region),
            status=status,
            creation_time=first - 0.0005,
            training_start_time=first - 0.0004,
            training_end_time=last,
            last_modified_time=last,
        )
        stored.append(job)
        _print(home, job, lines)

    def write() -> None:
        for job in stored:
            context.ports.records.put_training_job(job)

    context.in_turn(write)
    return stored


def _print(home: Home, job: TrainingJob, lines: Lines) -> None:
    directory = home.service.context.ports.logs.directory(job.key)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / segment_name(0)).open("ab") as file:
        for time, host, text in lines:
            stamp = (EPOCH * 1000 + time) * MILLISECOND
            file.write(encode_line(stamp, host, text.encode()))


def _filter(home: Home, region: str, **request: Any) -> dict[str, Any]:
    target = {"logGroupName": GROUP, **request}
    return home.service.call("Logs_20140328.FilterLogEvents", target, region)


def _all(home: Home, region: str, **request: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while True:
        page = _filter(home, region, **request)
        assert page["searchedLogStreams"] == []
        assert len(page["events"]) <= request.get("limit", 10_000)
        events += page["events"]
        if "nextToken" not in page:
            return events
        request["nextToken"] = page["nextToken"]


def _messages(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events]


JOBS: dict[str, Lines] = {
    "tree-1": [(0, "algo-1", "a0"), (20, "algo-1", "ERROR a20"), (60, "algo-1", "a60")],
    "tree-2": [(10, "algo-1", "b10"), (10, "algo-1", "b10 again"), (50, "algo-1", "b50")],
    "silent": [],
    "forest": [(30, "algo-1", "c30 ERROR"), (40, "algo-1", "c40")],
}
IN_ORDER = ["a0", "b10", "b10 again", "ERROR a20", "c30 ERROR", "c40", "b50", "a60"]


@pytest.fixture(scope="module")
def region(home: Home) -> str:
    _store(home, "eu-north-1", JOBS)
    return "eu-north-1"


@pytest.mark.parametrize("limit", [1, 2, 3, 10_000])
def test_events_of_all_streams_come_in_the_order_of_time(
    home: Home, region: str, limit: int
) -> None:
    events = _all(home, region, limit=limit, interleaved=True)
    assert _messages(events) == IN_ORDER
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert [event["eventId"] for event in events] == sorted({event["eventId"] for event in events})
    assert events[0]["logStreamName"] == f"tree-1/algo-1-{EPOCH - 1}"


@pytest.mark.parametrize(
    ("request_members", "messages"),
    [
        ({"logStreamNamePrefix": "tree-"}, ["a0", "b10", "b10 again", "ERROR a20", "b50", "a60"]),
        ({"logStreamNamePrefix": "forest/algo-1"}, ["c30 ERROR", "c40"]),
        ({"logStreamNamePrefix": "nobody/"}, []),
        (
            {"logStreamNames": ["forest/algo-1-1000", f"tree-1/algo-1-{EPOCH - 1}"]},
            ["a0", "ERROR a20", "c30 ERROR", "c40", "a60"],
        ),
        ({"startTime": EPOCH * 1000 + 20, "endTime": EPOCH * 1000 + 40}, IN_ORDER[3:6]),
        ({"startTime": EPOCH * 1000 + 61}, []),
        ({"filterPattern": "ERROR"}, ["ERROR a20", "c30 ERROR"]),
        ({"filterPattern": "?b50 ?c40"}, ["c40", "b50"]),
        ({"filterPattern": "ERROR -c30"}, ["ERROR a20"]),
        ({"filterPattern": '"b10 again"'}, ["b10 again"]),
        ({"filterPattern": "%^[ab][0-9]0$%"}, ["b10", "b50", "a60"]),
    ],
)
def test_events_are_chosen_by_stream_time_and_pattern(
    home: Home, region: str, request_members: dict[str, Any], messages: list[str]
) -> None:
    for limit in (1, 10_000):
        assert _messages(_all(home, region, limit=limit, **request_members)) == messages


def test_a_reader_that_asks_again_from_the_last_time_knows_what_it_has_seen(
    home: Home, region: str
) -> None:
    """As `aws logs tail --follow` does, by the ids of the events at the newest time."""
    seen: list[str] = []
    ids: dict[int, set[str]] = defaultdict(set)
    start = 0
    for end in (10, 35, 100):
        request = {"startTime": start, "endTime": EPOCH * 1000 + end}
        for event in _all(home, region, limit=2, **request):
            if event["eventId"] not in ids[event["timestamp"]]:
                ids[event["timestamp"]].add(event["eventId"])
                seen.append(event["message"])
        start = max(ids)
    assert seen == IN_ORDER


def test_requests_that_make_no_sense_are_refused(home: Home, region: str) -> None:
    token = _filter(home, region, limit=1)["nextToken"]
    bad: list[dict[str, Any]] = [
        {"logStreamNames": ["tree-1/algo-1-1000"], "logStreamNamePrefix": "tree"},
        {"startFromHead": False},
        {"filterPattern": "{ $.a = 1 }"},
        {"filterPattern": "x" * 1025},
        {"limit": 10_001},
        {"nextToken": "x"},
        {"nextToken": token[:-4]},
        {"nextToken": token, "filterPattern": "ERROR"},
        {"logGroupName": None},
    ]
    for request in bad:
        with pytest.raises(InvalidParameterException):
            _filter(home, region, **request)
    for request in ({"logStreamNames": ["nobody/algo-1-0"]}, {"logGroupName": "/other"}):
        with pytest.raises(ResourceNotFoundException):
            _filter(home, region, **request)


LINES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["algo-1", "algo-9"]), st.just("x")),
    max_size=5,
).map(sorted)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(logs=st.lists(LINES, max_size=5), limit=st.integers(1, 4), start=st.integers(0, 40))
def test_pages_of_any_logs_have_each_event_once_in_order(
    home: Home, logs: list[Lines], limit: int, start: int
) -> None:
    region = f"merged-{next(NUMBERS)}"
    jobs = {f"job-{number}": lines for number, lines in enumerate(logs)}
    _store(home, region, jobs)
    events = _all(home, region, limit=limit, startTime=EPOCH * 1000 + start)
    got = [event["timestamp"] - EPOCH * 1000 for event in events]
    wanted = (
        time for lines in logs for time, host, _ in lines if time >= start and host == "algo-1"
    )
    assert got == sorted(wanted)
    assert len({event["eventId"] for event in events}) == len(events)


def test_jobs_one_after_the_other_are_all_read(home: Home) -> None:
    jobs: dict[str, Lines] = {f"job-{time}": [(time, "algo-1", str(time))] for time in (0, 20, 40)}
    _store(home, "sequence", jobs)
    assert _messages(_all(home, "sequence", limit=1)) == ["0", "20", "40"]


def test_a_later_page_has_what_running_jobs_printed_meanwhile(home: Home) -> None:
    running = TrainingJobStatus.IN_PROGRESS
    job, retried = _store(
        home,
        "meanwhile",
        {"goes-on": [(0, "algo-1", "a0")], "retried": [(1, "algo-1", "b1")]},
        running,
    )
    _store(home, "meanwhile", {"ended": [(5, "algo-1", "c5"), (20, "algo-1", "c20")]})
    first = _filter(home, "meanwhile", limit=3)
    assert _messages(first["events"]) == ["a0", "b1", "c5"]
    _print(home, job, [(15, "algo-1", "a15"), (30, "algo-1", "a30")])
    again = replace(retried, attempt=2)
    records = home.service.context.ports.records
    home.service.context.in_turn(lambda: records.put_training_job(again))
    _print(home, again, [(25, "algo-1", "second b25")])
    rest = _all(home, "meanwhile", limit=3, nextToken=first["nextToken"])
    assert _messages(rest) == ["a15", "c20", "second b25", "a30"]


def test_a_long_log_is_read_from_the_time_asked_for(home: Home) -> None:
    lines = [(number, "algo-1", f"line {number} " + "x" * 80) for number in range(10_000)]
    _store(home, "long", {"long": lines})
    for start in (0, 1, 4321, 9999):
        events = _filter(home, "long", startTime=EPOCH * 1000 + start, limit=3)["events"]
        assert [event["timestamp"] - EPOCH * 1000 for event in events] == list(
            range(start, min(start + 3, 10_000))
        )
    events = _all(home, "long")
    assert [event["timestamp"] - EPOCH * 1000 for event in events] == list(range(10_000))


def test_a_page_ends_after_much_was_searched_though_nothing_was_found(home: Home) -> None:
    lines = [(number, "algo-1", "y" * 100_000) for number in range(200)]
    _store(home, "wide", {"wide": [*lines, (200, "algo-1", "needle")]})
    page = _filter(home, "wide", filterPattern="needle")
    assert page["events"] == []
    assert "nextToken" in page
    assert _messages(_all(home, "wide", filterPattern="needle")) == ["needle"]


def test_a_running_job_is_followed(home: Home) -> None:
    region = "us-east-1"
    home.call("CreateTrainingJob", **training("followed", mode="slow"))
    seen: dict[str, str] = {}
    start, ended = 0, False
    while not ended:
        ended = home.call("DescribeTrainingJob", TrainingJobName="followed")[
            "TrainingJobStatus"
        ] in ("Completed", "Failed")
        for event in _all(home, region, startTime=start, logStreamNamePrefix="followed"):
            seen[event["eventId"]] = event["message"]
            start = event["timestamp"]
    expected = home.call(
        "Logs_20140328.GetLogEvents",
        logGroupName=GROUP,
        logStreamName=home.call(
            "Logs_20140328.DescribeLogStreams",
            logGroupName=GROUP,
            logStreamNamePrefix="followed/",
        )["logStreams"][0]["logStreamName"],
        startFromHead=True,
    )["events"]
    assert list(seen.values()) == [event["message"] for event in expected]
    assert len(seen) == 3
