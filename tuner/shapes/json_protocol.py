"""AWS JSON 1.1: what is in the body of a request, and of an answer that is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from tuner.domain.errors import AwsError, SerializationException


def params_of(body: bytes) -> Mapping[str, Any]:
    """The members of a request; no body is an empty request. Raises SerializationException."""
    try:
        params = json.loads(body or b"{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SerializationException(f"The request is not valid JSON: {error}") from None
    if not isinstance(params, dict):
        raise SerializationException("The request must be a JSON object.")
    return params


def error_document(error: AwsError) -> dict[str, Any]:
    """`Faults` lists everything that is wrong with the request, where there are several."""
    document: dict[str, Any] = {"__type": error.code, "Message": error.message}
    if error.faults:
        document["Faults"] = [
            {"Path": fault.path, "Message": fault.message} for fault in error.faults
        ]
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
