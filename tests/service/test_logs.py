"""CloudWatch Logs reads: windows of time, both ways through a stream, tokens, prefixes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.service_home import REGION, Home, training
from tuner.domain.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    SerializationException,
)
from tuner.domain.jobs import TrainingJob
from tuner.domain.log_format import encode_line, segment_name

GROUP = "/aws/sagemaker/TrainingJobs"
LINES = 5000
"""More than are read at once; line N of algo-1 was printed at N milliseconds."""


def _record(home: Home, name: str) -> TrainingJob:
    context = home.service.context
    found = context.ports.records.find_training_job(context.scope(REGION), name)
    assert found is not None
    return found


def _stream(home: Home, name: str) -> str:
    answer = home.call(
        "Logs_20140328.DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=f"{name}/"
    )
    return str(answer["logStreams"][0]["logStreamName"])


@pytest.fixture(scope="module")
def stream(home: Home) -> str:
    """A stream of `LINES` lines, another host's between them."""
    home.call("CreateTrainingJob", **training("long"))
    home.wait_training_job("long")
    directory = home.service.context.ports.logs.directory(_record(home, "long").key)
    with (directory / segment_name(0)).open("wb") as file:
        for number in range(LINES):
            file.write(encode_line(number * 1_000_000, "algo-1", b"line %d" % number))
            file.write(encode_line(number * 1_000_000, "algo-2", b"another"))
    return _stream(home, "long")


def _events(home: Home, stream: str, **request: Any) -> dict[str, Any]:
    return home.call(
        "Logs_20140328.GetLogEvents", logGroupName=GROUP, logStreamName=stream, **request
    )


def _numbers(page: dict[str, Any]) -> list[int]:
    return [int(item["message"].removeprefix("line ")) for item in page["events"]]


@pytest.mark.parametrize("limit", [700, 1999, 10_000])
def test_a_stream_is_read_whole_from_the_head_in_pages(
    home: Home, stream: str, limit: int
) -> None:
    page = _events(home, stream, startFromHead=True, limit=limit)
    seen = _numbers(page)
    while page["events"]:
        token = page["nextForwardToken"]
        page = _events(home, stream, startFromHead=True, limit=limit, nextToken=token)
        seen += _numbers(page)
    assert seen == list(range(LINES))
    assert page["nextForwardToken"] == token


@pytest.mark.parametrize("limit", [700, 1999, 10_000])
def test_a_stream_is_read_whole_from_the_end_in_pages(home: Home, stream: str, limit: int) -> None:
    page = _events(home, stream, limit=limit)
    seen = _numbers(page)
    assert seen == list(range(LINES))[-limit:]
    end = page["nextForwardToken"]
    assert _events(home, stream, startFromHead=True, nextToken=end)["nextForwardToken"] == end
    while page["events"]:
        token = page["nextBackwardToken"]
        page = _events(home, stream, limit=limit, nextToken=token)
        seen = _numbers(page) + seen
    assert seen == list(range(LINES))
    assert page["nextBackwardToken"] == token


def test_a_page_leads_back_to_the_page_before_it(home: Home, stream: str) -> None:
    first = _events(home, stream, startFromHead=True, limit=300)
    second = _events(home, stream, limit=300, nextToken=first["nextForwardToken"])
    assert _numbers(second) == list(range(300, 600))
    back = _events(home, stream, limit=300, nextToken=second["nextBackwardToken"])
    assert _numbers(back) == _numbers(first)
    again = _events(home, stream, limit=300, nextToken=back["nextForwardToken"])
    assert _numbers(again) == _numbers(second)


@pytest.mark.parametrize("from_head", [True, False])
def test_times_bound_the_events_with_the_start_and_without_the_end(
    home: Home, stream: str, from_head: bool
) -> None:
    window = {"startTime": 2500, "endTime": 2504, "startFromHead": from_head}
    assert _numbers(_events(home, stream, **window)) == [2500, 2501, 2502, 2503]
    some = _events(home, stream, **window, limit=3)
    assert _numbers(some) == ([2500, 2501, 2502] if from_head else [2501, 2502, 2503])
    token = some["nextForwardToken" if from_head else "nextBackwardToken"]
    assert _numbers(_events(home, stream, **window, nextToken=token)) == [
        2503 if from_head else 2500
    ]


def test_a_reader_that_resumes_by_time_and_count_sees_each_line_once(
    home: Home, stream: str
) -> None:
    """As SDK v2's logs() does: from the last time on, less the events seen at that time."""
    seen: list[int] = []
    start = skip = 0
    for until in (1234, 3000, LINES):
        page = _events(home, stream, startTime=start, endTime=until, startFromHead=True)
        for event in page["events"][skip:]:
            seen.append(int(event["message"].removeprefix("line ")))
            start, skip = event["timestamp"], skip + 1 if event["timestamp"] == start else 1
    assert seen == list(range(LINES))


def test_a_token_of_another_attempt_begins_this_one(home: Home, stream: str) -> None:
    page = _events(home, stream, startFromHead=True, limit=5, nextToken="f/7/123456789")
    assert _numbers(page) == list(range(5))
    assert page["nextForwardToken"].startswith("f/1/")
    assert _events(home, stream, nextToken="b/7/123456789")["events"] == []


def test_a_token_into_the_middle_of_a_line_goes_on_at_the_next(home: Home, stream: str) -> None:
    size = len(encode_line(0, "algo-1", b"line 0") + encode_line(0, "algo-2", b"another"))
    for offset in range(1, size):
        page = _events(home, stream, limit=3, nextToken=f"f/1/{offset}")
        assert _numbers(page) == [1, 2, 3]


@pytest.mark.parametrize(
    "token", ["x", "f/1", "f/1/-1", "f/1/999999999999", f"f/1/{'9' * 5000}", "b/²/0", "f/1/0\n"]
)
def test_a_forged_token_is_refused(home: Home, stream: str, token: str) -> None:
    with pytest.raises(InvalidParameterException):
        _events(home, stream, nextToken=token)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_limit_out_of_bounds_is_refused(home: Home, stream: str, limit: int) -> None:
    with pytest.raises(InvalidParameterException, match="limit"):
        _events(home, stream, limit=limit)


def test_members_of_another_type_are_refused_and_null_is_nothing(home: Home, stream: str) -> None:
    for members in ({"limit": "abc"}, {"startTime": "now"}, {"startFromHead": 1}):
        with pytest.raises(SerializationException):
            _events(home, stream, **members)
    page = _events(home, stream, limit=None, nextToken=None, startTime=None, startFromHead=None)
    assert len(page["events"]) == LINES


def test_streams_and_groups_of_nobody_are_not_found(home: Home, stream: str) -> None:
    for name in ("nobody/algo-1-0", "nonsense", stream.replace("algo-1-", "algo-2-")):
        with pytest.raises(ResourceNotFoundException, match="log stream"):
            _events(home, name)
    for operation in ("GetLogEvents", "DescribeLogStreams"):
        with pytest.raises(ResourceNotFoundException, match="log group"):
            home.call(f"Logs_20140328.{operation}", logGroupName="other", logStreamName=stream)
        with pytest.raises(InvalidParameterException, match="either"):
            home.call(f"Logs_20140328.{operation}", logStreamName=stream)


def test_the_group_may_be_given_by_its_arn(home: Home, stream: str) -> None:
    arn = f"arn:aws:logs:{REGION}:123456789012:log-group:{GROUP}"
    for identifier in (arn, GROUP):
        page = home.call(
            "Logs_20140328.GetLogEvents", logGroupIdentifier=identifier, logStreamName=stream
        )
        assert page["events"]


def _names(home: Home, **request: Any) -> list[str]:
    """The jobs of all streams, page by page."""
    names: list[str] = []
    while True:
        page = home.call("Logs_20140328.DescribeLogStreams", logGroupName=GROUP, **request)
        names += [item["logStreamName"].split("/")[0] for item in page["logStreams"]]
        assert len(page["logStreams"]) <= request.get("limit", 50)
        if "nextToken" not in page:
            return names
        request["nextToken"] = page["nextToken"]


def test_streams_are_found_by_the_beginning_of_their_names(home: Home, stream: str) -> None:
    made = [f"find-{letter}" for letter in "abc"]
    for name in (*made, "not-find-d"):
        home.call("CreateTrainingJob", **training(name))
    for name in (*made, "not-find-d"):
        home.wait_training_job(name)
    everything = sorted([*made, "long", "not-find-d"])
    for limit in (1, 2, 50):
        assert _names(home, limit=limit) == everything
        assert _names(home, logStreamNamePrefix="find-", limit=limit) == made
        assert _names(home, descending=True, limit=limit) == everything[::-1]
        assert _names(home, logStreamNamePrefix="find-b/algo-1", limit=limit) == ["find-b"]
    assert _names(home, logStreamNamePrefix="find-b") == ["find-b"]
    assert _names(home, orderBy="LastEventTime") == ["long", *made, "not-find-d"]
    assert _names(home, logStreamNamePrefix="FIND-B") == []
    assert _names(home, logStreamNamePrefix="find-b/algo-2") == []
    with pytest.raises(InvalidParameterException, match="logStreamNamePrefix"):
        _names(home, orderBy="LastEventTime", logStreamNamePrefix="find-")


@pytest.mark.parametrize("token", ["x", ".", ".9999999999", "x.1", "W10=.0", ".²"])
def test_a_forged_token_of_streams_is_refused(home: Home, token: str) -> None:
    with pytest.raises(InvalidParameterException, match="nextToken"):
        _names(home, nextToken=token)
