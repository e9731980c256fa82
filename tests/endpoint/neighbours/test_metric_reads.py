"""CloudWatch's reads of metrics, on the points of training jobs and on what was put."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from tests.endpoint.neighbours.neighbour_server import REGION, Neighbours, raw
from tuner.domain.jobs import MetricPoint
from tuner.shapes.service_model import service_model

START = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
NAMESPACE = "/aws/sagemaker/TrainingJobs"
MINUTE = timedelta(minutes=1)


def point(name: str, value: float, seconds: float) -> MetricPoint:
    return MetricPoint(name=name, value=value, time=START.timestamp() + seconds, host="algo-1")


@pytest.fixture(scope="module", autouse=True)
def _jobs(neighbours: Neighbours) -> None:
    losses = [point("train:loss", 10.0 - number, 20.0 * number) for number in range(9)]
    neighbours.add_training_job("Job-1", *losses, point("validation:auc", 0.5, 7.0))
    neighbours.add_training_job("job-2", point("train:loss", 1.0, 0.0))


def of(job: str) -> list[dict[str, str]]:
    return [{"Name": "TrainingJobName", "Value": job}]


def _statistics(neighbours: Neighbours, **changes: Any) -> list[dict[str, Any]]:
    asked = {
        "Namespace": NAMESPACE,
        "MetricName": "train:loss",
        "Dimensions": of("Job-1"),
        "StartTime": START,
        "EndTime": START + timedelta(minutes=4),
        "Period": 60,
        "Statistics": ["Average"],
    }
    found = neighbours.client("cloudwatch").get_metric_statistics(**{**asked, **changes})
    assert found["Label"] == (changes.get("MetricName") or "train:loss")
    datapoints: list[dict[str, Any]] = found["Datapoints"]
    return datapoints


def _query(identifier: str = "a", job: str = "Job-1", **changes: Any) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": "train:loss", "Dimensions": of(job)}
    stat = {"Metric": metric, "Period": 60, "Stat": "Average"}
    return {"Id": identifier, "MetricStat": {**stat, **changes}}


def _data(neighbours: Neighbours, *queries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    asked = {"StartTime": START, "EndTime": START + timedelta(minutes=4)}
    found: dict[str, Any] = neighbours.client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), **{**asked, **changes}
    )
    return found


# ---- GetMetricStatistics ---------------------------------------------------------------------


def test_points_are_averaged_by_minutes_of_the_clock(neighbours: Neighbours) -> None:
    found = _statistics(neighbours)
    minute = START.replace(second=0)
    assert [(item["Timestamp"], item["Average"]) for item in found] == [
        (minute, 9.0), (minute + MINUTE, 6.0), (minute + 2 * MINUTE, 3.0)
    ]  # fmt: skip
    assert {item["Unit"] for item in found} == {"None"}


def test_all_statistics_are_those_of_the_period(neighbours: Neighbours) -> None:
    basic = ["SampleCount", "Sum", "Minimum", "Maximum", "Average"]
    (found,) = _statistics(
        neighbours, Statistics=basic, ExtendedStatistics=["p50", "p100"], Period=300
    )
    assert {name: found[name] for name in basic} == {
        "SampleCount": 9, "Sum": 54, "Minimum": 2, "Maximum": 10, "Average": 6
    }  # fmt: skip
    assert found["ExtendedStatistics"] == {"p50": 6.0, "p100": 10.0}


def test_short_periods_show_single_points(neighbours: Neighbours) -> None:
    found = _statistics(neighbours, Period=1)
    assert [item["Average"] for item in found] == [10.0 - number for number in range(9)]
    assert found[1]["Timestamp"] == START + timedelta(seconds=20)


def test_the_end_is_exclusive_and_the_start_is_rounded_down(neighbours: Neighbours) -> None:
    (found,) = _statistics(
        neighbours,
        StartTime=START + timedelta(seconds=20),
        EndTime=START + timedelta(seconds=40),
    )
    assert found["Average"] == 9.5


@pytest.mark.parametrize("changes", [
    {"Dimensions": of("job-1")},  # dimensions have one case
    {"Dimensions": of("nothing")},
    {"Dimensions": []},
    {"Dimensions": [*of("Job-1"), {"Name": "Host", "Value": "algo-1"}]},
    {"MetricName": "other"},
    {"Namespace": "elsewhere"},
    {"Unit": "Seconds"},
    {"StartTime": START + timedelta(hours=1), "EndTime": START + timedelta(hours=2)},
])  # fmt: skip
def test_what_is_not_there_has_no_points(neighbours: Neighbours, changes: dict[str, Any]) -> None:
    assert _statistics(neighbours, **changes) == []


@pytest.mark.parametrize(("changes", "code", "text"), [
    ({"Period": 61}, "InvalidParameterValue", "multiple of 60"),
    ({"EndTime": START}, "InvalidParameterValue", "must be less than the parameter EndTime"),
    ({"StartTime": START - timedelta(days=2)}, "InvalidParameterCombination",
     "up to 2885 datapoints, which exceeds the limit of 1440"),
    ({"ExtendedStatistics": ["tm99"]}, "InvalidParameterValue", "tm99"),
])  # fmt: skip
def test_faulty_requests_are_refused(
    neighbours: Neighbours, changes: dict[str, Any], code: str, text: str
) -> None:
    with pytest.raises(ClientError, match=text) as refused:
        _statistics(neighbours, **changes)
    assert refused.value.response["Error"]["Code"] == code


def test_a_second_attempt_has_points_of_its_own(neighbours: Neighbours) -> None:
    neighbours.add_training_job("retried", point("train:loss", 5.0, 0.0), attempt=2)
    (found,) = _statistics(neighbours, Dimensions=of("retried"))
    assert found["Average"] == 5.0


def test_another_region_knows_nothing_of_the_job(neighbours: Neighbours) -> None:
    elsewhere = neighbours.client("cloudwatch", region_name="eu-west-1")
    assert elsewhere.list_metrics(Namespace=NAMESPACE)["Metrics"] == []


# ---- GetMetricData ---------------------------------------------------------------------------


def test_the_newest_values_come_first_unless_asked_otherwise(neighbours: Neighbours) -> None:
    (newest_first,) = _data(neighbours, _query())["MetricDataResults"]
    assert newest_first["Values"] == [3.0, 6.0, 9.0]
    assert newest_first["StatusCode"] == "Complete"
    assert newest_first["Label"] == "train:loss"
    (oldest_first,) = _data(neighbours, _query(), ScanBy="TimestampAscending")["MetricDataResults"]
    assert oldest_first["Values"] == [9.0, 6.0, 3.0]
    assert oldest_first["Timestamps"] == newest_first["Timestamps"][::-1]


def test_several_metrics_are_read_at_once(neighbours: Neighbours) -> None:
    found = _data(
        neighbours,
        _query("a"),
        _query("b", Stat="Maximum"),
        {**_query("c", job="job-2"), "Label": "mine", "ReturnData": False},
        {"Id": "d", "Expression": "c", "Label": "same"},
        _query("e", job="nothing"),
    )["MetricDataResults"]
    assert [(item["Id"], item["Label"], item["Values"]) for item in found] == [
        ("a", "train:loss Average", [3.0, 6.0, 9.0]),
        ("b", "train:loss Maximum", [4.0, 7.0, 10.0]),
        ("d", "same", [1.0]),
        ("e", "train:loss Average", []),
    ]


def test_pages_hold_every_point_once(neighbours: Neighbours) -> None:
    queries = [_query("a"), _query("b", job="nothing"), _query("c", Stat="Sum"), _query("d")]
    whole = _data(neighbours, *queries)["MetricDataResults"]
    token: dict[str, str] = {}
    pages, read = 0, {query["Id"]: [] for query in queries}
    while True:
        page = _data(neighbours, *queries, MaxDatapoints=2, **token)
        assert sum(len(item["Values"]) for item in page["MetricDataResults"]) <= 2
        pages += 1
        for item in page["MetricDataResults"]:
            read[item["Id"]] += zip(item["Timestamps"], item["Values"], strict=True)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert pages == 5
    assert list(read.values()) == [
        list(zip(item["Timestamps"], item["Values"], strict=True)) for item in whole
    ]


@pytest.mark.parametrize(("queries", "changes", "text"), [
    ([{"Id": "a", "Expression": "b * 100"}], {}, "Metric math and Metrics Insights"),
    ([{"Id": "a", "Expression": 'SELECT AVG(x) FROM "y"'}], {}, "Metric math"),
    ([_query(), _query()], {}, "given to two queries"),
    ([_query(Stat="median")], {}, "member.1.MetricStat.Stat is not supported"),
    ([_query(Period=7)], {}, "multiple of 60"),
    ([{"Id": "a"}], {}, "member.1.MetricStat is required"),
    ([_query()], {"NextToken": "x"}, "NextToken is not valid"),
    ([_query()], {"EndTime": START}, "must be less"),
])  # fmt: skip
def test_faulty_queries_are_refused(
    neighbours: Neighbours, queries: list[dict[str, Any]], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ClientError, match=text) as refused:
        _data(neighbours, *queries, **changes)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_long_range_of_short_periods_is_answered_at_once(neighbours: Neighbours) -> None:
    (found,) = _data(neighbours, _query(Period=1), StartTime=datetime(1970, 1, 2, tzinfo=UTC))[
        "MetricDataResults"
    ]
    assert len(found["Values"]) == 9


# ---- ListMetrics -----------------------------------------------------------------------------


def _listed(neighbours: Neighbours, **params: Any) -> list[tuple[str, str]]:
    pages = neighbours.client("cloudwatch").get_paginator("list_metrics").paginate(**params)
    return [
        (item["Dimensions"][0]["Value"], item["MetricName"])
        for page in pages
        for item in page["Metrics"]
    ]


def test_every_metric_of_every_training_job_is_listed(neighbours: Neighbours) -> None:
    assert _listed(neighbours, Namespace=NAMESPACE)[:3] == [
        ("Job-1", "train:loss"), ("Job-1", "validation:auc"), ("job-2", "train:loss")
    ]  # fmt: skip
    by_name = _listed(neighbours, MetricName="validation:auc")
    assert by_name == [("Job-1", "validation:auc")]
    by_job = _listed(neighbours, Dimensions=of("job-2"))
    assert by_job == [("job-2", "train:loss")]
    assert _listed(neighbours, Dimensions=of("JOB-2")) == []
    any_job = _listed(neighbours, Dimensions=[{"Name": "TrainingJobName"}])
    assert ("job-2", "train:loss") in any_job
    assert _listed(neighbours, Namespace=NAMESPACE, RecentlyActive="PT3H") == []


def test_metrics_come_in_pages_of_500(neighbours: Neighbours) -> None:
    region = neighbours.client("cloudwatch")
    for number in range(120):
        points = [point(f"metric-{index}", 1.0, 0.0) for index in range(6)]
        neighbours.add_training_job(f"paged-{number:03}", *points)
    data = [{"MetricName": f"put-{index:04}", "Value": 1.0} for index in range(700)]
    region.put_metric_data(Namespace="pages", MetricData=data)
    sizes, names, token = [], [], {}
    while True:
        page = region.list_metrics(**token)
        sizes.append(len(page["Metrics"]))
        names += [(str(item["Dimensions"]), item["MetricName"]) for item in page["Metrics"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sizes[:2] == [500, 500]
    assert max(sizes) == 500
    assert len(names) == len(set(names)) >= 120 * 6 + 700
    with pytest.raises(ClientError, match="NextToken is not valid"):
        region.list_metrics(NextToken="own:nonsense")
    with pytest.raises(ClientError, match="NextToken is not valid"):
        region.list_metrics(NextToken="put:-1")


def test_reads_leave_nothing_behind(neighbours: Neighbours) -> None:
    from moto.cloudwatch.models import cloudwatch_backends

    backend = cloudwatch_backends["111122223333"][REGION]
    before = (len(backend.metric_data), len(backend.paged_metric_data))
    for _ in range(3):
        _statistics(neighbours)
        _data(neighbours, _query(), MaxDatapoints=1)
        neighbours.client("cloudwatch").list_metrics()
    assert (len(backend.metric_data), len(backend.paged_metric_data)) == before


# ---- put by the user -------------------------------------------------------------------------


def test_what_was_put_is_read_back(neighbours: Neighbours) -> None:
    cloudwatch = neighbours.client("cloudwatch")
    room = [{"Name": "room", "Value": "1"}]
    cloudwatch.put_metric_data(
        Namespace="mine",
        MetricData=[
            {"MetricName": "heat", "Timestamp": START, "Value": 3.0, "Dimensions": room,
             "Unit": "Count"},
            {"MetricName": "heat", "Timestamp": START, "Dimensions": room, "Unit": "Count",
             "StatisticValues": {"SampleCount": 3, "Sum": 9, "Minimum": 1, "Maximum": 5}},
            {"MetricName": "heat", "Timestamp": START, "Value": 100.0},
        ],
    )  # fmt: skip
    (found,) = _statistics(
        neighbours,
        Namespace="mine",
        MetricName="heat",
        Dimensions=room,
        Statistics=["Average", "Minimum", "Maximum"],
        ExtendedStatistics=["p90"],
    )
    assert (found["Average"], found["Minimum"], found["Maximum"]) == (3.0, 1.0, 5.0)
    assert found["Unit"] == "Count"
    assert "ExtendedStatistics" not in found  # percentiles of a set cannot be told


# ---- the three protocols ---------------------------------------------------------------------


def _operation(name: str) -> OperationModel:
    return service_model("cloudwatch").operation_model(name)


_ASKED = {
    "Namespace": NAMESPACE,
    "MetricName": "train:loss",
    "Dimensions": of("Job-1"),
    "StartTime": START,
    "EndTime": START + timedelta(minutes=4),
    "Period": 60,
    "Statistics": ["Average"],
}


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
def test_each_protocol_gives_the_same(neighbours: Neighbours, protocol: str) -> None:
    operation = _operation("GetMetricStatistics")
    asked = create_serializer(protocol, False).serialize_to_request(_ASKED, operation)
    body = asked["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    send = {name.replace("-", "_"): str(value) for name, value in asked["headers"].items()}
    status, headers, answer = raw(
        neighbours.port, "monitoring", body, path=asked["url_path"], **send
    )
    assert status == 200, answer
    parsed = create_parser(protocol).parse(
        {"status_code": status, "headers": headers, "body": answer}, operation.output_shape
    )
    assert [item["Average"] for item in parsed["Datapoints"]] == [9.0, 6.0, 3.0]
    assert parsed["Datapoints"][0]["Timestamp"] == START.replace(second=0)
    assert parsed["ResponseMetadata"]["RequestId"]


def _in_cbor(
    neighbours: Neighbours, operation: str, body: bytes
) -> tuple[int, dict[str, Any], dict[str, str]]:
    status, headers, answer = raw(
        neighbours.port,
        "monitoring",
        body,
        path=f"/service/GraniteServiceVersion20100801/operation/{operation}",
        Content_Type="application/cbor",
        smithy_protocol="rpc-v2-cbor",
    )
    response = {"status_code": status, "headers": headers, "body": answer}
    shape = _operation("PutMetricData").input_shape
    return status, create_parser("smithy-rpc-v2-cbor").parse(response, shape), headers


@pytest.mark.parametrize(("operation", "body", "code"), [
    ("GetMetricStatistics", b"\xa0", "MissingParameter"),
    ("GetMetricStatistics", b"\xff", "SerializationException"),
    ("GetMetricStatistics", b"\x9b" + b"\xff" * 8, "SerializationException"),
    ("GetMetricStatistics", b"\x81" * 50_000, "SerializationException"),
    ("GetMetricStatistics", b"\x01", "SerializationException"),
    ("Nonsense", b"\xa0", "UnknownOperationException"),
    ("DescribeAnomalyDetectors", b"\xa0", "UnknownOperationException"),
])  # fmt: skip
def test_errors_in_cbor_are_cbor(
    neighbours: Neighbours, operation: str, body: bytes, code: str
) -> None:
    status, parsed, headers = _in_cbor(neighbours, operation, body)
    assert status == 400
    assert parsed["Error"]["Code"] == code
    assert parsed["Error"]["Message"]
    assert headers["smithy-protocol"] == "rpc-v2-cbor"


def test_an_operation_without_an_answer_says_nothing_in_cbor(neighbours: Neighbours) -> None:
    put = {"Namespace": "cbor", "MetricData": [{"MetricName": "x", "Value": 1.5}]}
    serializer = create_serializer("smithy-rpc-v2-cbor", False)
    body = serializer.serialize_to_request(put, _operation("PutMetricData"))["body"]
    assert _in_cbor(neighbours, "PutMetricData", body)[0] == 200
    (found,) = neighbours.client("cloudwatch").list_metrics(Namespace="cbor")["Metrics"]
    assert found["MetricName"] == "x"
