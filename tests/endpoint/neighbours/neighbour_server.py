"""The neighbour services over a real server on loopback, with the gateway's part done plainly."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.endpoint.waitress_thread import serving_app
from tests.store.job_records import training_job
from tuner.domain.jobs import AttemptKey, MetricPoint, Scope
from tuner.endpoint.neighbours import MetricSource
from tuner.endpoint.neighbours import Neighbours as NeighbourServices
from tuner.store.records import SqliteRecords

ACCOUNT = "111122223333"
REGION = "us-west-2"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Neighbours:
    port: int
    records: SqliteRecords

    def client(self, service: str, **options: Any) -> Any:
        """boto3's, which tries once."""
        config = {"retries": {"max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30}
        settings = {
            "endpoint_url": f"http://127.0.0.1:{self.port}",
            "region_name": REGION,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(**config),
        }
        return boto3.client(service, **{**settings, **options})

    def add_training_job(self, name: str, *points: MetricPoint, attempt: int = 1) -> None:
        last = {point.name: point for point in points}
        with self.records.transaction():
            job_id = self.records.new_id()
            self.records.put_training_job(
                training_job(
                    job_id,
                    name,
                    scope=Scope(account=ACCOUNT, region=REGION),
                    attempt=attempt,
                    metrics=tuple(last.values()),
                )
            )
            self.records.put_points(AttemptKey(job_id, attempt), points, 1)


@contextmanager
def serving(directory: Path) -> Iterator[Neighbours]:
    records = SqliteRecords(directory / "records.db")
    app = NeighbourServices(ACCOUNT, MetricSource(records, ACCOUNT))

    def gateway(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        assert scope is not None
        environ["amtlocal.region"], environ["amtlocal.service"] = scope.groups()
        return app(environ, start_response)

    try:
        with serving_app(gateway) as port:
            yield Neighbours(port, records)
    finally:
        records.close()


def raw(
    port: int,
    service: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/",
    region: str = REGION,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """A request as it is, with underscores in the names of headers as dashes."""
    scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Authorization": scope, **given})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()
