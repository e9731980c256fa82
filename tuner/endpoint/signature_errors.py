"""What the services say of a signature: each kind of fault in the words of the service asked.

The JSON services answer 400, and so do we; query services, REST services and S3 answer 403.
docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tuner.endpoint.answers import Refused
from tuner.endpoint.incoming import Incoming, Protocol

FIFTEEN_MINUTES = frozenset({"s3", "sts", "iam", "ecr"})
"""Services that take clocks so far apart; the others take five minutes."""

_MISMATCH = "The request signature we calculated does not match the signature you provided. "
_OF_S3 = "Check your key and signing method."
_OF_OTHERS = (
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for "
    "details."
)
_COMPACT = "%Y%m%dT%H%M%SZ"
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def unsigned(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        if incoming.access_key:
            return other_algorithm(incoming)
        return Refused("AccessDenied", "Access Denied")
    if incoming.protocol in (Protocol.QUERY, Protocol.EC2):
        return Refused("MissingAuthenticationToken", "Request is missing Authentication Token")
    return _of_json(
        incoming, "MissingAuthenticationTokenException", "Missing Authentication Token"
    )


def unknown_key(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            details={"AWSAccessKeyId": incoming.access_key},
        )
    message = "The security token included in the request is invalid."
    if incoming.protocol in (Protocol.QUERY, Protocol.EC2):
        return Refused("InvalidClientTokenId", message)
    return _of_json(incoming, "UnrecognizedClientException", message)


def wrong_signature(
    incoming: Incoming, given: str, string: str, canonical: str | None = None
) -> Refused:
    """S3 shows what it signed; version 2 has no canonical request."""
    if incoming.protocol is Protocol.S3:
        return Refused(
            "SignatureDoesNotMatch",
            _MISMATCH + _OF_S3,
            details={
                "AWSAccessKeyId": incoming.access_key,
                "StringToSign": string,
                "SignatureProvided": given,
                **({"CanonicalRequest": canonical} if canonical else {}),
            },
        )
    return _invalid(incoming, _MISMATCH + _OF_OTHERS)


def skewed(incoming: Incoming, time: datetime, now: datetime, allowed: timedelta) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            details={
                "RequestTime": f"{time:{_COMPACT}}",
                "ServerTime": f"{now:{_ISO}}",
                "MaxAllowedSkewMilliseconds": str(allowed // timedelta(milliseconds=1)),
            },
        )
    minutes = allowed // timedelta(minutes=1)
    if time < now:
        return _invalid(
            incoming,
            f"Signature expired: {time:{_COMPACT}} is now earlier than "
            f"{now - allowed:{_COMPACT}} ({now:{_COMPACT}} - {minutes} min.)",
        )
    return _invalid(
        incoming,
        f"Signature not yet current: {time:{_COMPACT}} is still later than "
        f"{now + allowed:{_COMPACT}} ({now:{_COMPACT}} + {minutes} min.)",
    )


def not_yet_valid(
    incoming: Incoming, time: datetime, now: datetime, allowed: timedelta
) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "AccessDenied", "Request is not valid yet", details={"ServerTime": f"{now:{_ISO}}"}
        )
    return skewed(incoming, time, now, allowed)


def expired_url(incoming: Incoming, seconds: int | None, end: datetime, now: datetime) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "AccessDenied",
            "Request has expired",
            details={
                **({"X-Amz-Expires": str(seconds)} if seconds is not None else {}),
                "Expires": f"{end:{_ISO}}",
                "ServerTime": f"{now:{_ISO}}",
            },
        )
    message = f"Signature expired: {end:{_COMPACT}} is now earlier than {now:{_COMPACT}}"
    return _invalid(incoming, message)


def headers_not_signed(incoming: Incoming, names: Sequence[str]) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            details={"HeadersNotSigned": ", ".join(names)},
        )
    return _invalid(incoming, f"'{names[0]}' must be a 'SignedHeader' in the AWS Authorization.")


def malformed(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        if incoming.authorization:
            return Refused(
                "AuthorizationHeaderMalformed", "The authorization header is malformed.", 400
            )
        return _bad_query("Error parsing the X-Amz- parameters of the signature")
    code = "IncompleteSignature"
    if incoming.protocol in (Protocol.JSON, Protocol.REST_JSON):
        code = "IncompleteSignatureException"
    return Refused(
        code,
        "Authorization requires a 'Credential' with a date that is the day of the request, "
        "'SignedHeaders' and 'Signature', and the request a date in ISO-8601 basic format.",
        400,
    )


def two_ways(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
            "Signature query string parameter or the Authorization header should be specified",
            400,
        )
    return malformed(incoming)


def other_algorithm(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        return Refused(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use "
            "AWS4-HMAC-SHA256.",
            400,
        )
    return malformed(incoming)


def bad_expiry(incoming: Incoming) -> Refused:
    if incoming.protocol is Protocol.S3:
        return _bad_query(
            "X-Amz-Expires must be a number of seconds, and less than a week (in seconds); "
            "that is 604800"
        )
    return malformed(incoming)


def no_payload_hash(incoming: Incoming) -> Refused:
    return Refused(
        "InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400
    )


def bad_payload_hash(incoming: Incoming, value: str) -> Refused:
    return Refused(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
        "valid sha256 value.",
        400,
        {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": value},
    )


def _invalid(incoming: Incoming, message: str) -> Refused:
    if incoming.protocol in (Protocol.QUERY, Protocol.EC2):
        return Refused("SignatureDoesNotMatch", message)
    return _of_json(incoming, "InvalidSignatureException", message)


def _of_json(incoming: Incoming, code: str, message: str) -> Refused:
    return Refused(code, message, 400 if incoming.protocol is Protocol.JSON else 403)


def _bad_query(message: str) -> Refused:
    return Refused("AuthorizationQueryParametersError", message, 400)
