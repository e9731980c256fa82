"""AWS JSON 1.1 over WSGI: one POST, one call, answered in AWS's shape.

Errors are HTTP 400 with `__type` and `Message`, and `Faults` where a request has several; never
a 5xx, which SDKs retry for half a minute.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tuner.domain.errors import (
    AwsError,
    InternalFailure,
    UnknownOperationException,
    ValidationException,
)
from tuner.owner.address import CONTENT_TYPE, LARGEST_BODY
from tuner.shapes.json_protocol import error_document, params_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Call = Callable[[str, Mapping[str, Any], str], Mapping[str, Any]]
Agree = Callable[[Mapping[str, str]], None]
"""Raises AwsError when the owner does not have these settings."""

log = logging.getLogger("tuner.owner")


def application(call: Call, region: str, agree: Agree = lambda wanted: None) -> WSGIApplication:
    """Serve `call(target, params, region)`; `region` counts where the request names none.
    Requests that say which settings they want are served only if `agree` has no objection."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, answer = _answer(call, environ, region, agree)
        body = json.dumps(answer).encode()
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", str(uuid.uuid4())),
        ]
        start_response(status, headers)
        return [body]

    return serve


def _answer(
    call: Call, environ: WSGIEnvironment, region: str, agree: Agree
) -> tuple[str, Mapping[str, Any]]:
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    try:
        params = _params(environ)
        agree(json.loads(environ.get("HTTP_X_TUNER_SETTINGS") or "{}"))
        return "200 OK", call(target, params, environ.get("HTTP_X_TUNER_REGION") or region)
    except AwsError as error:
        return "400 Bad Request", error_document(error)
    except Exception as error:
        log.exception("%s failed", target)
        failure = InternalFailure(f"{type(error).__name__}: {error}")
        return "400 Bad Request", error_document(failure)


def _params(environ: WSGIEnvironment) -> Mapping[str, Any]:
    if environ["REQUEST_METHOD"] != "POST":
        raise UnknownOperationException("Requests are POST requests with an X-Amz-Target header.")
    content_type = str(environ.get("CONTENT_TYPE", "")).split(";")[0].strip().lower()
    if content_type != CONTENT_TYPE:
        raise UnknownOperationException(f"Content-Type must be {CONTENT_TYPE}.")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > LARGEST_BODY:
        raise ValidationException(
            f"The request has {length} bytes; at most {LARGEST_BODY} are accepted."
        )
    return params_of(environ["wsgi.input"].read(length))
