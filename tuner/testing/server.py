"""A server with a home of its own, and its end."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore.session

from tuner.client import Client
from tuner.exec.lease import Address, Lease, Served, kept
from tuner.exec.variables import Endpoint, Variables, applied, variables, with_sts_detour
from tuner.settings import Settings
from tuner.testing.end import end_home

_IDLE_SECONDS = 5.0

_NOTHING_OF_THE_USER: dict[str, tuple[None, None, str | None, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""botocore's session variables: name in a file, environment variable, default, conversion."""

log = logging.getLogger("tuner.testing")


@dataclass(frozen=True)
class Server:
    """A home that is served at `url`."""

    settings: Settings
    endpoint: Endpoint

    @property
    def url(self) -> str:
        return self.endpoint.url

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def region(self) -> str:
        return self.settings.region

    @cached_property
    def variables(self) -> Variables:
        """What is to be set in an environment; None: unset."""
        return variables(self.endpoint, self.settings)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process for a subprocess that is to use this server, with
        the detour for the STS clients of the SageMaker SDKs."""
        return with_sts_detour(applied(self.variables))

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client; `options` go to boto3. Raises ImportError, with the remedy."""
        try:
            boto3 = importlib.import_module("boto3")
        except ImportError:
            raise ImportError("Server.client needs boto3: pip install boto3") from None
        session = boto3.Session(
            botocore_session=botocore.session.Session(session_vars=_NOTHING_OF_THE_USER),
            aws_access_key_id=self.endpoint.access_key_id,
            aws_secret_access_key=self.endpoint.secret_access_key,
            region_name=self.region,
        )
        return session.client(service, **({"endpoint_url": self.url} | options))


@contextlib.contextmanager
def serving(home: str | os.PathLike[str] | None = None, **settings: Any) -> Iterator[Server]:
    """Serve a home on a free port while inside; `settings` are fields of `Settings`, such as
    `cpus` and `image_map`.

    Without `home` it is a temporary one that is removed at the end, with all that runs in it. A
    home that was given stays, and so do its jobs. Raises OwnerUnavailable when it cannot start.
    """
    if home is not None:
        with _served(Settings(home=Path(home).absolute(), **settings)) as server:
            yield server
        return
    temporary = Path(tempfile.mkdtemp(prefix="amtlocal-")).resolve()
    try:
        with _served(
            Settings(home=temporary, **{"idle_seconds": _IDLE_SECONDS} | settings)
        ) as server:
            yield server
    finally:
        end_home(temporary)


@contextlib.contextmanager
def _served(settings: Settings) -> Iterator[Server]:
    # as the owner reads them, or it would not take them for its own
    environ = settings.environment() | {"TUNER_HOME": str(settings.home)}
    settings = Settings.from_environment(environ)
    client = Client(settings)
    with kept(Lease(client, Address()), log.warning) as url:
        yield Server(settings, Served.of(client).at(url))
