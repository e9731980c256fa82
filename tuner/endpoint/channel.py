"""Waitress as a door that strangers can knock at.

It knows who is at the other end of a connection, takes requests in one way only, so that nobody
can disagree about where one ends or what it says, and answers in AWS's shape, never with a 5xx,
what does not get as far as the application.
"""

from __future__ import annotations

import copy
import re
import socket
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from waitress.parser import ParsingError
from waitress.task import ErrorTask

from tuner.endpoint.answers import Refused, refusal
from tuner.endpoint.guard import PEER_UID
from tuner.endpoint.incoming import LARGEST_BODY, Incoming
from tuner.endpoint.peers import uid_of_peer
from tuner.endpoint.s3 import channel as s3

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_DRAINED = 8 * LARGEST_BODY
"""Up to here a body that is too large is read to its end, so that the client reads the answer."""

MOST_HEADERS = 200

_FOLDED = re.compile(rb"\r\n[ \t]")
_REFUSED = {
    413: ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
    431: (
        "RequestHeaderSectionTooLarge",
        "Your request header and query parameters used to make the request exceed the maximum "
        "allowed size.",
    ),
    500: ("InternalFailure", "The request could not be served; the log has the reason."),
}
_MALFORMED = ("BadRequest", "The HTTP request is malformed.")


class _Parser(s3._Parser):
    adj: Any

    def parse_header(self, header_plus: bytes) -> None:
        """Raises ParsingError for what RFC 9112 lets a server refuse (5.2, 6.1), for more than
        one way to say how long the body is, and for a target that is no path."""
        if _FOLDED.search(header_plus):
            raise ParsingError("A header goes on in a second line")
        if header_plus.count(b"\r\n") > MOST_HEADERS:
            raise ParsingError("There are too many headers")
        try:
            super().parse_header(header_plus)
        except ValueError:  # such as a number of 5,000 digits
            raise ParsingError("A header cannot be read") from None
        names = [name.lower() for name, _ in self.raw_headers]
        if "transfer-encoding" in names and (
            "content-length" in names or self.version != "1.1" or not self.chunked
        ):
            raise ParsingError("The length of the body is ambiguous")
        if any(names.count(name) > 1 for name in ("host", "content-length", "authorization")):
            raise ParsingError("A header comes twice")
        if not self.request_uri.startswith("/") or re.search(r"[^!-~]|#", self.request_uri):
            raise ParsingError("The target is no path")
        if "X_AMZ_TARGET" in self.headers:
            self.adj = _bounded(self.adj)


@lru_cache
def _bounded(adjustments: Any) -> Any:
    bounded = copy.copy(adjustments)
    bounded.max_request_body_size = min(adjustments.max_request_body_size, LARGEST_DRAINED)
    return bounded


class _Task(s3._Task):
    def get_environment(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environment()
        environ[PEER_UID] = self.channel.peer_uid
        return environ


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    def execute(self) -> None:
        code, message = _REFUSED.get(self.request.error.code, _MALFORMED)
        headers = getattr(self.request, "headers", {})
        environ: dict[str, Any] = {f"HTTP_{name}": value for name, value in headers.items()}
        environ["CONTENT_TYPE"] = headers.get("CONTENT_TYPE", "")
        asked = Incoming(environ, getattr(self.request, "command", "GET"), "/", "")
        answer = refusal(asked, Refused(code, message, HTTPStatus.BAD_REQUEST))
        self.status = answer.status_line
        self.response_headers.extend(answer.headers)
        self.set_close_on_finish()
        body = b"".join(answer.body)
        self.content_length = len(body)
        self.write(body)


class Channel(s3.Channel):
    """For a server's `channel_class`."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(
        self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None
    ) -> None:
        self.peer_uid = uid_of_peer(sock)
        super().__init__(server, sock, addr, adj, map)
