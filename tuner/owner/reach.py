"""How training programs reach the AWS endpoint of their home."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tuner.domain.jobs import TrainingJob
from tuner.owner.keys import AccessKey, key_of_job
from tuner.owner.leases import bind

LOOPBACK = "127.0.0.1"
_FILE = "jobs-ports.json"

Open = Callable[[socket.socket, bool], None]
"""Serve a bound socket, told whether requests must be signed."""

log = logging.getLogger("tuner.owner")


class Reach:
    """See `Reach` in domain/ports.py. Each address of this machine that programs ask for has a
    port, the same one as before where it is free, since running programs know it. Whoever comes
    by another address than loopback has to sign, with a key that is good for as long as the job
    runs."""

    def __init__(self, home: Path, key: AccessKey) -> None:
        self._file = home / _FILE
        self._key = key
        self._lock = threading.Lock()
        self._open: Open | None = None
        self._ports: dict[str, int] = _numbers(self._file)
        self._bound: dict[str, socket.socket | None] = {}
        for address in (LOOPBACK, *self._ports):
            self._socket(address)

    def __call__(self, job: TrainingJob, address: str) -> Mapping[str, str]:
        with self._lock:
            bound = self._socket(address)
        if bound is None:
            return {}
        url = f"http://{address}:{bound.getsockname()[1]}"
        key = key_of_job(self._key, job.key)
        return {
            "AWS_ENDPOINT_URL": url,
            "S3_ENDPOINT_URL": url,  # what AWS's older images read
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        }

    def serve(self, open_: Open) -> None:
        """Open what was bound so far, and from now on whatever will be."""
        with self._lock:
            self._open = open_
            for address, bound in self._bound.items():
                if bound is not None:
                    open_(bound, not _is_loopback(address))

    def _socket(self, address: str) -> socket.socket | None:
        if address not in self._bound:
            bound = self._bound[address] = self._new_socket(address)
            if bound is not None and self._open is not None:
                self._open(bound, not _is_loopback(address))
        return self._bound[address]

    def _new_socket(self, address: str) -> socket.socket | None:
        for port in (self._ports.get(address, 0), 0):
            try:
                bound = bind(socket.AF_INET, address, port)
            except (OSError, OverflowError) as error:
                log.warning("jobs cannot be served on port %d of %s: %s", port, address, error)
                continue
            self._ports[address] = bound.getsockname()[1]
            scratch = self._file.with_suffix(".new")
            scratch.write_text(json.dumps(self._ports))
            scratch.replace(self._file)
            return bound
        return None


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _numbers(file: Path) -> dict[str, int]:
    try:
        return {str(address): int(port) for address, port in json.loads(file.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
