"""The endpoint over a real server on loopback, for a thread of the tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.endpoint.waitress_thread import serving_app
from tuner.endpoint.access import AccessRecord
from tuner.endpoint.channel import Channel
from tuner.endpoint.gateway import gateway
from tuner.endpoint.guard import Admit
from tuner.endpoint.neighbours import Neighbours as NeighbourServices
from tuner.endpoint.s3 import s3_app
from tuner.service import Service, logs
from tuner.service.metrics import MetricSource

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT = "123456789012"
REGION = "us-east-1"


@contextlib.contextmanager
def serving(app: WSGIApplication, largest_body: int = 2**40) -> Iterator[int]:
    """The port."""
    with serving_app(
        app,
        Channel,
        connection_limit=1000,
        max_request_body_size=largest_body,
        clear_untrusted_proxy_headers=True,
        ident=None,
    ) as port:
        yield port


class Neighbours:
    """Says who was asked for what, or does what `reply` does."""

    def __init__(self) -> None:
        self.reply: Callable[[StartResponse], Iterable[bytes]] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.reply is not None:
            return self.reply(start_response)
        asked = f"{environ['amtlocal.service']} {environ['amtlocal.region']}"
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("x-asked", asked), ("x-received", str(len(body)))])
        return [b"{}"]


def endpoint(
    service: Service,
    admit: Admit,
    neighbours: WSGIApplication,
    access: Callable[[AccessRecord], None] = lambda record: None,
) -> WSGIApplication:
    return gateway(
        service.call,
        s3_app(service.context.ports.objects),
        neighbours,
        logs_are_ours=logs.is_ours,
        account=ACCOUNT,
        region=REGION,
        admit=admit,
        access=access,
    )


def neighbours_of(service: Service) -> NeighbourServices:
    """The real ones."""
    return NeighbourServices(ACCOUNT, MetricSource(service.context.ports.records, ACCOUNT))


def client(
    port: int, service: str, region: str = "us-west-2", secret: str = "test", **config: Any
) -> Any:
    """boto3's, which tries once."""
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30, **config),
    )
