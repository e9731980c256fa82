"""Which of AWS's protocols a request speaks, and an error as each of them says it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.etree import ElementTree

from tuner.endpoint.error_documents import in_ec2, in_json, in_query

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]


class Protocol(StrEnum):
    JSON = "json"
    QUERY = "query"
    EC2 = "ec2"
    CBOR = "smithy-rpc-v2-cbor"
    REST_JSON = "rest-json"
    REST_XML = "rest-xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a request asks for. `operation` is None for the REST protocols, whose operations
    only the service's model tells apart; `form` holds the parameters of the query protocols."""

    service: str
    protocol: Protocol
    operation: str | None
    form: Mapping[str, str]


_FORM = "application/x-www-form-urlencoded"
_REST_XML_SERVICES = frozenset({"cloudfront", "route53"})
_RPC_PATH = re.compile(r"/service/[^/]+/operation/(?P<operation>[^/]+)")


def call_of(service: str, environ: WSGIEnvironment, body: bytes) -> Call:
    """`service` is the signing name."""
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    path = _RPC_PATH.fullmatch(str(environ.get("PATH_INFO", "")))
    form: Mapping[str, str] = {}
    if path is not None and environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        protocol, operation = Protocol.CBOR, path["operation"]
    elif target:
        protocol, operation = Protocol.JSON, target.rpartition(".")[2]
    else:
        form = _form(environ, body)
        operation = form.get("Action")
        if operation is not None:
            protocol = Protocol.EC2 if service == "ec2" else Protocol.QUERY
        elif service in _REST_XML_SERVICES:
            protocol = Protocol.REST_XML
        else:
            protocol = Protocol.REST_JSON
    return Call(service=service, protocol=protocol, operation=operation, form=form)


def _form(environ: WSGIEnvironment, body: bytes) -> Mapping[str, str]:
    content_type = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    text = str(environ.get("QUERY_STRING", ""))
    if environ["REQUEST_METHOD"] == "POST" and content_type == _FORM:
        text = body.decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def error_answer(protocol: Protocol, code: str, message: str) -> tuple[Headers, bytes]:
    """Headers and body; the status of every error is 400."""
    request_id = str(uuid.uuid4())
    match protocol:
        case Protocol.QUERY | Protocol.REST_XML:
            content_type, body = "text/xml", in_query(code, message, request_id)
        case Protocol.EC2:
            content_type, body = "text/xml", in_ec2(code, message, request_id)
        case Protocol.CBOR:
            content_type, body = "application/cbor", _cbor({"__type": code, "message": message})
        case Protocol.JSON:
            content_type, body = "application/x-amz-json-1.1", in_json(code, message)
        case Protocol.REST_JSON:
            content_type, body = "application/json", in_json(code, message)
    headers = [
        ("Content-Type", content_type),
        ("x-amzn-RequestId", request_id),
        ("x-amzn-ErrorType", code),
    ]
    if protocol is Protocol.CBOR:
        headers.append(("smithy-protocol", "rpc-v2-cbor"))
    return headers, body


def is_error_body(protocol: Protocol, body: bytes) -> bool:
    """Whether clients of the protocol find an error in it."""
    if protocol in (Protocol.JSON, Protocol.REST_JSON):
        try:
            return isinstance(json.loads(body), dict)
        except (ValueError, RecursionError):
            return False
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError):
        return False
    return any(element.tag.rpartition("}")[2] == "Code" for element in root.iter())


def _cbor(members: Mapping[str, str]) -> bytes:
    """A map of fewer than 24 texts."""
    texts = (_cbor_text(text) for pair in members.items() for text in pair)
    return bytes([0xA0 | len(members)]) + b"".join(texts)


def _cbor_text(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")
    return b"\x7a" + len(encoded).to_bytes(4, "big") + encoded
