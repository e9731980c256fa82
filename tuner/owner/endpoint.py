"""The AWS endpoint of a home, as it is served on a TCP port."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tuner.endpoint.s3 import s3_app
from tuner.owner.app import application
from tuner.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Call = Callable[[str, Mapping[str, Any], str], Mapping[str, Any]]
_SCOPE = re.compile(r"Credential=[^/]*/\d+/([^/]+)/([^/]+)/aws4_request")


def endpoint(service: Service, call: Call, region: str) -> WSGIApplication:
    """Serve the AWS operations and S3 of a home."""
    s3 = s3_app(service.context.ports.objects)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or scope[2] == "s3":
            return s3(environ, start_response)
        return application(call, scope[1])(environ, start_response)

    return serve
