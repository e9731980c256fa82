"""Keep the port of a home open for as long as somebody here needs it."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.client import Client, OwnerUnavailable
from tuner.domain.errors import AwsError
from tuner.exec.variables import Endpoint

RENEW_SECONDS = 1.0
"""Also how soon a new owner takes the place of one that was killed."""
LEASE_SECONDS = 10
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Port 0 is any that is free; `authenticate` has only signed requests served."""

    host: str = LOOPBACK
    port: int = 0
    authenticate: bool = False


class Lease:
    """A claim on the port; once it was got, the same port is claimed again each time, so that
    programs find it where it was when the owner had to be replaced."""

    def __init__(self, client: Client, address: Address) -> None:
        self.address = address
        self._client = client
        self._holder = uuid.uuid4().hex

    def renew(self) -> str:
        """Hold the port for some seconds from now; returns its URL.

        Raises ValidationException, whose text says why it cannot be had, and OwnerUnavailable.
        """
        answer = self._serve(LEASE_SECONDS)
        self.address = _address(answer)
        return str(answer["Url"])

    def give_back(self) -> None:
        """The port closes when nobody else holds it. One that cannot be given back runs out."""
        with contextlib.suppress(AwsError, OwnerUnavailable):
            self._serve(0)

    def _serve(self, seconds: int) -> dict[str, Any]:
        return self._client.call(
            "Tuner.Serve",
            Holder=self._holder,
            Host=self.address.host,
            Port=self.address.port,
            Authenticate=self.address.authenticate,
            Seconds=seconds,
        )


@contextlib.contextmanager
def kept(lease: Lease, trouble: Callable[[str], None]) -> Iterator[str]:
    """Hold the port while inside; yields its URL. `trouble` is told, once each, why the port
    could not be held for now; that is tried on. Raises what `Lease.renew` does at first."""
    url = lease.renew()
    over = threading.Event()

    def renew() -> None:
        last = ""
        while not over.wait(RENEW_SECONDS):
            try:
                lease.renew()
                last = ""
            except (AwsError, OwnerUnavailable) as error:
                if str(error) != last:
                    last = str(error)
                    trouble(last)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        over.set()
        thread.join()
        lease.give_back()


@dataclass(frozen=True, slots=True)
class Served:
    """A home's key and, where it is served, the address and its URL."""

    access_key_id: str
    secret_access_key: str
    url: str | None = None
    address: Address = Address()

    @classmethod
    def of(cls, client: Client) -> Served:
        """Raises OwnerUnavailable."""
        answer = client.call("Tuner.Endpoint")
        key = answer["AccessKeyId"], answer["SecretAccessKey"]
        return cls(*key, answer["Url"], _address(answer)) if "Url" in answer else cls(*key)

    def at(self, url: str) -> Endpoint:
        return Endpoint(
            url=url,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
        )


def _address(answer: Mapping[str, Any]) -> Address:
    return Address(host=answer["Host"], port=answer["Port"], authenticate=answer["Authenticate"])
