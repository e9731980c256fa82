"""moto in this process. Importing this imports moto, which takes about a second."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from flask import Flask
from moto.backend_index import backend_url_patterns
from moto.backends import SERVICE_NAMES, list_of_moto_modules
from moto.core.config import default_user_config
from moto.core.exceptions import ServiceException
from moto.core.parse import RequestParserError
from moto.core.responses import BaseResponse
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tuner.domain.errors import AwsError
from tuner.endpoint.neighbours.cloudwatch import responses_from
from tuner.endpoint.neighbours.decisions import NOT_NEIGHBOURS, unknown_operation
from tuner.endpoint.neighbours.identity import CallerResponse, RoleResponse, account_of, secret_of
from tuner.endpoint.neighbours.protocols import Call, Headers
from tuner.service.metrics import MetricSource

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class Moto:
    """moto's applications, each made when it is first asked for. Thread-safe."""

    def __init__(self, metrics: MetricSource) -> None:
        os.environ.pop("MOTO_ACCOUNT_ID", None)  # would outrank the account of each request
        default_user_config["lambda"]["use_docker"] = False
        default_user_config["batch"]["use_docker"] = False
        default_user_config["iam"]["load_aws_managed_policies"] = True
        self._ours: Mapping[str, type[BaseResponse]] = {
            "cloudwatch": responses_from(metrics),
            "iam": RoleResponse,
            "sts": CallerResponse,
        }
        self._names = frozenset(list_of_moto_modules())
        self._dispatcher = DomainDispatcherApplication(create_backend_app)
        self._applications: dict[str, WSGIApplication] = {}
        self._making = threading.Lock()

    def account_of(self, access_key: str | None) -> str | None:
        return account_of(access_key)

    def secret_of(self, access_key: str) -> str | None:
        return secret_of(access_key)

    def service_of(self, environ: WSGIEnvironment) -> str | None:
        """moto's name of the service that an environ made for moto is meant for."""
        try:
            host = self._dispatcher.infer_service_region_host(environ, environ["PATH_INFO"])
        except KeyError:
            return None
        if host is None:
            return None
        found: str | None = host if host in self._names else None
        if found is None:
            url = f"https://{host}"
            found = next((name for name, base in backend_url_patterns if base.match(url)), None)
        return None if found in NOT_NEIGHBOURS else found

    def answer(self, service: str, environ: WSGIEnvironment) -> tuple[int, Headers, bytes]:
        """Raises whatever moto raises."""
        started: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> object:
            started[:] = [(status, headers)]
            return lambda _: None

        application = self._application(service)
        blocks = application(environ, start_response)  # type: ignore[arg-type]
        try:
            body = b"".join(blocks)
        finally:
            if hasattr(blocks, "close"):
                blocks.close()
        status, headers = started[0]
        return int(status.partition(" ")[0]), headers, body

    def _application(self, service: str) -> WSGIApplication:
        with self._making:
            if service not in self._applications:
                self._applications[service] = self._made(service)
            return self._applications[service]

    def _made(self, service: str) -> WSGIApplication:
        application: Flask = create_backend_app(cast(SERVICE_NAMES, service))
        application.debug = False
        application.config["PROPAGATE_EXCEPTIONS"] = True
        if service in self._ours:
            view = convert_to_flask_response(self._ours[service].dispatch)
            application.view_functions = dict.fromkeys(application.view_functions, view)
        return application

    def said_by(self, error: Exception, call: Call, region: str) -> tuple[str, str] | None:
        """Code and message where an exception is an answer; None where it is a fault of moto's."""
        if isinstance(error, (NotImplementedError, OperationNotFoundError, UnknownServiceError)):
            return unknown_operation(call)
        if isinstance(error, RequestParserError):
            return "SerializationException", "The request cannot be read as one of its operation."
        if isinstance(error, ServiceException):
            return error.code, error.message
        if isinstance(error, AwsError):
            return error.code, error.message
        if isinstance(error, KeyError) and error.args == (region,):
            return (
                "ValidationException",
                f"The region {region} is not one of AWS's for this service.",
            )
        return None
