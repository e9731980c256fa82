"""S3's presigned URLs of signature version 2, which boto3 and the AWS CLI still make for an
endpoint that is not AWS's own.

docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html, "Query string request
authentication alternative". Requests that carry such a signature in a header are not served.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from botocore.auth import HmacV1QueryAuth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tuner.endpoint import signature_errors as errors
from tuner.endpoint.incoming import Incoming
from tuner.endpoint.s3.request import bucket_of_host
from tuner.endpoint.signed_text import headers_of, pairs_of, url_path

_FIELDS = ("AWSAccessKeyId", "Signature", "Expires")


def is_presigned(incoming: Incoming) -> bool:
    """Whether it is one, and nothing else: what names a service would not be signed."""
    names = incoming.parameters.keys()
    return (
        not incoming.authorization
        and all(name in names for name in _FIELDS)
        and not any(name.startswith("X-Amz-") for name in names)
    )


def check(incoming: Incoming, secret: str, now: datetime) -> None:
    """Raises Refused unless the URL was signed with `secret` and has not expired."""
    names = [name for name, _ in pairs_of(incoming)]
    expires = incoming.parameters["Expires"]
    if any(names.count(name) > 1 for name in _FIELDS) or not re.fullmatch(
        r"\d{1,11}", expires, re.ASCII
    ):
        raise errors.malformed(incoming)
    end = datetime.fromtimestamp(int(expires), UTC)
    if now > end:
        raise errors.expired_url(incoming, None, end, now)
    given = incoming.parameters["Signature"]
    string, signature = _expected(incoming, secret, expires)
    if not hmac.compare_digest(signature.encode(), given.encode()):
        raise errors.wrong_signature(incoming, given, string)


def _expected(incoming: Incoming, secret: str, expires: str) -> tuple[str, str]:
    """The string to sign and the signature. What begins with `x-amz-` counts wherever it is."""
    headers = HTTPHeaders()
    for name, values in headers_of(incoming).items():
        for value in values:
            headers.add_header(name, value)
    for name, value in pairs_of(incoming):
        if name.startswith("x-amz-") and name not in headers:
            headers.add_header(name, value)
    signer = _Signer(Credentials(incoming.access_key, secret), expires)
    path = url_path(incoming.path)
    bucket = bucket_of_host(str(incoming.environ.get("HTTP_HOST", "")))
    parts = urlsplit(f"http://host{path}?{incoming.query}")
    string: str = signer.canonical_string(
        incoming.method,
        parts,
        headers,  # type: ignore[arg-type]  # it takes botocore's own headers
        auth_path=f"/{bucket}{path}" if bucket else path,
    )
    return string, signer.sign_string(string)


class _Signer(HmacV1QueryAuth):
    """Signs the time that the URL has, instead of one from now."""

    def __init__(self, credentials: Credentials, expires: str) -> None:
        super().__init__(credentials)
        self._until = expires

    def _get_date(self) -> str:
        return self._until
