"""Errors as AWS's protocols other than S3's write them down."""

from __future__ import annotations

import json
import re

from tuner.endpoint.s3.xml import document

_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 has no way to write, and parsers of these protocols refuse."""


def in_json(code: str, message: str) -> bytes:
    """With the message under both names: services' models disagree on which one it is."""
    return json.dumps({"__type": code, "Message": message, "message": message}).encode()


def in_query(code: str, message: str, request_id: str) -> bytes:
    error = [("Type", "Sender"), ("Code", code), ("Message", _sayable(message))]
    return document(
        "ErrorResponse", [("Error", [*error]), ("RequestId", request_id)], namespace=False
    )


def in_ec2(code: str, message: str, request_id: str) -> bytes:
    error = [("Code", code), ("Message", _sayable(message))]
    return document(
        "Response", [("Errors", [("Error", [*error])]), ("RequestID", request_id)], namespace=False
    )


def _sayable(text: str) -> str:
    return _UNSAYABLE.sub("\ufffd", text)
