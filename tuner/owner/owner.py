"""The owner itself: one home's service behind the gate and the server."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from tuner.owner.app import application
from tuner.owner.endpoint import SERVER_SETTINGS, Endpoint, jobs_socket
from tuner.owner.gate import Gate, OtherSettings, OwnerEnding
from tuner.owner.keys import access_key
from tuner.owner.leases import Leases
from tuner.owner.limits import most_connections
from tuner.owner.server import Server, listener
from tuner.service import Service
from tuner.settings import Settings

_OF_JOBS, _OF_OTHERS = 2 / 3, 1 / 3
"""Up to which part of all connections training jobs and others are let in."""

log = logging.getLogger("tuner.owner")


class Owner:
    """Made by whoever holds the home's lock; it serves from then on, once `run` is called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gate = Gate()
        self._told_to_end = False
        self._opening = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._key = access_key(settings.home)
        jobs = jobs_socket(settings.home)
        url = f"http://127.0.0.1:{jobs.getsockname()[1]}" if jobs else None
        self._service = Service(settings, endpoint_url=url)
        self._service.start()
        self._leases = Leases(self._open, lambda bound: self._server.shut(bound))
        app = application(self._call, settings.region, self._agree)
        self._server = Server(app, listener(settings.home), most_connections())
        if jobs is not None:
            # aside, because it takes a while and nobody waits for it
            threading.Thread(target=self._open, args=(jobs, False, _OF_JOBS), daemon=True).start()
        log.info("pid %d owns %s", os.getpid(), settings.home)

    def run(self) -> None:
        """Serve until nobody needs the home or `end` is called; running jobs go on."""
        try:
            self._server.run(self._ended)
        finally:
            self._gate.shut()
            self._server.close(self._settings.home)
            self._service.close()
            log.info("pid %d ended", os.getpid())

    def end(self) -> None:
        """From any thread or signal handler."""
        self._told_to_end = True
        self._server.wake()

    def _call(self, target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        with self._gate:
            if target == "Tuner.Serve":
                return self._leases.serve(params)
            if target == "Tuner.Endpoint":
                return self._leases.describe() | self._key.on_wire()
            return self._service.call(target, params, region)

    def _open(self, bound: socket.socket, authenticate: bool, part: float = _OF_OTHERS) -> None:
        from tuner.endpoint.channel import Channel

        with self._opening:
            if self._endpoint is None:
                self._endpoint = Endpoint(self._service, self._call, self._key)
        app = self._endpoint.app(authenticate)
        self._server.open(app, bound, Channel, part, **SERVER_SETTINGS)

    def _agree(self, wanted: Mapping[str, str]) -> None:
        """Make way for an owner with other settings, unless jobs count on these."""
        own = self._settings.environment()
        other = [name for name, value in wanted.items() if own.get(name) != value]
        if not other:
            return
        if self._unneeded():
            self.end()
            raise OwnerEnding("The owner of this home has other settings.")
        raise OtherSettings(
            f"Jobs are running in {self._settings.home}, or it is served, with another value of "
            f"{', '.join(other)}: wait until they have ended (tuner list), use that value, or "
            "another home."
        )

    def _unneeded(self) -> bool:
        held = self._leases.held()  # asked first, for this shuts a port that nobody renews
        return self._service.idle() and not held

    def _ended(self) -> bool:
        return self._told_to_end or (
            self._unneeded() and self._gate.shut_if_unused(self._settings.idle_seconds)
        )
