"""A request before anybody serves it: for which service and region it says it was signed.

The server is to say REQUEST_URI, which waitress does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_BODY = 8 * 1024 * 1024
"""Of a request to any service but S3, decoded."""

_HEADER = re.compile(r"AWS4-[A-Z0-9-]+ ")
_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_SCOPE = re.compile(
    r"(?P<access_key>[^/]{1,128})/(?P<date>\d{8})/(?:(?P<region>[a-z0-9-]{1,40})/)?"
    r"(?P<service>[a-z0-9._-]{1,40})/aws4_request",
    re.ASCII,
)
_QUERY_FIELDS = 1000
_FORM = "application/x-www-form-urlencoded"


class Protocol(StrEnum):
    """In which words a service speaks; the values are those of botocore's models."""

    S3 = "s3"
    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"
    EC2 = "ec2"


class TooLarge(Exception):
    """The body has more than LARGEST_BODY bytes."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Who signed a request, on which day (YYYYMMDD), for what. No region: it is for several."""

    access_key: str
    date: str
    region: str | None
    service: str


@dataclass(frozen=True)
class Incoming:
    """`path` and `query` are as they were sent. Nothing of it is proved."""

    environ: WSGIEnvironment
    method: str
    path: str
    query: str

    @cached_property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Of the query, decoded, in order. Raises ValueError where it is malformed."""
        return parse_qsl(
            self.query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS
        )

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """None of it where it is malformed, and the first of a repeated one."""
        try:
            return dict(reversed(self.pairs))
        except ValueError:
            return {}

    @property
    def authorization(self) -> str:
        return str(self.environ.get("HTTP_AUTHORIZATION", ""))

    @property
    def is_signed(self) -> bool:
        """With version 4, in the header or in the query."""
        return bool(_HEADER.match(self.authorization)) or "X-Amz-Signature" in self.parameters

    @cached_property
    def scope(self) -> Scope | None:
        """None where there is none, or it is malformed."""
        if self.authorization:
            found = _CREDENTIAL.findall(self.authorization)
            credential = found[0] if _HEADER.match(self.authorization) and found else ""
        else:
            credential = self.parameters.get("X-Amz-Credential", "")
        parts = _SCOPE.fullmatch(credential)
        return Scope(**parts.groupdict()) if parts else None

    @property
    def access_key(self) -> str:
        """Empty where the request names none; version 2 of signatures included."""
        if self.scope is not None:
            return self.scope.access_key
        scheme, _, rest = self.authorization.partition(" ")
        if scheme == "AWS":
            return rest.partition(":")[0]
        return self.parameters.get("AWSAccessKeyId", "")

    @property
    def service(self) -> str:
        """The signing name; S3 where there is none, as presigned URLs of version 2 have none."""
        if self.scope is not None:
            return self.scope.service
        return "s3"

    @property
    def target(self) -> str:
        return str(self.environ.get("HTTP_X_AMZ_TARGET", ""))

    @property
    def content_type(self) -> str:
        return str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()

    @property
    def protocol(self) -> Protocol:
        """In which the client expects to be told that it is refused."""
        if self.target:
            return Protocol.JSON
        if self.service == "s3" and not self._is_unsigned_form:
            return Protocol.S3
        if self.service == "ec2":
            return Protocol.EC2
        if self.content_type == _FORM or "Action" in self.parameters:
            return Protocol.QUERY
        return Protocol.REST_JSON

    @property
    def _is_unsigned_form(self) -> bool:
        """As clients of the query services send it without credentials; S3 takes no such."""
        return (
            (self.method, self.path, self.query) == ("POST", "/", "")
            and self.content_type == _FORM
            and self.scope is None
        )

    @property
    def is_from_browser(self) -> bool:
        accepts = str(self.environ.get("HTTP_ACCEPT", ""))
        return "HTTP_SEC_FETCH_SITE" in self.environ or "text/html" in accepts

    def body(self) -> bytes:
        """All of it; whoever serves the request can read it once more. Raises TooLarge."""
        if self._read is None:
            stream = self.environ["wsgi.input"]
            length = str(self.environ.get("CONTENT_LENGTH") or "0")
            if not re.fullmatch(r"\d{1,18}", length, re.ASCII) or int(length) > LARGEST_BODY:
                raise TooLarge
            self.environ["amtlocal.body"] = stream.read(int(length))
            self.environ["wsgi.input"] = BytesIO(self.environ["amtlocal.body"])
        return self._read or b""

    @property
    def _read(self) -> bytes | None:
        return self.environ.get("amtlocal.body")


def incoming_of(environ: WSGIEnvironment) -> Incoming:
    path = str(environ["REQUEST_URI"]).partition("?")[0]
    return Incoming(environ, environ["REQUEST_METHOD"], path, str(environ["QUERY_STRING"]))
