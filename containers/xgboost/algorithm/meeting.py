"""How the programs of one training job reach each other: an address, and lines of JSON."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from typing import Any

from .platform import Platform, UserError, is_relocated

PORT = 9099
DEADLINE_SECONDS = 900.0
_CONNECT_PAUSE_SECONDS = 0.05
_LOCAL_PORTS = range(20_000, 32_000)

Address = tuple[str, int]


def job_token() -> str:
    job = os.environ.get("TRAINING_JOB_ARN") or os.environ.get("TRAINING_JOB_NAME", "")
    return hashlib.sha256(job.encode()).hexdigest()


def meeting_address(platform: Platform) -> Address:
    """Where the first host listens.

    Hosts that are processes on one machine (a relocated /opt/ml, or a name that is a loopback
    address) share its ports with other training jobs, so the address comes from the job's name.
    """
    if not is_relocated():
        found = resolve(platform.hosts[0])
        if not found.startswith("127."):
            return found, PORT
    digest = bytes.fromhex(job_token())
    if sys.platform == "linux":  # all of 127.0.0.0/8 is there
        return f"127.{digest[0] % 254 + 1}.{digest[1]}.{digest[2] % 254 + 1}", PORT
    return "127.0.0.1", _LOCAL_PORTS[int.from_bytes(digest[:4]) % len(_LOCAL_PORTS)]


def resolve(host: str) -> str:
    """Names of hosts may come up later than the program."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() >= end:
                raise UserError(f"The name of host {host} does not resolve: {error}") from error
            time.sleep(1.0)


# ---- messages: one line of JSON each ---------------------------------------------------------


def listen(address: Address) -> socket.socket:
    try:
        return socket.create_server(address)
    except OSError as error:
        raise UserError(f"Cannot listen at {address[0]}:{address[1]}: {error}") from error


def connect(address: Address, first: str) -> socket.socket:
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            connection = socket.create_connection(address, timeout=5.0)
        except OSError as error:
            if time.monotonic() >= end:
                raise UserError(f"Host {first} cannot be reached: {error}") from error
            time.sleep(_CONNECT_PAUSE_SECONDS)
        else:
            connection.settimeout(DEADLINE_SECONDS)
            return connection


def send(connection: socket.socket, message: Any) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket) -> Any:
    """One message; None when the other side is gone or talks something else."""
    data = b""
    try:
        while not data.endswith(b"\n"):
            part = connection.recv(1)  # and not a byte of the next message
            if not part:
                return None
            data += part
        return json.loads(data)
    except (OSError, ValueError):
        return None
