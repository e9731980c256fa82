"""Waitress as S3's clients need it.

Waitress drops headers with an underscore in their name, and answers `X-Amz-Meta-Name`: S3 keeps
`x-amz-meta-my_name` apart from `x-amz-meta-my-name`, and boto3 takes the names of metadata from
the answer as they are written there. And it waits for ever for an empty body that was announced
with `Expect: 100-continue`, as boto3 announces every body. Such a body is asked for right before
the answer: without that, botocore before 1.44 misreads the next answer on the same connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import WSGITask

from tuner.endpoint.s3.request import RAW_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NAME = re.compile(rb"(?m)^X-Amz-[^:\r\n]*")


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Also keeps all headers, in order, as `raw_headers`, and whether an empty body was
    announced."""

    raw_headers: tuple[tuple[str, str], ...] = ()
    announced_empty = False
    expect_continue: bool

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)  # raises for what is malformed
        lines = header_plus.split(b"\r\n")[1:]
        pairs = (line.decode("latin-1").partition(":") for line in lines if line)
        self.raw_headers = tuple((name, value.strip(" \t")) for name, _, value in pairs)
        if self.expect_continue and not self.chunked and not self.content_length:
            self.announced_empty, self.expect_continue = True, False


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environment()
        environ[RAW_HEADERS] = self.request.raw_headers
        return environ

    def build_response_header(self) -> bytes:
        head: bytes = super().build_response_header()
        head = _NAME.sub(lambda match: match[0].lower(), head)
        return _CONTINUE + head if self.request.announced_empty else head


class Channel(HTTPChannel):  # type: ignore[misc]
    """For a server's `channel_class`."""

    parser_class = _Parser
    task_class = _Task
