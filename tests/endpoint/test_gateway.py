"""The endpoint as clients find it: routing, answers that are errors, pages, the access log."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.endpoint.endpoint_server import REGION, Neighbours, client, endpoint, serving
from tests.service.service_home import Home, training, tuning
from tuner.endpoint.access import AccessRecord, access_line
from tuner.endpoint.channel import MOST_HEADERS
from tuner.endpoint.guard import loopback_policy
from tuner.endpoint.incoming import LARGEST_BODY

JSON = "application/x-amz-json-1.1"
LIST = "SageMaker.ListHyperParameterTuningJobs"


class Door:
    def __init__(
        self, port: int, home: Home, neighbours: Neighbours, records: list[AccessRecord]
    ) -> None:
        self.port = port
        self.home = home
        self.neighbours = neighbours
        self.records = records

    def client(self, service: str, **options: Any) -> Any:
        return client(self.port, service, **options)

    def request(
        self, method: str, path: str, body: bytes = b"", **headers: str | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Header names have underscores for dashes; None leaves a default out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items() if value}
        connection.request(method, path, body or None, given)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status < 500
        assert str(self.home.settings.home).encode() not in answer
        return response, answer

    def post(
        self,
        body: bytes = b"{}",
        target: str = LIST,
        service: str = "sagemaker",
        **headers: str | None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        default = {
            "X_Amz_Target": target,
            "Content_Type": JSON,
            "Authorization": authorization(service),
        }
        return self.request("POST", "/", body, **(default | headers))

    def error(self, *arguments: Any, **options: Any) -> tuple[int, str]:
        response, answer = self.post(*arguments, **options)
        document = json.loads(answer)
        assert document["Message"] == document["message"] != ""
        assert response.getheader("x-amzn-RequestId")
        return response.status, document["__type"]

    def raw(self, sent: bytes) -> bytes:
        """All that is answered until the server closes, or is silent for a second."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(3)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def authorization(service: str = "sagemaker", region: str = "us-west-2") -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )


@pytest.fixture(scope="module")
def served(home: Home) -> Iterator[Door]:
    neighbours, records = Neighbours(), list[AccessRecord]()
    app = endpoint(home.service, loopback_policy(os.geteuid()), neighbours, records.append)
    with serving(app) as port:
        yield Door(port, home, neighbours, records)


@pytest.fixture
def door(served: Door) -> Iterator[Door]:
    yield served
    served.neighbours.reply = None


# ---- routing ---------------------------------------------------------------------------------


def test_a_tuning_job_runs_through_boto3(door: Door) -> None:
    sagemaker = door.client("sagemaker")
    arn = sagemaker.create_hyper_parameter_tuning_job(**tuning("through-boto3"))[
        "HyperParameterTuningJobArn"
    ]
    assert arn == (
        "arn:aws:sagemaker:us-west-2:123456789012:hyper-parameter-tuning-job/through-boto3"
    )
    found = sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="through-boto3"
    )
    assert found["HyperParameterTuningJobStatus"] in ("InProgress", "Completed")
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="already exists"):
        sagemaker.create_hyper_parameter_tuning_job(**tuning("through-boto3"))
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        client(door.port, "sagemaker", REGION).describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="through-boto3"
        )


def test_objects_are_kept(door: Door) -> None:
    s3 = door.client("s3")
    s3.create_bucket(
        Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    content = os.urandom(3_000_000)
    s3.put_object(Bucket="bucket", Key="a/../b", Body=content)
    assert s3.get_object(Bucket="bucket", Key="a/../b")["Body"].read() == content
    url = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "a/../b"})
    response, answer = door.request("GET", url.partition(str(door.port))[2])
    assert (response.status, answer) == (200, content)


def test_presigned_urls_of_version_2_are_for_s3(door: Door) -> None:
    s3 = door.client("s3", signature_version="s3")
    door.client("s3").create_bucket(
        Bucket="two", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    url = s3.generate_presigned_url("head_bucket", {"Bucket": "two"})
    assert "AWSAccessKeyId" in url
    assert door.request("HEAD", url.partition(str(door.port))[2])[0].status == 200


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("sts", "get_caller_identity", {}),
        ("iam", "list_roles", {}),
        ("ecr", "describe_repositories", {}),
        ("sagemaker", "list_models", {}),
        ("sagemaker", "list_tags", {"ResourceArn": "arn:aws:sagemaker:us-west-2:1:model/m"}),
        ("logs", "describe_log_groups", {"logGroupNamePrefix": "/other"}),
        ("logs", "get_log_events", {"logGroupName": "other", "logStreamName": "s"}),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"x"}),
    ],
)
def test_the_rest_is_for_the_neighbours(
    door: Door, service: str, operation: str, params: dict[str, Any]
) -> None:
    made = door.client(service)
    seen: dict[str, str] = {}
    made.meta.events.register(
        "before-parse",
        lambda response_dict, **_: seen.update(
            {name.lower(): value for name, value in response_dict["headers"].items()}
        ),
    )
    with_error = None
    try:
        getattr(made, operation)(**params)
    except Exception as error:  # the stub does not speak XML
        with_error = error
    assert not isinstance(with_error, ClientError)
    signed_as = "sagemaker" if service.startswith("sagemaker") else service
    assert seen["x-asked"].split()[0] == signed_as
    assert int(seen["x-received"]) > 0


def test_logs_of_training_jobs_are_ours_and_tags_of_jobs_too(door: Door) -> None:
    sagemaker, logs = door.client("sagemaker"), door.client("logs")
    arn = sagemaker.create_training_job(**training("tagged"))["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    with pytest.raises(ClientError, match="'no arn' at 'resourceArn' failed to satisfy"):
        sagemaker.list_tags(ResourceArn="no arn")
    group = "/aws/sagemaker/TrainingJobs"
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log stream"):
        logs.get_log_events(logGroupName=group, logStreamName="none/algo-1-1")


def test_operations_for_our_own_doors_cannot_be_called(door: Door) -> None:
    response, _ = door.post(target="Tuner.ImportFiles")
    assert response.getheader("x-asked") == "sagemaker us-west-2"


@pytest.mark.parametrize("region", ["", "x" * 41, "../../etc", "US", "a b"])
def test_a_scope_with_a_strange_region_is_refused(door: Door, region: str) -> None:
    told = door.error(Authorization=authorization(region=region or "-" * 50))
    assert told == (400, "IncompleteSignatureException")


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"text"', b'{"MaxResults": NaN}', b"\xff", b"[" * 100_000, b"9" * 5000]
)
def test_a_body_that_is_no_json_object_is_refused(door: Door, body: bytes) -> None:
    assert door.error(body) == (400, "SerializationException")


def test_other_content_types_and_methods_are_refused(door: Door) -> None:
    for content_type in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        assert door.error(Content_Type=content_type) == (400, "UnknownOperationException")
    response, answer = door.request(
        "PUT", "/", b"{}", X_Amz_Target=LIST, Content_Type=JSON, Authorization=authorization()
    )
    assert (response.status, json.loads(answer)["__type"]) == (400, "UnknownOperationException")


def test_an_unsigned_request_is_told_so(door: Door) -> None:
    assert door.error(Authorization=None) == (400, "MissingAuthenticationTokenException")
    assert door.error(Authorization="AWS4-HMAC-SHA256 Credential=x") == (
        400,
        "IncompleteSignatureException",
    )


def test_an_unsigned_form_is_told_so_in_the_query_protocol(door: Door) -> None:
    form = "application/x-www-form-urlencoded"
    response, answer = door.request(
        "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", Content_Type=form
    )
    assert response.status == 403
    assert b"<ErrorResponse><Error>" in answer
    assert b"<Code>MissingAuthenticationToken</Code>" in answer


def test_a_faulty_request_gets_the_services_words(door: Door) -> None:
    _, answer = door.post(json.dumps({"MaxResults": 1000}).encode())
    assert json.loads(answer)["__type"] == "ValidationException"
    assert "Member must have value less than or equal to 100" in json.loads(answer)["Message"]


def test_a_body_that_is_too_large_is_refused_and_the_connection_survives(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    headers = {"X-Amz-Target": LIST, "Content-Type": JSON, "Authorization": authorization()}
    connection.request("POST", "/", b" " * (LARGEST_BODY + 1), headers)
    answer = json.loads(connection.getresponse().read())
    assert answer["__type"] == "ValidationException"
    connection.request("POST", "/", b"{}", headers)
    assert connection.getresponse().status == 200


def test_packed_bodies_are_unpacked_up_to_a_bound(door: Door) -> None:
    assert door.post(gzip.compress(b"{}"), Content_Encoding="gzip")[0].status == 200
    bomb = gzip.compress(b" " * (LARGEST_BODY + 1))
    assert door.error(bomb, Content_Encoding="gzip") == (400, "ValidationException")
    broken = gzip.compress(b"{}")[:-3]
    for body, encoding in ((broken, "gzip"), (b"{}", "gzip"), (b"{}", "br")):
        assert door.error(body, Content_Encoding=encoding) == (400, "SerializationException")


def test_a_body_in_chunks_is_read(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    headers = {"X-Amz-Target": LIST, "Content-Type": JSON, "Authorization": authorization()}
    connection.request("POST", "/", iter([b"{", b"}"]), headers, encode_chunked=True)
    assert connection.getresponse().status == 200


# ---- requests that can be read in two ways ---------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        b"PUT /b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date : a\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a\tb HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * MOST_HEADERS + b"\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_the_connection_closed(
    door: Door, lines: bytes
) -> None:
    smuggled = b"GET /_tuner/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = door.raw(lines + smuggled)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert answer.count(b"HTTP/1.") == 1
    assert b"<Error><Code>" in answer


def test_headers_that_are_too_long_are_refused(door: Door) -> None:
    answer = door.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: ".ljust(256 * 1024, b"b"))
    assert b" 400 Bad Request" in answer
    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in answer


def test_a_body_too_large_to_read_is_refused_before_it_is_sent(door: Door) -> None:
    answer = door.raw(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: SageMaker.X\r\n"
        b"Content-Length: 99999999999\r\n\r\n"
    )
    assert b" 400 Bad Request" in answer
    assert b'"__type": "EntityTooLarge"' in answer


# ---- neighbours that fail --------------------------------------------------------------------


def raising(start_response: Any) -> Iterable[bytes]:
    raise RuntimeError("/home/secret")


def raising_late(start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    raise RuntimeError("/home/secret")
    yield b""


def injecting(start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("x-name", "a\r\nset-cookie: b")])
    return [b""]


def crashing(start_response: Any) -> Iterable[bytes]:
    start_response("500 Internal Server Error", [])
    return [b"/home/secret"]


def silent(start_response: Any) -> Iterable[bytes]:
    return []


@pytest.mark.parametrize("reply", [raising, raising_late, injecting, crashing, silent])
@pytest.mark.parametrize(("service", "operation"), [
    ("iam", "list_roles"), ("sagemaker", "list_models"), ("ec2", "describe_regions"),
    ("lambda", "list_functions"),
])  # fmt: skip
def test_a_failing_neighbour_is_a_400_in_its_protocol(
    door: Door, caplog: pytest.LogCaptureFixture, reply: Any, service: str, operation: str
) -> None:
    door.neighbours.reply = reply
    with caplog.at_level(logging.ERROR, "tuner.endpoint"), pytest.raises(ClientError) as caught:
        getattr(door.client(service), operation)()
    error = caught.value.response
    assert error["Error"]["Code"] == "InternalFailure"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "secret" not in str(error)
    assert caplog.records


def test_a_neighbour_may_stream(door: Door) -> None:
    def streaming(start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Connection", "close")])
        yield b""
        yield b"one"
        yield b"two"

    door.neighbours.reply = streaming
    before = len(door.records)
    assert door.post(service="iam")[1] == b"onetwo"
    assert [record.bytes_out for record in door.records[before:]] == [6]


def test_a_failure_of_ours_tells_no_path(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        context = home.service.context

        def call(self, target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
            raise OSError("/home/secret is gone")

    app = endpoint(Broken(), loopback_policy(os.geteuid()), Neighbours())  # type: ignore
    with serving(app) as port:
        door = Door(port, home, Neighbours(), [])
        response, answer = door.post()
    assert (response.status, json.loads(answer)["__type"]) == (400, "InternalFailure")
    assert b"secret" not in answer
    assert "/home/secret" in caplog.text


# ---- pages -----------------------------------------------------------------------------------


def test_health_tells_who_is_served(door: Door) -> None:
    response, answer = door.request("GET", "/_tuner/health")
    health = json.loads(answer)
    assert health.pop("version")
    assert health == {"status": "ok", "account": "123456789012", "region": REGION}
    assert response.getheader("Content-Type") == "application/json"


def test_a_browser_is_led_to_the_page(door: Door) -> None:
    html = "text/html,application/xhtml+xml"
    for path in ("/", "/_tuner"):
        response, _ = door.request("GET", path, Accept=html)
        assert (response.status, response.getheader("Location")) == (302, "/_tuner/")
    response, answer = door.request("GET", "/_tuner/", Accept=html)
    assert response.status == 200
    assert b"Amtlocal" in answer
    assert b"<script" not in answer
    assert "default-src 'none'" in str(response.getheader("Content-Security-Policy"))
    assert door.request("GET", "/_tuner/nothing")[0].status == 404
    assert door.request("POST", "/_tuner/health")[0].status == 405
    assert door.request("HEAD", "/_tuner/")[1] == b""


@pytest.mark.parametrize("path", ["//_tuner/health", "/_tuner%2Fhealth", "/./_tuner/health"])
def test_other_spellings_of_our_pages_are_keys(door: Door, path: str) -> None:
    response, answer = door.request("GET", path)
    assert response.status in (400, 404)
    assert b"<Error>" in answer


def test_a_bucket_named_by_the_host_has_such_keys(door: Door) -> None:
    s3 = door.client("s3")
    s3.create_bucket(
        Bucket="hosted", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    s3.put_object(Bucket="hosted", Key="_tuner/health", Body=b"mine")
    host = f"hosted.localhost:{door.port}"
    assert door.request("GET", "/_tuner/health", Host=host)[1] == b"mine"


def test_an_object_shown_in_a_browser_is_kept_from_calling_us(door: Door) -> None:
    s3 = door.client("s3")
    s3.create_bucket(Bucket="pages", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="pages", Key="p.html", Body=b"<script>", ContentType="text/html")
    for headers in ({"Accept": "text/html"}, {"Sec_Fetch_Site": "same-origin"}):
        response, _ = door.request("GET", "/pages/p.html", **headers)
        assert response.getheader("Content-Security-Policy") == "sandbox"
    assert door.request("GET", "/pages/p.html")[0].getheader("Content-Security-Policy") is None


# ---- access log ------------------------------------------------------------------------------


def test_every_answer_is_recorded(door: Door) -> None:
    before = len(door.records)
    _, answer = door.post()
    door.request("GET", "/_tuner/health", Host="evil")
    called, refused = door.records[before:]
    assert (called.method, called.path, called.operation) == ("POST", "/", LIST)
    assert (called.status, called.bytes_out, called.access_key) == (200, len(answer), "test")
    assert called.peer.startswith("127.0.0.1:")
    assert refused.status == 403


def test_a_line_hides_signatures_and_control_characters() -> None:
    record = AccessRecord(
        time=0.5,
        peer="127.0.0.1:1",
        method="GET",
        path="/b/k?X-Amz-Signature=s3cret&a=b&x-amz-security-token=s3cret&Signature=s3cret",
        operation="x\ny\x1b[31m \xe9",
        status=200,
        bytes_out=3,
        duration_ms=1.26,
        access_key="",
    )
    assert access_line(record) == (
        "1970-01-01T00:00:00.500Z 127.0.0.1:1 - GET "
        "/b/k?X-Amz-Signature=...&a=b&x-amz-security-token=...&Signature=... "
        r"x\x0ay\x1b[31m\x20\xe9 200 3 1.3ms"
    )
