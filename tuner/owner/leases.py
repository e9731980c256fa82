"""The TCP port of a home: opened for whoever asks, and kept while anyone renews it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.domain.errors import ValidationException

LONGEST_LEASE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """`host` as it was asked for, `address` what it stands for."""

    host: str
    family: socket.AddressFamily
    address: str
    port: int
    authenticate: bool


@dataclass(slots=True, kw_only=True)
class _Port:
    bound: socket.socket
    host: str
    port: int
    authenticate: bool
    deadlines: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        address = ipaddress.ip_address(self.host)
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        return f"http://{f'[{address}]' if address.version == 6 else address}:{self.port}"

    def on_wire(self) -> dict[str, Any]:
        return {
            "Url": self.url,
            "Host": self.host,
            "Port": self.port,
            "Authenticate": self.authenticate,
        }


class Leases:
    """`open` serves a bound socket, told whether requests must be signed; `shut` ends it. All
    methods are for any thread."""

    def __init__(
        self,
        open_: Callable[[socket.socket, bool], None],
        shut: Callable[[socket.socket], None],
    ) -> None:
        self._open = open_
        self._shut = shut
        self._lock = threading.Lock()
        self._port: _Port | None = None

    def serve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`Tuner.Serve`: keep Host:Port open for Seconds from now for a Holder; 0 gives it back.

        Raises ValidationException for an address that cannot be served.
        """
        holder, seconds = _text(params, "Holder"), _number(params, "Seconds", LONGEST_LEASE)
        if not seconds:
            self._give_back(holder)
            return {}
        wanted = _wanted(params)  # may ask a name server, which nobody is to wait for
        with self._lock:
            self._drop_late()
            port = self._port or self._opened(wanted)
            if not _agrees(port, wanted):
                raise ValidationException(
                    f"This home is served at {port.url} already: end that first, use the same "
                    "address, or another home (TUNER_HOME)."
                )
            port.deadlines[holder] = time.monotonic() + seconds
            return port.on_wire()

    def describe(self) -> dict[str, Any]:
        """Where the home is served; empty where it is not."""
        with self._lock:
            self._drop_late()
            return self._port.on_wire() if self._port else {}

    def held(self) -> bool:
        return bool(self.describe())

    def _give_back(self, holder: str) -> None:
        with self._lock:
            if self._port is not None:
                self._port.deadlines.pop(holder, None)
                self._drop_late()

    def _opened(self, wanted: _Wanted) -> _Port:
        port = _bound(wanted)
        try:
            self._open(port.bound, port.authenticate)
        except BaseException:
            port.bound.close()
            raise
        self._port = port
        return port

    def _drop_late(self) -> None:
        port, now = self._port, time.monotonic()
        if port is None:
            return
        port.deadlines = {name: at for name, at in port.deadlines.items() if at > now}
        if not port.deadlines:
            self._port = None
            self._shut(port.bound)


def _agrees(port: _Port, wanted: _Wanted) -> bool:
    return (
        wanted.address == port.host
        and wanted.port in (0, port.port)
        and wanted.authenticate == port.authenticate
    )


def _wanted(params: Mapping[str, Any]) -> _Wanted:
    host = _text(params, "Host")
    family, (address, *_) = _address(host)
    return _Wanted(
        host=host,
        family=family,
        address=address,
        port=_number(params, "Port", 65535),
        authenticate=params.get("Authenticate") is True,
    )


def _bound(wanted: _Wanted) -> _Port:
    if not wanted.authenticate and not ipaddress.ip_address(wanted.address).is_loopback:
        raise ValidationException(
            f"{wanted.host} can be reached from other machines, so requests to it must be "
            "signed: serve with --auth, or serve 127.0.0.1."
        )
    try:
        bound = bind(wanted.family, wanted.address, wanted.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValidationException(
                f"Port {wanted.port} of {wanted.host} is in use: choose another one, or 0 for any."
            ) from None
        raise ValidationException(
            f"Port {wanted.port} of {wanted.host} cannot be served: {error.strerror}"
        ) from None
    return _Port(
        bound=bound,
        host=wanted.address,
        port=bound.getsockname()[1],
        authenticate=wanted.authenticate,
    )


def bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises OSError."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _address(host: str) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValidationException(f"{host!r} is no address of this machine: {error}") from None
    family, *_, address = min(found, key=lambda item: item[0] is not socket.AF_INET)
    return family, address


def _text(params: Mapping[str, Any], member: str) -> str:
    value = params.get(member)
    if not isinstance(value, str) or not value:
        raise ValidationException(f"{member} is required.")
    return value


def _number(params: Mapping[str, Any], member: str, most: int) -> int:
    value = params.get(member)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValidationException(f"{member} must be a whole number from 0 to {most}.")
    return value
