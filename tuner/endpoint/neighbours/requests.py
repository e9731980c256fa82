"""A request as moto gets it: its body read, its identity settled by the gateway."""

from __future__ import annotations

import json
import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuner.domain.errors import SerializationException, ValidationException
from tuner.endpoint.neighbours.protocols import Call, Protocol
from tuner.shapes.model import check

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_INFLATED = 64 * 1024 * 1024
_CREDENTIAL = re.compile(r"Credential=([A-Za-z0-9]+)/")


def body_of(environ: WSGIEnvironment) -> bytes:
    """All of it, inflated where it came compressed. Raises SerializationException or
    ValidationException."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if str(environ.get("HTTP_CONTENT_ENCODING", "")).lower() != "gzip":
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, LARGEST_INFLATED)
    except zlib.error:
        raise SerializationException("The request is not valid gzip.") from None
    if inflater.unconsumed_tail:
        raise ValidationException(
            f"The request has more than {LARGEST_INFLATED} bytes once it is inflated."
        )
    return inflated


def check_json(call: Call, environ: WSGIEnvironment, body: bytes) -> None:
    """Raises SerializationException where a JSON object is due and none stands."""
    json_type = str(environ.get("CONTENT_TYPE", "")).startswith("application/json")
    if call.protocol is not Protocol.JSON and not (
        call.protocol is Protocol.REST_JSON and json_type and body
    ):
        return
    try:
        params = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise SerializationException("The request is not valid JSON.") from None
    if call.protocol is Protocol.JSON and not isinstance(params, dict):
        raise SerializationException("The request must be a JSON object.")


def check_sagemaker(call: Call, body: bytes) -> None:
    """Hold a request of SageMaker against its model, which moto does not. Raises
    SerializationException or ValidationException."""
    if call.protocol is Protocol.JSON and call.operation is not None:
        check(call.operation, json.loads(body or b"{}"))


def access_key_of(environ: WSGIEnvironment) -> str | None:
    found = _CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    return found[1] if found else None


def as_moto_reads(
    environ: WSGIEnvironment, body: bytes, *, service: str, region: str, account: str
) -> WSGIEnvironment:
    """The environ with whatever moto would tell service, region or account from set to what
    they are, and with nothing else that it would tell them from."""
    given = {name: value for name, value in environ.items() if not name.startswith("amtlocal.")}
    for name in ("HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"):
        given.pop(name, None)
    key = access_key_of(environ) or "AKIAEXAMPLE"
    scope = f"{key}/20000101/{region}/{service}/aws4_request"
    given |= {
        "wsgi.input": BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "RAW_URI": environ.get("REQUEST_URI") or quote(str(environ.get("PATH_INFO", "/"))),
        "HTTP_USER_AGENT": "amtlocal",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host",
        "HTTP_X_MOTO_ACCOUNT_ID": account,
    }
    return given
