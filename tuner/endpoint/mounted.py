"""Another WSGI application behind this door: whatever it does, the client gets no 5xx."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tuner.endpoint.answers import Answer, Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger("tuner.endpoint")

_FAILED = "The request could not be served; the log has the reason."
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailers", "transfer-encoding", "upgrade"),
    )
)


def failure() -> Refused:
    """What the client is told of a fault of ours; the log has the rest."""
    return Refused("InternalFailure", _FAILED, 400)


def answer_of(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """What `app` answers; it has begun to send its body. Raises Refused where the application
    fails before that, or answers with a 5xx, which is logged."""
    began: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        began[:] = [(status, headers)]
        return written.append

    asked = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')!r}"
    try:
        result = app(environ, start_response)
        body = _begun(result, environ, written)
        status, headers = began[0]
        answer = Answer(int(status[:3]), _sendable(headers), body)
    except Exception:
        log.exception("%s failed", asked)
        raise failure() from None
    if answer.status >= 500:
        log.error("%s was answered %s: %.500r", asked, status, b"".join(body))
        raise failure()
    return answer


def _begun(
    result: Iterable[bytes], environ: WSGIEnvironment, written: list[bytes]
) -> Iterable[bytes]:
    """Files are left to the server, which sends them by itself."""
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(result, list) and not written:
        return result
    if isinstance(wrapper, type) and isinstance(result, wrapper):
        return result
    body = _Body(result)
    body.begin(written)
    return body


class _Body:
    """The rest of an answer, whose beginning is known to be there."""

    def __init__(self, result: Iterable[bytes]) -> None:
        self._result = result
        self._rest = iter(result)
        self._first: list[bytes] = []

    def begin(self, written: list[bytes]) -> None:
        try:
            first = next((piece for piece in self._rest if piece), b"")
        except BaseException:
            self.close()
            raise
        self._first = [*written, first]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        yield from self._rest

    def close(self) -> None:
        close = getattr(self._result, "close", None)
        if close is not None:
            close()


def _sendable(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Raises ValueError for a header that would be more than one, or that nobody can send."""
    for name, value in headers:
        if any(ord(letter) < 32 or ord(letter) in range(127, 160) for letter in name + value):
            raise ValueError(f"the header {name!r} has control characters: {value!r}")
        (name + value).encode("latin-1")
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
