"""Waitress as S3's clients need it.

Waitress drops headers with an underscore in their name, and answers `X-Amz-Meta-Name`: S3 keeps
`x-amz-meta-my_name` apart from `x-amz-meta-my-name`, and boto3 takes the names of metadata from
the answer as they are written there. And it waits for ever for an empty body that was announced
with `Expect: 100-continue`, as boto3 announces every body.
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

_NAME = re.compile(rb"(?m)^X-Amz-[^:\r\n]*")


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Also keeps all headers, in order, as `raw_headers`."""

    raw_headers: tuple[tuple[str, str], ...] = ()

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)  # raises for what is malformed
        lines = header_plus.split(b"\r\n")[1:]
        pairs = (line.decode("latin-1").partition(":") for line in lines if line)
        self.raw_headers = tuple((name, value.strip(" \t")) for name, _, value in pairs)
        if not self.chunked and not self.content_length:
            self.expect_continue = False


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environment()
        environ[RAW_HEADERS] = self.request.raw_headers
        return environ

    def build_response_header(self) -> bytes:
        head: bytes = super().build_response_header()
        return _NAME.sub(lambda match: match[0].lower(), head)


class Channel(HTTPChannel):  # type: ignore[misc]
    """For a server's `channel_class`."""

    parser_class = _Parser
    task_class = _Task
