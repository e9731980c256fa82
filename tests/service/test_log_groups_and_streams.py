"""The log group and its streams: what describes them, and in which order they come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.service_home import REGION, Home, training
from tests.store.job_records import training_job
from tuner.domain.errors import InvalidParameterException, ResourceAlreadyExistsException
from tuner.domain.jobs import Scope
from tuner.domain.statuses import TrainingJobStatus
from tuner.service.logs import is_ours

GROUP = "/aws/sagemaker/TrainingJobs"
ARN = f"arn:aws:logs:{REGION}:123456789012:log-group:{GROUP}"
NUMBERS = itertools.count()
NAMES = st.from_regex("[abB](-{0,2}[abB]){0,3}", fullmatch=True)


def _groups(home: Home, **request: Any) -> list[dict[str, Any]]:
    return list(home.call("Logs_20140328.DescribeLogGroups", **request)["logGroups"])


def test_the_group_is_described(home: Home) -> None:
    home.call("CreateTrainingJob", **training("first"))
    created = home.wait_training_job("first")["CreationTime"]
    (group,) = _groups(home)
    assert group["logGroupName"] == GROUP
    assert group["arn"] == f"{ARN}:*"
    assert group["logGroupArn"] == ARN
    assert group["creationTime"] == pytest.approx(created * 1000, abs=1)


@pytest.mark.parametrize(
    ("request_members", "found"),
    [
        ({"logGroupNamePrefix": "/aws/sagemaker"}, True),
        ({"logGroupNamePrefix": "/aws/lambda"}, False),
        ({"logGroupNamePattern": "Training"}, True),
        ({"logGroupNamePattern": "training"}, False),
        ({"logGroupIdentifiers": ["/other", ARN]}, True),
        ({"logGroupIdentifiers": ["/other"]}, False),
        ({"logGroupClass": "DELIVERY"}, False),
        ({"limit": 1}, True),
    ],
)
def test_the_group_is_found_where_it_is_asked_for(
    home: Home, request_members: dict[str, Any], found: bool
) -> None:
    assert bool(_groups(home, **request_members)) is found
    assert is_ours("DescribeLogGroups", request_members) is found


def test_groups_cannot_be_asked_for_in_contradictory_ways(home: Home) -> None:
    for request in (
        {"logGroupNamePrefix": "/aws", "logGroupNamePattern": "aws"},
        {"logGroupIdentifiers": [GROUP], "logGroupNamePrefix": "/aws"},
        {"nextToken": "x"},
    ):
        with pytest.raises(InvalidParameterException):
            _groups(home, **request)


@pytest.mark.parametrize(
    ("operation", "params", "ours"),
    [
        ("GetLogEvents", {"logGroupName": GROUP}, True),
        ("GetLogEvents", {"logGroupName": "/aws/lambda/f"}, False),
        ("FilterLogEvents", {"logGroupIdentifier": ARN}, True),
        ("PutLogEvents", {"logGroupName": GROUP}, True),
        ("TagResource", {"resourceArn": f"{ARN}:*"}, True),
        ("GetLogEvents", {}, True),
        ("DescribeQueries", {}, False),
        ("CreateLogGroup", {"logGroupName": "mine"}, False),
        ("FilterLogEvents", {"logGroupName": 5}, True),
        ("DescribeLogGroups", {"logGroupIdentifiers": [{}]}, True),
        ("DescribeLogGroups", {"logGroupNamePattern": 3}, True),
    ],
)
def test_requests_are_told_apart_by_their_group(
    operation: str, params: dict[str, Any], ours: bool
) -> None:
    assert is_ours(operation, params) is ours


def test_a_stream_has_what_readers_print(home: Home) -> None:
    home.call("CreateTrainingJob", **training("second"))
    home.wait_training_job("second")
    answer = home.call(
        "Logs_20140328.DescribeLogStreams",
        logGroupName=GROUP,
        logStreamNamePrefix="second/",
        orderBy="LogStreamName",
        limit=1,
    )
    assert "nextToken" not in answer
    (stream,) = answer["logStreams"]
    name = stream["logStreamName"]
    events = home.call("Logs_20140328.GetLogEvents", logGroupName=GROUP, logStreamName=name)
    assert stream["arn"] == f"{ARN}:log-stream:{name}"
    assert stream["storedBytes"] == 0
    assert stream["lastEventTimestamp"] == events["events"][-1]["timestamp"]
    assert stream["firstEventTimestamp"] <= events["events"][0]["timestamp"]


def _store(home: Home, region: str, names: list[str]) -> None:
    context = home.service.context

    def write() -> None:
        for name in names:
            job = training_job(
                context.ports.records.new_id(),
                name,
                scope=Scope(account="123456789012", region=region),
                status=TrainingJobStatus.COMPLETED,
                training_start_time=1000.0,
                training_end_time=1001.0,
            )
            context.ports.records.put_training_job(job)

    context.in_turn(write)


def _streams(home: Home, region: str, **request: Any) -> list[str]:
    names: list[str] = []
    while True:
        answer = home.service.call(
            "Logs_20140328.DescribeLogStreams", {"logGroupName": GROUP, **request}, region
        )
        names += [stream["logStreamName"] for stream in answer["logStreams"]]
        if "nextToken" not in answer:
            return names
        request["nextToken"] = answer["nextToken"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(NAMES, unique_by=str.lower, max_size=12),
    limit=st.integers(1, 5),
    prefix=st.sampled_from(["", "a", "a-", "a-b", "B"]),
)
def test_streams_come_in_the_order_of_their_whole_names(
    home: Home, names: list[str], limit: int, prefix: str
) -> None:
    region = f"region-{next(NUMBERS)}"
    _store(home, region, names)
    request = {"logStreamNamePrefix": prefix} if prefix else {}
    expected = sorted(
        (f"{name}/algo-1-1000" for name in names if name.startswith(prefix)), key=str.lower
    )
    assert _streams(home, region, limit=limit, **request) == expected
    backward = _streams(home, region, limit=limit, descending=True, **request)
    assert backward == expected[::-1]


def test_a_stream_token_belongs_to_its_request(home: Home) -> None:
    _store(home, "tokens", ["a", "b", "c"])
    request = {"logGroupName": GROUP, "limit": 1}
    answer = home.service.call("Logs_20140328.DescribeLogStreams", request, "tokens")
    token = answer["nextToken"]
    for other in ({"descending": True}, {"logStreamNamePrefix": "b"}, {"nextToken": token[:-4]}):
        with pytest.raises(InvalidParameterException, match="nextToken"):
            _streams(home, "tokens", **{"limit": 1, "nextToken": token, **other})


def test_the_group_that_is_there_cannot_be_made_again(home: Home) -> None:
    with pytest.raises(ResourceAlreadyExistsException, match="already exists"):
        home.call("Logs_20140328.CreateLogGroup", logGroupName=GROUP)
    with pytest.raises(InvalidParameterException, match="only log group"):
        home.call("Logs_20140328.CreateLogGroup", logGroupName="another")
