"""The AWS endpoint: who may call, which service a request is for, and an answer in any case.

A request is recognised by the scope of its signature and its X-Amz-Target. No answer is a 5xx,
because SDKs repeat those for half a minute.
"""

from __future__ import annotations

import json
import re
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuner.domain.errors import AwsError, InternalFailure
from tuner.endpoint import pages, signature_errors
from tuner.endpoint.access import AccessRecord
from tuner.endpoint.answers import Answer, Refused, refusal
from tuner.endpoint.guard import Admit
from tuner.endpoint.incoming import LARGEST_BODY, Incoming, Protocol, Scope, TooLarge, incoming_of
from tuner.endpoint.mounted import answer_of, failure, log
from tuner.service import SAGEMAKER, search
from tuner.shapes.json_protocol import error_document, params_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Call = Callable[[str, Mapping[str, Any], str], Mapping[str, Any]]
"""`call(target, params, region)`; raises AwsError."""

LogsAreOurs = Callable[[str, Mapping[str, Any]], bool]
"""Whether `call` serves an operation of CloudWatch Logs with these members."""

_TYPES = ("application/x-amz-json-1.1", "application/x-amz-json-1.0")
_OTHERS_ARN = re.compile(
    r"arn:[^:]*:sagemaker:[^:]*:[^:]*:(?!(hyper-parameter-tuning|training)-job/)[^:/]+/[^:/]+"
)
"""Of a resource that the neighbours may have; moto fails on text that is no ARN."""
_TAGS = frozenset({"AddTags", "ListTags", "DeleteTags"})


@dataclass(frozen=True, kw_only=True)
class _Services:
    call: Call
    s3: WSGIApplication
    neighbours: WSGIApplication
    logs_are_ours: LogsAreOurs
    account: str
    region: str


def gateway(
    call: Call,
    s3: WSGIApplication,
    neighbours: WSGIApplication,
    *,
    logs_are_ours: LogsAreOurs,
    account: str,
    region: str,
    admit: Admit,
    access: Callable[[AccessRecord], None],
) -> WSGIApplication:
    """The application of the endpoint, for a server whose channels are `channel.Channel`.

    `neighbours` serves whatever we do not; it is told the service and region of a request by
    `amtlocal.service` and `amtlocal.region` in its environ. `region` counts where a request
    names none. `access` gets one record per answered request, once its body is sent, or left to
    the server to send.
    """
    services = _Services(
        call=call,
        s3=s3,
        neighbours=neighbours,
        logs_are_ours=logs_are_ours,
        account=account,
        region=region,
    )

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.time(), time.perf_counter()
        incoming = incoming_of(environ)
        try:
            answer = _answer(services, incoming, admit)
        except Refused as error:
            answer = refusal(incoming, error)
        except Exception:
            log.exception("%s %r failed", incoming.method, incoming.path)
            answer = refusal(incoming, failure())
        if incoming.is_from_browser:
            answer = _kept_from_scripts(answer)

        def record(bytes_out: int) -> None:
            access(_record(incoming, answer, bytes_out, began))

        start_response(answer.status_line, answer.headers)
        if isinstance(answer.body, list):
            record(sum(map(len, answer.body)))
            return answer.body
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(answer.body, wrapper):
            record(int(dict(answer.headers).get("Content-Length", 0)))
            return answer.body
        return _Counted(answer.body, record)

    return app


def _answer(services: _Services, incoming: Incoming, admit: Admit) -> Answer:
    try:
        admit(incoming)
        if pages.is_ours(incoming):
            return pages.page(incoming, services.account, services.region)
        if incoming.scope is None and incoming.is_signed:
            raise signature_errors.malformed(incoming)
        if incoming.scope is None and incoming.protocol is not Protocol.S3:
            raise signature_errors.unsigned(incoming)
        if incoming.scope is None or incoming.scope.service == "s3":
            return answer_of(services.s3, incoming.environ)
        return _of_service(services, incoming, incoming.scope)
    except TooLarge:
        raise _too_large() from None


def _of_service(services: _Services, incoming: Incoming, scope: Scope) -> Answer:
    region = scope.region or services.region
    if _may_be_ours(incoming):
        body = _decoded(incoming)
        try:
            params = params_of(body)
        except AwsError as error:
            raise Refused(error.code, error.message, 400) from None
        if _is_ours(services, incoming, params):
            return _called(services.call, incoming, params, region)
    incoming.body()  # bounded, and whoever serves it reads it from memory
    environ = incoming.environ
    environ["amtlocal.service"], environ["amtlocal.region"] = scope.service, region
    return answer_of(services.neighbours, environ)


def _may_be_ours(incoming: Incoming) -> bool:
    """As far as can be told without the body. Raises Refused for what is no JSON request."""
    prefix, _, operation = incoming.target.partition(".")
    ours = (
        incoming.service == "sagemaker" and prefix == "SageMaker" and operation in SAGEMAKER
    ) or (incoming.service == "logs" and prefix == "Logs_20140328")
    if ours and (incoming.method != "POST" or incoming.content_type not in _TYPES):
        raise Refused(
            "UnknownOperationException",
            f"Requests are POST requests with an X-Amz-Target header, of the type {_TYPES[0]}.",
            400,
        )
    return ours


def _is_ours(services: _Services, incoming: Incoming, params: Mapping[str, Any]) -> bool:
    operation = incoming.target.partition(".")[2]
    if incoming.service == "logs":
        return services.logs_are_ours(operation, params)
    if operation == "Search":
        return search.is_ours(params)
    arn = params.get("ResourceArn")
    if operation in _TAGS and isinstance(arn, str):
        return _OTHERS_ARN.fullmatch(arn) is None
    return True


def _called(call: Call, incoming: Incoming, params: Mapping[str, Any], region: str) -> Answer:
    request_id = str(uuid.uuid4())
    try:
        return _document(200, call(incoming.target, params, region), request_id, incoming)
    except InternalFailure as error:
        log.error("%s failed, request %s: %s", incoming.target, request_id, error.message)
        told = InternalFailure(f"The request failed; the log has the reason, under {request_id}.")
        return _document(400, _error(told), request_id, incoming)
    except AwsError as error:
        return _document(400, _error(error), request_id, incoming)


def _error(error: AwsError) -> Mapping[str, Any]:
    """With the message under both names: CloudWatch Logs and what is common to all services
    write it in lower case."""
    return {**error_document(error), "message": error.message}


def _document(
    status: int, members: Mapping[str, Any], request_id: str, incoming: Incoming
) -> Answer:
    body = json.dumps(members).encode()
    headers = [
        ("Content-Type", incoming.content_type),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", request_id),
    ]
    return Answer(status, headers, [body])


def _decoded(incoming: Incoming) -> bytes:
    """The body, unpacked if it came packed. Raises Refused, TooLarge."""
    encoding = str(incoming.environ.get("HTTP_CONTENT_ENCODING", "")).strip().lower()
    if encoding in ("", "identity"):
        return incoming.body()
    if encoding != "gzip":
        raise Refused(
            "SerializationException", f"The Content-Encoding {encoding!r} is not known.", 400
        )
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = unpacking.decompress(incoming.body(), LARGEST_BODY + 1)
    except zlib.error:
        raise Refused("SerializationException", "The request is not valid gzip.", 400) from None
    if len(body) > LARGEST_BODY:
        raise TooLarge
    if not unpacking.eof:
        raise Refused("SerializationException", "The request is not valid gzip.", 400)
    return body


def _too_large() -> Refused:
    return Refused("ValidationException", f"A request may have at most {LARGEST_BODY} bytes.", 400)


def _kept_from_scripts(answer: Answer) -> Answer:
    """What a browser shows of an object must not act as a page of ours: it could call us."""
    names = {name.lower() for name, _ in answer.headers}
    if "content-security-policy" in names:
        return answer
    more = [("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff")]
    return replace(answer, headers=[*answer.headers, *more])


class _Counted:
    """A body that says how long it was, when it is closed."""

    def __init__(self, body: Iterable[bytes], done: Callable[[int], None]) -> None:
        self._body = body
        self._done = done
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._size += len(piece)
            yield piece

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._done(self._size)


def _record(
    incoming: Incoming, answer: Answer, bytes_out: int, began: tuple[float, float]
) -> AccessRecord:
    environ = incoming.environ
    return AccessRecord(
        time=began[0],
        peer=f"{environ.get('REMOTE_ADDR', '')}:{environ.get('REMOTE_PORT', '')}",
        method=incoming.method,
        path=environ["REQUEST_URI"],
        operation=incoming.target,
        status=answer.status,
        bytes_out=bytes_out,
        duration_ms=(time.perf_counter() - began[1]) * 1000,
        access_key=incoming.access_key,
    )
