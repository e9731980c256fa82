"""Requests in Smithy's RPC v2 CBOR asked as JSON, by botocore's own parsers and serializers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.model import OperationModel, OperationNotFoundError, Shape
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer

from tuner.domain.errors import SerializationException
from tuner.endpoint.neighbours.protocols import Call, Headers, Protocol, error_answer
from tuner.shapes.service_model import service_model

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MODELS = {"monitoring": "cloudwatch"}
"""Services that are also asked in CBOR, by signing name."""
_CBOR = Protocol.CBOR.value
_NOTHING = b"\xa0"
"""An empty map."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """One operation in both protocols."""

    operation: OperationModel

    def request(self, environ: WSGIEnvironment, body: bytes) -> tuple[WSGIEnvironment, bytes]:
        """Raises SerializationException."""
        try:
            params = _parsed(_CBOR, body or _NOTHING, self.operation.input_shape)
            asked = create_serializer("json", False).serialize_to_request(params, self.operation)
        except (ResponseParserError, ValueError, TypeError, AttributeError, KeyError,
                RecursionError, MemoryError, OverflowError):  # fmt: skip
            raise SerializationException("The request is not valid CBOR.") from None
        headers = {
            "CONTENT_TYPE": asked["headers"]["Content-Type"],
            "HTTP_X_AMZ_TARGET": asked["headers"]["X-Amz-Target"],
            "PATH_INFO": "/",
            "REQUEST_URI": "/",
        }
        return {**environ, **headers}, asked["body"]

    def answer(self, status: int, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        if status != 200:
            error = json.loads(body)
            message = error.get("message") or error.get("Message") or ""
            said, written = error_answer(Protocol.CBOR, error.get("__type", "Unknown"), message)
            codes = [item for item in headers if item[0].lower() == "x-amzn-query-error"]
            return [*said, *codes], written
        shape = self.operation.output_shape
        written = _NOTHING
        if shape is not None:
            answer = _parsed("json", body, shape)
            written = create_serializer(_CBOR, False).serialize_to_request(
                answer, _asking_for(self.operation, shape.name)
            )["body"]
        kept = [item for item in headers if item[0].lower() == "x-amzn-requestid"]
        spoken = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        return [*kept, *spoken], written


def bridge_for(call: Call) -> Bridge | None:
    name = _MODELS.get(call.service)
    if name is None or call.operation is None:
        return None
    try:
        return Bridge(service_model(name).operation_model(call.operation))
    except OperationNotFoundError:
        return None


def _parsed(protocol: str, body: bytes, shape: Shape | None) -> dict[str, Any]:
    """botocore's parsers read answers; a request's shape is read like an answer's."""
    if shape is None:
        return {}
    answer = {"status_code": 200, "headers": {}, "body": body}
    parsed: dict[str, Any] = create_parser(protocol).parse(answer, shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def _asking_for(operation: OperationModel, shape: str) -> OperationModel:
    """botocore's serializers write requests: an operation that is asked what the other says."""
    model = {"name": operation.name, "http": operation.http, "input": {"shape": shape}}
    return OperationModel(model, operation.service_model, operation.name)
