"""Answers that no service gives: refusals, each in the words of the service that was asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tuner.endpoint import error_documents
from tuner.endpoint.incoming import Incoming, Protocol
from tuner.endpoint.s3.xml import Element, document

Headers = list[tuple[str, str]]


class Refused(Exception):
    """A request that is answered with an error before any service looks at it.

    `details` become elements of S3's answer. The status is never a 5xx, which clients repeat.
    """

    def __init__(
        self, code: str, message: str, status: int = 403, details: Mapping[str, str] = {}
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.details = details


@dataclass(frozen=True)
class Answer:
    """`body` is sent as it is; its headers have its length if that is known."""

    status: int
    headers: Headers
    body: Iterable[bytes]

    @property
    def status_line(self) -> str:
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"


def bytes_answer(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    always = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    return Answer(status, [*always, *headers], [body])


def json_answer(status: int, content_type: str, members: Mapping[str, Any]) -> Answer:
    return bytes_answer(status, content_type, json.dumps(members).encode())


def refusal(incoming: Incoming, error: Refused) -> Answer:
    """In the protocol that the client speaks; no body for HEAD."""
    answer = _WRITTEN[incoming.protocol](incoming, error)
    if incoming.method != "HEAD":
        return answer
    headers = [(name, value) for name, value in answer.headers if name != "Content-Length"]
    return Answer(answer.status, [*headers, ("Content-Length", "0")], [])


def _in_json(incoming: Incoming, error: Refused) -> Answer:
    version = "1.0" if incoming.content_type.endswith("json-1.0") else "1.1"
    body = error_documents.in_json(error.code, error.message)
    return bytes_answer(error.status, f"application/x-amz-json-{version}", body)


def _in_rest_json(incoming: Incoming, error: Refused) -> Answer:
    body = json.dumps({"message": error.message}).encode()
    return bytes_answer(error.status, "application/json", body, ("x-amzn-ErrorType", error.code))


def _in_query(incoming: Incoming, error: Refused) -> Answer:
    body = error_documents.in_query(error.code, error.message, str(uuid.uuid4()))
    return bytes_answer(error.status, "text/xml", body)


def _in_ec2(incoming: Incoming, error: Refused) -> Answer:
    body = error_documents.in_ec2(error.code, error.message, str(uuid.uuid4()))
    return bytes_answer(error.status, "text/xml", body)


def _in_s3(incoming: Incoming, error: Refused) -> Answer:
    children: list[Element] = [("Code", error.code), ("Message", error.message)]
    children += error.details.items()
    request_id = uuid.uuid4().hex[:16].upper()
    children += [("RequestId", request_id), ("HostId", "amtlocal")]
    return bytes_answer(
        error.status,
        "application/xml",
        document("Error", children, namespace=False),
        ("x-amz-request-id", request_id),
        ("x-amz-id-2", "amtlocal"),
    )


_WRITTEN = {
    Protocol.JSON: _in_json,
    Protocol.REST_JSON: _in_rest_json,
    Protocol.QUERY: _in_query,
    Protocol.EC2: _in_ec2,
    Protocol.S3: _in_s3,
}
