"""What the owner answers over its socket to requests of any shape."""

from __future__ import annotations

import http.client
import io
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.owner.homes import environment, owned, settings_of, write_program
from tuner.client import Client
from tuner.domain.errors import (
    AwsError,
    Fault,
    ResourceNotFound,
    UnknownOperationException,
    ValidationException,
)
from tuner.owner.address import LARGEST_BODY
from tuner.owner.app import application
from tuner.settings import Settings

TARGET = "SageMaker.ListHyperParameterTuningJobs"
JSON = "application/x-amz-json-1.1"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    program = write_program(tmp_path_factory.mktemp("program"))
    with owned(tmp_path_factory.mktemp("place") / "home") as home:
        found = settings_of(environment(home, program))
        Client(found).call("Tuner.Doctor")
        yield found


def post(
    home: Path,
    body: bytes,
    target: str | None = TARGET,
    content_type: str = JSON,
    method: str = "POST",
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(home / "owner.sock"))
    headers = {"Content-Type": content_type} | ({"X-Amz-Target": target} if target else {})
    connection.request(method, "/", body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.getheader("Content-Type") == JSON
    assert response.getheader("x-amzn-RequestId")
    connection.close()
    return response.status, answer


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"text"', b'{"MaxResults": NaN}', b"\xff", b"[" * 100_000, b"9" * 5000]
)
def test_a_body_that_is_no_json_object_is_refused(settings: Settings, body: bytes) -> None:
    status, answer = post(settings.home, body)
    assert (status, answer["__type"]) == (400, "SerializationException")
    assert answer["Message"]


@pytest.mark.parametrize("target", [None, "SageMaker.Nonsense", "Nonsense", "Tuner.", "S3.Put"])
def test_an_unknown_target_is_refused(settings: Settings, target: str | None) -> None:
    status, answer = post(settings.home, b"{}", target)
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_other_methods_and_content_types_are_refused(settings: Settings) -> None:
    for changed in ({"method": "GET"}, {"content_type": "text/plain"}):
        status, answer = post(settings.home, b"{}", **changed)
        assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_a_body_that_is_too_large_is_refused(settings: Settings) -> None:
    body = json.dumps({"NameContains": "x" * LARGEST_BODY}).encode()
    status, answer = post(settings.home, body)
    assert (status, answer["__type"]) == (400, "ValidationException")
    with pytest.raises(ValidationException, match="too much"):
        Client(settings).call("ListHyperParameterTuningJobs", NameContains="x" * LARGEST_BODY)


def test_an_empty_body_is_an_empty_request(settings: Settings) -> None:
    assert post(settings.home, b"") == (200, {"HyperParameterTuningJobSummaries": []})


def test_errors_keep_their_class_and_text(settings: Settings) -> None:
    client = Client(settings)
    with pytest.raises(ResourceNotFound, match="can't find a tuning job called gone"):
        client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="gone")
    with pytest.raises(UnknownOperationException):
        client.call("Frobnicate")


def in_process(call: Any, region: str | None = None) -> tuple[str, dict[str, Any]]:
    said: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": JSON,
        "CONTENT_LENGTH": "2",
        "HTTP_X_AMZ_TARGET": TARGET,
        "wsgi.input": io.BytesIO(b"{}"),
    }
    if region:
        environ["HTTP_X_TUNER_REGION"] = region
    app = application(call, "us-east-1")
    body = b"".join(app(environ, lambda status, headers: said.append(status)))  # type: ignore
    return said[0], json.loads(body)


def test_an_unexpected_exception_is_a_400_without_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def call(target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        raise KeyError("oops")

    status, answer = in_process(call)
    assert status == "400 Bad Request"
    assert answer == {"__type": "InternalFailure", "Message": "KeyError: 'oops'"}
    assert "Traceback" in caplog.text


def test_faults_travel_with_the_error() -> None:
    def call(target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        raise AwsError("two things", (Fault("A.B", "one"), Fault("C[0]", "two")))

    _, answer = in_process(call)
    assert answer["Faults"] == [
        {"Path": "A.B", "Message": "one"},
        {"Path": "C[0]", "Message": "two"},
    ]


@pytest.mark.parametrize(("sent", "used"), [(None, "us-east-1"), ("eu-west-1", "eu-west-1")])
def test_the_region_of_the_request_counts_before_the_owners(sent: str | None, used: str) -> None:
    assert in_process(lambda target, params, region: {"Region": region}, sent)[1] == {
        "Region": used
    }
