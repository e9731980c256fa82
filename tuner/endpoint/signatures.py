"""Signatures of version 4: the one that a request should have, computed by botocore.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; for S3 also
docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. What a streamed
upload signs chunk by chunk is not looked at, only the signature that the chunks start from.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tuner.endpoint import signature_errors as errors
from tuner.endpoint import signatures_v2
from tuner.endpoint.guard import Admit
from tuner.endpoint.incoming import Incoming, Scope
from tuner.endpoint.signed_text import headers_of, pairs_of, url_path

SecretOf = Callable[[str], str | None]
"""The secret of an access key id; None for one that is not known. Session tokens are no keys:
any goes with its key, and is signed like every other header."""

LONGEST_PRESIGNED = 7 * 24 * 3600

_ALGORITHM = "AWS4-HMAC-SHA256"
_FIELDS = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_PAYLOAD = re.compile(
    r"[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-(?:UNSIGNED-PAYLOAD-TRAILER"
    r"|AWS4-HMAC-SHA256-PAYLOAD(?:-TRAILER)?)"
)


def signed_policy(secret_of: SecretOf, now: Callable[[], float]) -> Admit:
    """Serve whoever signs with a key that `secret_of` knows; `now` in seconds since the epoch.

    The Host does not matter: a page in a browser has no key to sign with. The body is read here
    for its hash, but for S3, which compares it with the signed header as it stores the body.
    """

    def secret(incoming: Incoming) -> str:
        found = secret_of(incoming.access_key)
        if found is None:
            raise errors.unknown_key(incoming)
        return found

    def admit(incoming: Incoming) -> None:
        moment = datetime.fromtimestamp(now(), UTC)
        if signatures_v2.is_presigned(incoming):
            signatures_v2.check(incoming, secret(incoming), moment)
        else:
            check(incoming, secret, moment)

    return admit


def check(incoming: Incoming, secret: Callable[[Incoming], str], now: datetime) -> None:
    """Raises Refused unless the request is signed with its secret, at about this time."""
    claim = _claim(incoming)
    key = secret(incoming)
    _check_time(incoming, claim, now)
    _check_headers(incoming, claim)
    canonical, string, signature = _expected(incoming, claim, key)
    if not hmac.compare_digest(signature.encode(), claim.signature.encode()):
        raise errors.wrong_signature(incoming, claim.signature, string, canonical)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says of its signature. `expires` in seconds, for a presigned URL."""

    scope: Scope
    region: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    time: datetime
    headers: Mapping[str, Sequence[str]]
    expires: int | None = None


def _claim(incoming: Incoming) -> _Claim:
    parameters = incoming.parameters
    presigned = "X-Amz-Signature" in parameters or "X-Amz-Algorithm" in parameters
    if incoming.authorization and presigned:
        raise errors.two_ways(incoming)
    if not incoming.authorization and not presigned:
        raise errors.unsigned(incoming)
    if presigned:
        _refuse_repeated(incoming)
        algorithm = parameters.get("X-Amz-Algorithm", "")
        fields = {
            name: parameters[f"X-Amz-{name}"]
            for name in ("Credential", "SignedHeaders", "Signature")
            if f"X-Amz-{name}" in parameters
        }
    else:
        algorithm, _, rest = incoming.authorization.partition(" ")
        found = _FIELDS.findall(rest)
        fields = dict(found) if len(found) == 3 else {}
    if algorithm != _ALGORITHM:
        raise errors.other_algorithm(incoming)
    scope = incoming.scope
    if len(fields) != 3 or scope is None or scope.region is None:
        raise errors.malformed(incoming)
    headers = headers_of(incoming)
    if presigned:
        timestamp = parameters.get("X-Amz-Date", "")
    else:
        timestamp = _only(headers, "x-amz-date") or _only(headers, "date")
    time = _time(timestamp)
    if time is None or f"{time:%Y%m%d}" != scope.date:
        raise errors.malformed(incoming)
    return _Claim(
        scope=scope,
        region=scope.region,
        signed_headers=tuple(fields["SignedHeaders"].split(";")),
        signature=fields["Signature"],
        timestamp=f"{time:{_TIMESTAMP}}",
        time=time,
        headers=headers,
        expires=_expires(incoming) if presigned else None,
    )


def _refuse_repeated(incoming: Incoming) -> None:
    """A parameter of the signature that comes twice could be read in two ways."""
    names = [name for name, _ in pairs_of(incoming) if name.startswith("X-Amz-")]
    if len(names) != len(set(names)):
        raise errors.malformed(incoming)


def _expires(incoming: Incoming) -> int:
    text = incoming.parameters.get("X-Amz-Expires", "")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > LONGEST_PRESIGNED:
        raise errors.bad_expiry(incoming)
    return int(text)


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _check_time(incoming: Incoming, claim: _Claim, now: datetime) -> None:
    allowed = timedelta(minutes=15 if incoming.service in errors.FIFTEEN_MINUTES else 5)
    if claim.expires is not None:
        if claim.time > now + allowed:
            raise errors.not_yet_valid(incoming, claim.time, now, allowed)
        end = claim.time + timedelta(seconds=claim.expires)
        if now > end:
            raise errors.expired_url(incoming, claim.expires, end, now)
    elif abs(now - claim.time) > allowed:
        raise errors.skewed(incoming, claim.time, now, allowed)


def _check_headers(incoming: Incoming, claim: _Claim) -> None:
    """What the services act on must be signed: the Host and everything of `x-amz-`."""
    unsigned = [
        name
        for name in claim.headers
        if (name == "host" or name.startswith("x-amz-")) and name not in claim.signed_headers
    ]
    if unsigned or "host" not in claim.signed_headers:
        raise errors.headers_not_signed(incoming, unsigned or ["host"])
    if claim.expires is None and not {"x-amz-date", "date"} & set(claim.signed_headers):
        raise errors.headers_not_signed(incoming, ["x-amz-date"])


def _expected(incoming: Incoming, claim: _Claim, secret: str) -> tuple[str, str, str]:
    """The canonical request, the string to sign and the signature."""
    credentials = Credentials(claim.scope.access_key, secret)
    kind = _S3Signer if incoming.service == "s3" else _Signer
    signer = kind(credentials, claim.scope.service, claim.region)
    headers = HTTPHeaders()
    for name in claim.signed_headers:
        for value in claim.headers.get(name, [""]):
            headers.add_header(name, value)
    parameters = [
        pair
        for pair in pairs_of(incoming)
        if not (claim.expires is not None and pair[0] == "X-Amz-Signature")
    ]
    request = AWSRequest(incoming.method, f"http://host{url_path(incoming.path)}")
    request.params = parameters  # type: ignore[assignment]  # pairs are taken too
    request.context["timestamp"] = claim.timestamp
    signer.take(headers, _payload(incoming, claim))
    canonical: str = signer.canonical_request(request)
    string: str = signer.string_to_sign(request, canonical)
    return canonical, string, signer.signature(string, request)


def _payload(incoming: Incoming, claim: _Claim) -> str:
    """What is signed in the place of the body's hash."""
    if incoming.service != "s3":
        return hashlib.sha256(incoming.body()).hexdigest()
    stated = _only(claim.headers, "x-amz-content-sha256")
    if not stated and claim.expires is not None:
        return _UNSIGNED
    if not stated:
        raise errors.no_payload_hash(incoming)
    if not _PAYLOAD.fullmatch(stated):
        raise errors.bad_payload_hash(incoming, stated)
    return stated


def _only(headers: Mapping[str, Sequence[str]], name: str) -> str:
    """Empty unless there is exactly one."""
    values = headers.get(name, ())
    return values[0] if len(values) == 1 else ""


class _Signer(SigV4Auth):
    """Signs the headers that the client says it signed, and a payload hash that we know."""

    def take(self, headers: HTTPHeaders, payload: str) -> None:
        self._headers = headers
        self._payload = payload

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return self._headers

    def payload(self, request: AWSRequest) -> str:
        return self._payload


class _S3Signer(_Signer, S3SigV4Auth):
    """S3's paths are signed as they are."""
