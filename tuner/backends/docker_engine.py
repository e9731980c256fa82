"""The Docker engine as the backend sees it: few calls, each with a time limit and two errors."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from ipaddress import IPv4Network
from typing import Any, BinaryIO

from tuner.backends.docker_connection import (
    EngineRefused,
    EngineUnavailable,
    Missing,
    connect,
    sdk_errors,
    translated,
)

TIMEOUT = 60.0
"""Seconds without a sign of the engine after which it counts as not answering."""
QUICK_TIMEOUT = 5.0
_BLOCK = 1 << 20
_BUILD_TIMEOUT = 900.0
"""A compiler, or a slow mirror, may be silent for long."""


class LogStream:
    """The answer of a log request while it arrives; `close` ends the reading from any thread."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """Raises TimeoutError when nothing came for `TIMEOUT`, EngineUnavailable when the
        connection broke."""
        import urllib3.exceptions as broken

        try:
            yield from self._response.raw.stream(decode_content=False)
        except broken.ReadTimeoutError:
            raise TimeoutError from None
        except (broken.HTTPError, OSError, ValueError, AttributeError) as error:
            raise EngineUnavailable(f"the connection to the engine broke: {error}") from None

    def close(self) -> None:
        from docker.types import CancellableStream

        with contextlib.suppress(Exception):  # it may be anywhere between open and closed
            CancellableStream(iter(()), self._response).close()


class Engine:
    """Connects when it is first needed, to `address` (a DOCKER_HOST) or where the docker command
    would. `timeout` is in seconds.

    Every method raises EngineUnavailable or EngineRefused.
    """

    def __init__(self, timeout: float = TIMEOUT, address: str | None = None) -> None:
        self._timeout = timeout
        self._address = address
        self._lock = threading.Lock()
        self._client: Any = None
        self._events: Any = None

    # ---- the engine itself ----------------------------------------------------------------------

    def ping(self) -> None:
        """Whether a new connection is accepted: one that is open already outlives the moment
        when the engine begins to shut down."""
        with self._api() as known:
            limit = min(self._timeout, QUICK_TIMEOUT)
            client = connect(limit, self._address, known.api_version)
            try:
                client.ping()
            finally:
                client.close()

    def await_end(self, label: str) -> None:
        """Return when the engine's process ends, or cuts the connection for another reason."""
        with self._api() as api:
            self._events = api.events(filters={"label": label})
            for _ in self._events:
                pass

    def info(self) -> Mapping[str, Any]:
        with self._api() as api:
            found: Mapping[str, Any] = api.info()
            return found

    def began(self) -> float | None:
        """When the engine's process began (epoch seconds): it makes its default bridge anew.
        None for an engine without one."""
        with self._api() as api:
            try:
                stamp = api.inspect_network("bridge")["Created"]
            except sdk_errors().NotFound:
                return None
        return datetime.fromisoformat(stamp).timestamp()

    def close(self) -> None:
        with self._lock:
            if self._events is not None:
                with contextlib.suppress(Exception):  # it may be anywhere between open and closed
                    self._events.close()
            if self._client is not None:
                self._client.close()

    # ---- images ---------------------------------------------------------------------------------

    def image(self, name: str) -> Mapping[str, Any] | None:
        with self._api() as api:
            try:
                found: Mapping[str, Any] = api.inspect_image(name)
            except sdk_errors().ImageNotFound:
                return None
            except sdk_errors().APIError as error:
                if error.status_code == 400:  # no legal name of an image
                    return None
                raise
            return found

    def can_pull(self, name: str) -> None:
        """Ask its registry for an image, with the credentials of the engine's own client.
        Raises EngineRefused with the reason when it cannot be had."""
        with translated():
            client = connect(QUICK_TIMEOUT, self._address)
            try:
                client.inspect_distribution(name)
            finally:
                client.close()

    def pull(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Pull an image; what the engine says meanwhile: `id` of a layer, `status`, and its
        `progress` in words and as `progressDetail` (`current`, `total`: bytes)."""
        with self._api() as api:
            repository, tag = _repository_and_tag(name)
            for step in api.pull(repository, tag=tag, stream=True, decode=True):
                if "error" in step:
                    raise EngineRefused(str(step["error"]))
                yield step

    def build(
        self,
        context: BinaryIO,
        *,
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Iterator[str]:
        """Build an image from a tar archive with a Dockerfile; the lines that are printed
        meanwhile. The engine gives up a build that nobody listens to any more."""
        with self._api() as api:
            begun = ""
            for message in api.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                rm=True,
                forcerm=True,
                decode=True,
                timeout=_BUILD_TIMEOUT,
                use_config_proxy=True,
            ):
                if "error" in message:
                    raise EngineRefused(str(message["error"]).strip())
                *lines, begun = (begun + str(message.get("stream", ""))).split("\n")
                yield from lines

    def commit(self, container: str, repository: str, tag: str) -> str:
        """A container's files and configuration as an image; its id."""
        with self._api() as api:
            found: str = api.commit(container, repository=repository, tag=tag)["Id"]
            return found

    def images(self, label: str) -> Sequence[Mapping[str, Any]]:
        with self._api() as api:
            found: Sequence[Mapping[str, Any]] = api.images(filters={"label": label})
            return found

    def remove_image(self, image: str) -> None:
        """Refused while a container is made from it."""
        with self._api() as api, contextlib.suppress(sdk_errors().NotFound):
            api.remove_image(image)

    # ---- containers -----------------------------------------------------------------------------

    def containers(self, label: str, *, sizes: bool = False) -> Sequence[Mapping[str, Any]]:
        """All containers with a label (`name` or `name=value`); with `sizes` only those that
        run, and what each has written (`SizeRw`, bytes)."""
        filters: dict[str, Any] = {"label": label}
        if sizes:
            filters["status"] = "running"
        with self._api() as api:
            found: Sequence[Mapping[str, Any]] = api.containers(
                all=True, filters=filters, size=sizes
            )
            return found

    def create(self, **configuration: Any) -> str:
        """As APIClient.create_container, with the host configuration's arguments in `host`;
        the container's id."""
        with self._api() as api:
            host = api.create_host_config(**configuration.pop("host"))
            found: str = api.create_container(host_config=host, **configuration)["Id"]
            return found

    def state(self, container: str) -> Mapping[str, Any]:
        """`State` of its inspection, times as RFC 3339."""
        with self._api() as api:
            found: Mapping[str, Any] = api.inspect_container(container)["State"]
            return found

    def start(self, container: str) -> None:
        with self._api() as api:
            api.start(container)

    def stop(self, container: str, seconds: int) -> None:
        """SIGTERM, and SIGKILL after `seconds`, which the engine counts by itself; returns when
        the container has ended."""
        with self._api() as api:
            api.stop(container, timeout=seconds)

    def kill(self, container: str) -> None:
        """Also where it has ended already."""
        with self._api() as api, contextlib.suppress(sdk_errors().APIError):
            api.kill(container)

    def remove(self, container: str) -> None:
        """Returns when it is gone, also where somebody else removes it at this moment."""
        with self._api() as api, contextlib.suppress(sdk_errors().NotFound):
            try:
                api.remove_container(container, force=True, v=True)
            except sdk_errors().APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                api.wait(container, condition="removed")
                api.remove_container(container, force=True, v=True)

    def log(self, container: str, since: int, *, follow: bool) -> LogStream:
        """Frames of both streams with time stamps, from the second `since` on."""
        with self._api() as api:
            response = api.get(
                f"{api.base_url}/v{api.api_version}/containers/{container}/logs",
                params={
                    "stdout": 1,
                    "stderr": 1,
                    "timestamps": 1,
                    "follow": int(follow),
                    "since": since,
                },
                stream=True,
                timeout=self._timeout,
            )
            api._raise_for_status(response)
            return LogStream(response)

    # ---- files ----------------------------------------------------------------------------------

    def put(self, container: str, directory: str, archive: bytes) -> None:
        with self._api() as api:
            api.put_archive(container, directory, archive)

    def modified(self, container: str, path: str) -> float:
        """When a path in a container was modified (epoch seconds)."""
        with self._api() as api:
            response = api.head(
                f"{api.base_url}/v{api.api_version}/containers/{container}/archive",
                params={"path": path},
                timeout=self._timeout,
            )
            if response.status_code == 404:
                raise Missing(f"{path} is not there")
            api._raise_for_status(response)
            stat = json.loads(base64.b64decode(response.headers["X-Docker-Container-Path-Stat"]))
            return datetime.fromisoformat(stat["mtime"]).timestamp()

    def archive(self, container: str, path: str) -> Generator[bytes]:
        """A path of a container as a tar stream, to be closed: until then the engine packs on,
        and lets nobody do anything else with the container."""
        with self._api() as api:
            response = api.get(
                f"{api.base_url}/v{api.api_version}/containers/{container}/archive",
                params={"path": path},
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=self._timeout,
            )
            api._raise_for_status(response)
        return _blocks(response)

    # ---- networks -------------------------------------------------------------------------------

    def networks(self, label: str) -> Sequence[Mapping[str, Any]]:
        with self._api() as api:
            found: Sequence[Mapping[str, Any]] = api.networks(filters={"label": label})
            return found

    def create_network(self, name: str, **configuration: Any) -> str:
        with self._api() as api:
            found: str = api.create_network(
                name, driver="bridge", check_duplicate=True, **configuration
            )["Id"]
            return found

    def subnet(self, network: str) -> str:
        """The IPv4 subnet of a network."""
        return str(self._addresses(network)["Subnet"])

    def host_address(self) -> str:
        """The IPv4 address by which containers of any network that has a gateway reach the
        engine's machine."""
        found = self._addresses("bridge")
        return str(found.get("Gateway") or next(IPv4Network(found["Subnet"]).hosts()))

    def _addresses(self, network: str) -> Mapping[str, Any]:
        with self._api() as api:
            configuration = api.inspect_network(network)["IPAM"]["Config"]
            return next(item for item in configuration if "." in item["Subnet"])

    def remove_network(self, network: str) -> None:
        with self._api() as api, contextlib.suppress(sdk_errors().NotFound):
            api.remove_network(network)

    @contextlib.contextmanager
    def _api(self) -> Iterator[Any]:
        with translated():
            with self._lock:
                if self._client is None:
                    self._client = connect(self._timeout, self._address)
            yield self._client


def _blocks(response: Any) -> Generator[bytes]:
    with translated(), contextlib.closing(response):
        yield from response.raw.stream(_BLOCK)


def _repository_and_tag(name: str) -> tuple[str, str]:
    """Without a tag or digest it is `latest`, not every tag there is."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository.partition(":")[0] if "/" not in repository else repository, digest
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return head + slash + repository, tag or "latest"
