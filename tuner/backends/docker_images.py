"""Which image of the engine a training image is, and how it gets there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from tuner.backends import docker_plan as plan
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_outputs import writable_directories
from tuner.backends.docker_pull import Pull, Tell
from tuner.training.containers import ContainerError, find_container

PREPARED = "amtlocal-prepared"
BUNDLED = "amtlocal/"
"""The repository of a bundled container's image, before its name."""


class ImageError(Exception):
    """An image is not there and cannot be pulled; the text says why."""


class Images:
    """`home_id` marks what is made here."""

    def __init__(self, engine: Engine, home_id: str) -> None:
        self._engine = engine
        self._home_id = home_id
        self._lock = threading.Lock()
        self._pulls: dict[str, Pull] = {}

    def local(self, image: str, *, user_code: bool) -> Mapping[str, Any] | None:
        """What the engine says of an image that it has: the very one, or the one that was built
        from the bundled container that stands for it, which another one does where the image is
        to run a user's script or entry point. Raises EngineUnavailable."""
        found = self._engine.image(image)
        bundled = bundled_image(image, user_code=user_code)
        return self._engine.image(bundled) if found is None and bundled is not None else found

    def fault(self, image: str, *, user_code: bool) -> str | None:
        """Why an image cannot be run; None when it is there or its registry has it."""
        try:
            if self.local(image, user_code=user_code) is not None:
                return None
            self._engine.can_pull(image)
        except (EngineUnavailable, EngineRefused) as error:
            return _not_to_be_had(image, str(error), user_code)
        return None

    def fetch(self, image: str, *, user_code: bool, tell: Tell) -> Mapping[str, Any]:
        """The image as `local` gives it, pulled where it is not there; `tell` hears how far that
        is. Raises ImageError, or EngineUnavailable."""
        with self._lock:
            pull = self._pulls.setdefault(image, Pull(image))
        with pull.awaited(tell), pull.turn:
            found = self.local(image, user_code=user_code)
            if found is not None:
                return found
            try:
                pull.run(self._engine)
            except EngineRefused as error:
                raise ImageError(_not_to_be_had(image, str(error), user_code)) from error
            found = self._engine.image(image)
        if found is None:
            reason = "its registry gave something else"
            raise ImageError(_not_to_be_had(image, reason, user_code))
        return found

    def prepared(self, image: Mapping[str, Any]) -> str:
        """The id of an image like this one in which a program finds what it writes into.

        To put that into each container would take a third of the time in which one starts and
        ends. Raises EngineUnavailable or EngineRefused.
        """
        tag = f"{self._home_id}-{image['Id'].rpartition(':')[2][:16]}"
        with self._lock:
            found = self._engine.image(f"{PREPARED}:{tag}")
            if found is not None:
                return str(found["Id"])
            labels = {plan.HOME: self._home_id}
            container = self._engine.create(
                image=image["Id"], command=["train"], labels=labels, host={}
            )
            try:
                self._engine.put(container, "/", writable_directories())
                return self._engine.commit(container, PREPARED, tag)
            finally:
                self._engine.remove(container)

    def remove_unfinished(self) -> None:
        """Remove the containers from which an owner before this one was preparing images. Raises
        EngineUnavailable or EngineRefused."""
        with self._lock:  # not those of this one
            for container in self._engine.containers(f"{plan.HOME}={self._home_id}"):
                if plan.ATTEMPT not in container["Labels"]:
                    self._engine.remove(container["Id"])

    def remove_prepared(self) -> None:
        """Remove what `prepared` made and no container needs."""
        for image in self._engine.images(f"{plan.HOME}={self._home_id}"):
            with contextlib.suppress(EngineRefused):
                self._engine.remove_image(image["Id"])


def names_of(image: str) -> tuple[str, str]:
    """An image's URI with and without its tag or digest: an image map may have either."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return image, path + slash + last.partition(":")[0]


def bundled_image(image: str, *, user_code: bool) -> str | None:
    """The local image of the bundled container that stands for an image of AWS's."""
    try:
        container = find_container(image, {}, user_code=user_code)
    except ContainerError:
        return None
    if container is None or (container.runs_user_code and not user_code):
        return None
    return f"{BUNDLED}{container.name}"


def _not_to_be_had(image: str, reason: str, user_code: bool) -> str:
    bundled = bundled_image(image, user_code=user_code)
    name = (bundled or "").removeprefix(BUNDLED)
    advice = f" To run it locally: tuner images build {name}." if name else ""
    return f"The training image {image!r} is not here and cannot be pulled: {reason}.{advice}"
