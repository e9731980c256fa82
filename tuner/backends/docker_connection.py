"""How the Docker engine is reached, and what can go wrong with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POOL = 128
_SOCKET = Path("/var/run/docker.sock")
_CONTEXTS = Path("~/.docker/contexts")


class EngineUnavailable(Exception):
    """There is no engine, or it does not answer; the text says so. Worth trying again."""


class EngineRefused(Exception):
    """The engine answered that it will not; the text is its explanation."""


class Missing(EngineRefused):
    """The engine has no such container, image, network or path."""


def connect(timeout: float, address: str | None, version: str = "auto") -> Any:
    """A client of the Docker SDK; with `auto` it has asked the engine for its version."""
    named = address or os.environ.get("DOCKER_HOST")
    if not named and not _SOCKET.exists() and not _CONTEXTS.expanduser().is_dir():
        # the SDK takes long to import, and most homes do without it
        raise EngineUnavailable(f"no Docker engine is installed ({_SOCKET} is not there)")
    try:
        import docker
    except ImportError:
        text = "the Docker SDK for Python is not installed: pip install 'amtlocal[docker]'"
        raise EngineUnavailable(text) from None
    settings = {"base_url": address} if address else docker.utils.kwargs_from_env()
    if "base_url" not in settings:
        context = docker.context.ContextAPI.get_current_context()
        if context is not None and context.Host:
            settings["base_url"] = context.Host
    settings.setdefault("base_url", f"unix://{_SOCKET}")
    return docker.APIClient(version=version, timeout=timeout, max_pool_size=_POOL, **settings)


def sdk_errors() -> Any:
    import docker.errors

    return docker.errors


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The errors of the SDK and of what lies below it as ours."""
    try:
        yield
    except Exception as error:
        ours = _as_ours(error)
        if ours is error:
            raise
        raise ours from error


def _as_ours(error: Exception) -> Exception:
    try:
        import docker.errors as sdk
        import requests
        import urllib3
    except ImportError:
        return error
    if isinstance(error, sdk.NotFound):
        return Missing(str(error.explanation))
    if isinstance(error, sdk.APIError):
        return EngineRefused(str(error.explanation or error))
    unreachable = (requests.RequestException, urllib3.exceptions.HTTPError, sdk.DockerException)
    if isinstance(error, (*unreachable, OSError)):
        place = os.environ.get("DOCKER_HOST", "")
        at = f" at {place}" if place else ""
        return EngineUnavailable(f"the Docker engine{at} does not answer: {_innermost(error)}")
    return error


def _innermost(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error)
