"""No answer is a 5xx, and every error is one that its client can read."""

from __future__ import annotations

import gzip
import json
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.endpoint.neighbours.neighbour_server import Neighbours, raw

FORM = "application/x-www-form-urlencoded"
JSON = "application/x-amz-json-1.1"


@pytest.mark.parametrize(("service", "operation", "params"), [
    pytest.param("iam", "simulate_custom_policy",
                 {"PolicyInputList": ["{}"], "ActionNames": ["s3:Get"]}, id="query"),
    pytest.param("ec2", "describe_spot_fleet_request_history",
                 {"SpotFleetRequestId": "sfr-11111111-1111-1111-1111-111111111111",
                  "StartTime": 0}, id="ec2"),
    pytest.param("ecr", "describe_pull_through_cache_rules", {}, id="json"),
    pytest.param("route53", "get_checker_ip_ranges", {}, id="rest-xml"),
    pytest.param("eks", "list_insights", {"clusterName": "c"}, id="rest-json"),
    pytest.param("cloudwatch", "describe_anomaly_detectors", {}, id="json with query errors"),
    pytest.param("accessanalyzer", "list_analyzers", {}, id="a service that moto lacks"),
])  # fmt: skip
def test_an_operation_that_moto_lacks_is_refused_at_once(
    neighbours: Neighbours, service: str, operation: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="is not served here") as refused:
        getattr(neighbours.client(service), operation)(**params)
    response = refused.value.response
    assert response["Error"]["Code"] == "UnknownOperationException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["ResponseMetadata"]["RequestId"]


def test_a_fault_of_motos_is_a_400_and_logged(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from moto.ecr.responses import ECRResponse
    from moto.iam.responses import IamResponse

    def fail(self: object) -> None:
        raise RuntimeError("/home/someone/secret broke")

    monkeypatch.setattr(ECRResponse, "describe_registry", fail)
    monkeypatch.setattr(IamResponse, "list_users", fail)
    with caplog.at_level(logging.ERROR, "tuner.endpoint"):
        for call in (
            neighbours.client("ecr").describe_registry,
            neighbours.client("iam").list_users,
        ):
            with pytest.raises(ClientError) as refused:
                call()
            assert refused.value.response["Error"]["Code"] == "InternalFailure"
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            assert "secret" not in str(refused.value)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "/home/someone/secret broke"
    ] * 2


def test_errors_of_aws_stay_what_they_are(neighbours: Neighbours) -> None:
    with pytest.raises(ClientError) as refused:
        neighbours.client("iam").get_user(UserName="nobody")
    assert refused.value.response["Error"]["Code"] == "NoSuchEntity"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as refused:
        neighbours.client("ecr").list_images(repositoryName="nothing")
    assert refused.value.response["Error"]["Code"] == "RepositoryNotFoundException"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"[1]", b'"x"', b"null"])
def test_what_is_no_json_object_is_a_serialization_exception(
    neighbours: Neighbours, body: bytes
) -> None:
    status, _, answer = raw(
        neighbours.port,
        "ecr",
        body,
        Content_Type=JSON,
        X_Amz_Target="AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    )
    assert status == 400
    assert json.loads(answer)["__type"] == "SerializationException"


def test_compressed_requests_are_read_within_bounds(neighbours: Neighbours) -> None:
    send = {
        "Content_Type": JSON,
        "Content_Encoding": "gzip",
        "X_Amz_Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    }
    assert raw(neighbours.port, "ecr", gzip.compress(b"{}"), **send)[0] == 200
    status, _, answer = raw(neighbours.port, "ecr", b"\x1f\x8bgarbage", **send)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    bomb = gzip.compress(b" " * (65 * 1024 * 1024))
    status, _, answer = raw(neighbours.port, "ecr", bomb, **send)
    assert (status, json.loads(answer)["__type"]) == (400, "ValidationException")


def test_a_region_that_aws_does_not_have_is_named(neighbours: Neighbours) -> None:
    with pytest.raises(ClientError, match="The region local is not one of AWS's"):
        neighbours.client("ecr", region_name="local").describe_repositories()


@pytest.mark.parametrize(("service", "send", "body"), [
    ("sts", {"Content_Type": FORM}, b"Action=%00%1b%ff&Version=x"),
    ("sts", {"Content_Type": FORM}, b""),
    ("ec2", {"Content_Type": FORM}, b"Action=<b>&Version=x"),
    ("iam", {"Content_Type": FORM}, b"Action=SetupClass"),
    ("iam", {"Content_Type": FORM}, b"Action=__init__"),
    ("dynamodb", {}, b""),
    ("dynamodb", {"X_Amz_Target": "x"}, b"{}"),
    ("sagemaker", {}, b""),
    ("sagemaker", {"X_Amz_Target": "SageMaker."}, b"{}"),
    ("monitoring", {"Content_Type": FORM}, b"Action=GetMetricStatistics&Period=x"),
    ("monitoring", {"Content_Type": "application/cbor"}, b"\xff\xff"),
    ("bedrock", {}, b""),
    ("kms", {"X_Amz_Target": "TrentService.Encrypt"}, b'{"KeyId": {"a": []}}'),
])  # fmt: skip
def test_garbage_gets_an_answer(
    neighbours: Neighbours, service: str, send: dict[str, str], body: bytes
) -> None:
    status, headers, answer = raw(neighbours.port, service, body, **send)
    assert 400 <= status < 500
    assert headers["x-amzn-requestid"]
    assert b"Traceback" not in answer
    assert b"<html" not in answer.lower()


@pytest.mark.parametrize(("operation", "params", "text"), [
    ("search", {"Resource": "Foo"},
     "1 validation error detected: Value 'Foo' at 'resource' failed to satisfy constraint: "
     "Member must satisfy enum value set: "),
    ("describe_model", {"ModelName": "a b"},
     "1 validation error detected: Value 'a b' at 'modelName' failed to satisfy constraint: "
     "Member must satisfy regular expression pattern: "),
])  # fmt: skip
def test_sagemakers_requests_are_held_against_its_model(
    neighbours: Neighbours, operation: str, params: dict[str, Any], text: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(neighbours.client("sagemaker"), operation)(**params)
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith(text)
    assert "moto" not in error["Message"]


def test_an_error_does_not_say_twice_what_its_client_says(neighbours: Neighbours) -> None:
    role = "arn:aws:iam::111122223333:role/SageMakerRole"
    with pytest.raises(ClientError) as refused:
        neighbours.client("sagemaker").create_pipeline(
            PipelineName="p", ClientRequestToken="0" * 32, RoleArn=role
        )
    assert refused.value.response["Error"]["Message"].startswith("Either Pipeline Definition")
    sns = neighbours.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    with pytest.raises(ClientError) as refused:
        sns.publish(TopicArn=topic, Message="x" * 300_000)
    assert refused.value.response["Error"]["Message"].startswith("Invalid parameter")
