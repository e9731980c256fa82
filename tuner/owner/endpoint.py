"""The AWS endpoint of a home, as it is served on TCP ports."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.domain.errors import AwsError
from tuner.owner.gate import OwnerEnding
from tuner.owner.keys import AccessKey
from tuner.owner.leases import bind
from tuner.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Call = Callable[[str, Mapping[str, Any], str], Mapping[str, Any]]

SERVER_SETTINGS = {
    "max_request_body_size": 5 * 1024**3,  # what S3 takes; every other operation bounds its own
    "max_request_header_size": 64 * 1024,
    "channel_timeout": 60,
    "cleanup_interval": 10,
    "recv_bytes": 256 * 1024,  # uploads take a third of the time that they do with 8 KiB
}
"""How waitress serves this."""

_JOBS_PORT = "jobs-port"

log = logging.getLogger("tuner.owner")
access_log = logging.getLogger("tuner.access")


class ThrottlingException(AwsError):
    """What every client of AWS takes for a reason to ask again, a little later."""

    code = "ThrottlingException"


class Endpoint:
    """One application for each way in: they share what is behind it."""

    def __init__(self, service: Service, call: Call, key: AccessKey) -> None:
        # imported here because a home that nobody serves does without
        from tuner.endpoint.neighbours import Neighbours
        from tuner.endpoint.s3 import s3_app
        from tuner.service.metrics import MetricSource

        context = service.context
        metrics = MetricSource(context.ports.records, context.settings.account)
        self._settings = context.settings
        self._call = call
        self._s3 = s3_app(context.ports.objects)
        self._neighbours = Neighbours(context.settings.account, metrics)
        self._key = key

    def app(self, authenticate: bool) -> WSGIApplication:
        """Without a signature only this user is served, which only Linux lets us know."""
        from tuner.endpoint.access import access_line
        from tuner.endpoint.gateway import gateway
        from tuner.endpoint.guard import loopback_policy
        from tuner.endpoint.signatures import signed_policy
        from tuner.service.logs import is_ours

        if authenticate or sys.platform != "linux":
            admit = signed_policy(self._secret_of, time.time)
        else:
            admit = loopback_policy(os.getuid())
        return gateway(
            self._called,
            self._s3,
            self._neighbours,
            logs_are_ours=is_ours,
            account=self._settings.account,
            region=self._settings.region,
            admit=admit,
            access=lambda record: access_log.info(access_line(record)),
        )

    def _called(self, target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        try:
            return self._call(target, params, region)
        except OwnerEnding:
            raise ThrottlingException(
                "This server is ending; another may take its place."
            ) from None

    def _secret_of(self, access_key_id: str) -> str | None:
        if access_key_id == self._key.access_key_id:
            return self._key.secret_access_key
        return self._neighbours.secret_of(access_key_id)


def jobs_socket(home: Path) -> socket.socket | None:
    """A bound loopback port by which training jobs reach the endpoint; the same one as before
    where it is free, since running jobs know it. None when there is none to be had."""
    record = home / _JOBS_PORT
    try:
        before = int(record.read_text())
    except (OSError, ValueError):
        before = 0
    for port in (before, 0):
        try:
            bound = bind(socket.AF_INET, "127.0.0.1", port)
        except (OSError, OverflowError) as error:
            log.warning("training jobs cannot be served on port %d: %s", port, error)
            continue
        record.write_text(f"{bound.getsockname()[1]}\n")
        return bound
    return None
