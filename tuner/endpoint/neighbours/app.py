"""The application: from a request to moto, and from what went wrong to AWS's answer."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from tuner.domain.errors import AwsError
from tuner.endpoint.neighbours import cbor
from tuner.endpoint.neighbours.decisions import refusal, unknown_operation
from tuner.endpoint.neighbours.protocols import (
    Call,
    Headers,
    Protocol,
    call_of,
    error_answer,
    is_error_body,
)
from tuner.endpoint.neighbours.requests import (
    access_key_of,
    as_moto_reads,
    body_of,
    check_json,
    check_sagemaker,
)
from tuner.service.metrics import MetricSource

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tuner.endpoint.neighbours.mounted import Moto

Answer = tuple[int, Headers, bytes]

log = logging.getLogger("tuner.endpoint")

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_MISSING = "The service {} needs a library that is not installed here ({}): pip install '{}'"
_SAID_BY_CLIENTS = re.compile(rb"An error occurred \(\w+\) when calling the \w+ operation: ")
"""moto has a few messages as botocore shows them, and botocore would say it again."""
_OURS_ALONE = ("content-length", "transfer-encoding", "connection", "server", "date")


class Neighbours:
    """A WSGI application: AWS's other services, by moto in this process.

    Whoever mounts it has checked who calls, bounded the body, and put the signing name and the
    region into `amtlocal.service` and `amtlocal.region`. moto is imported at the first request.
    What the services remember lives as long as this process; `metrics` are read from the store.
    No answer is a 5xx.
    """

    def __init__(self, account: str, metrics: MetricSource) -> None:
        self._account = account
        self._metrics = metrics
        self._importing = threading.Lock()
        self._moto: Moto | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        if status >= 400:
            body = _SAID_BY_CLIENTS.sub(b"", body)
        sent = [(name, value) for name, value in headers if _passes(name)]
        sent.append(("Content-Length", str(len(body))))
        start_response(f"{status} {_phrase(status)}", sent)
        return [body]

    def secret_of(self, access_key: str) -> str | None:
        """That of an access key which STS or IAM gave out here; None for others."""
        return self._moto.secret_of(access_key) if self._moto is not None else None

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        service = str(environ["amtlocal.service"]).lower()
        call = call_of(service, environ, b"")
        try:
            body = body_of(environ)
            call = call_of(service, environ, body)
            check_json(call, environ, body)
            if call.protocol is Protocol.CBOR:
                return self._bridged(call, environ, body)
            return self._asked(call, environ, body)
        except AwsError as error:
            return _refused(call, error.code, error.message)
        except ImportError as error:
            log.exception("%s could not be imported", service)
            # moto has more requirements for some of its services
            extra = "amtlocal[serve]" if self._moto is None else "moto[all]"
            text = _MISSING.format(service, error.name, extra)
            return _refused(call, "UnknownOperationException", text)
        except Exception:
            log.exception("%s of %s failed", call.operation, service)
            text = (
                f"{call.operation or 'The request'} failed; the log of the server has the reason."
            )
            return _refused(call, "InternalFailure", text)

    def _bridged(self, call: Call, environ: WSGIEnvironment, body: bytes) -> Answer:
        """moto does not speak CBOR: asked and answered in JSON instead."""
        bridge = cbor.bridge_for(call)
        if bridge is None:
            return _refused(call, *unknown_operation(call))
        json_environ, json_body = bridge.request(environ, body)
        json_call = call_of(call.service, json_environ, json_body)
        status, headers, answer = self._asked(json_call, json_environ, json_body)
        return status, *bridge.answer(status, headers, answer)

    def _asked(self, call: Call, environ: WSGIEnvironment, body: bytes) -> Answer:
        region = str(environ["amtlocal.region"])
        if not (_NAME.fullmatch(call.service) and _NAME.fullmatch(region)):
            return _refused(call, *unknown_operation(call))
        moto = self._mounted()
        account = moto.account_of(access_key_of(environ)) or self._account
        given = as_moto_reads(environ, body, service=call.service, region=region, account=account)
        name = moto.service_of(given)
        if name is None:
            return _refused(call, *unknown_operation(call))
        refused = refusal(name, call)
        if refused is not None:
            return _refused(call, *refused)
        if name == "sagemaker":
            check_sagemaker(call, body)
        try:
            return _spoken(call, moto.answer(name, given))
        except Exception as error:
            said = moto.said_by(error, call, region)
            if said is None:
                raise
            return _refused(call, *said)

    def _mounted(self) -> Moto:
        """Raises ImportError."""
        with self._importing:
            if self._moto is None:
                from tuner.endpoint.neighbours.mounted import Moto

                self._moto = Moto(self._metrics)
            return self._moto


def _spoken(call: Call, answer: Answer) -> Answer:
    """moto's answer, where its clients can read it, else one that they can."""
    status, headers, body = answer
    if status < 300:
        return answer
    if status >= 400 and is_error_body(call.protocol, body):
        return (400 if status >= 500 else status), headers, body
    if status in (404, 405) or status < 400:
        return _refused(call, *unknown_operation(call))
    log.error("moto answered %s of %s with status %d", call.operation, call.service, status)
    text = body[:1000].decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        text = f"{call.operation or 'The request'} was refused."
    return _refused(call, "InternalFailure" if status >= 500 else "ValidationException", text)


def _refused(call: Call, code: str, message: str) -> Answer:
    return 400, *error_answer(call.protocol, code, message)


def _passes(header: str) -> bool:
    """What moto may say: no leave for web pages, and nothing that the server says itself."""
    lower = header.lower()
    return not lower.startswith("access-control-") and lower not in _OURS_ALONE


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
