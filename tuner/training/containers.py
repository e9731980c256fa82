"""Which program is behind a training image: the image map first, then the bundled containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.domain.algorithms import Algorithm


class ContainerError(Exception):
    """A container's directory or manifest is not usable; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Container:
    """A training program: `command` is what `docker run IMAGE train` would start."""

    name: str
    directory: Path
    command: tuple[str, ...]
    algorithm: Algorithm


def find_container(image: str, image_map: Mapping[str, str]) -> Container | None:
    """The program of an image; None when nothing here stands for it."""
    raise NotImplementedError


def bundled_containers() -> tuple[Container, ...]:
    """All containers that come with the package, by name."""
    raise NotImplementedError
