"""Which program is behind a training image: the image map first, then the bundled containers.

A container is a directory with a manifest `container.json`:

    {"name": "xgboost", "built_in": true,
     "images": ["regexes, one of which must fit a whole image URI"],
     "command": ["{python}", "{directory}/train"],
     "metrics": [{"Name": "...", "Regex": "...", "Objective": "Maximize" | "Minimize" | null}]}
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.domain.algorithms import Algorithm, AlgorithmMetric
from tuner.domain.definitions import ObjectiveType

_PACKAGE = Path(__file__).resolve().parents[1]
_MANIFEST = "container.json"
_OBJECTIVES: Mapping[str | None, ObjectiveType | None] = {
    None: None,
    "Maximize": ObjectiveType.MAXIMIZE,
    "Minimize": ObjectiveType.MINIMIZE,
}


class ContainerError(Exception):
    """A container's directory or manifest is not usable; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Container:
    """A training program: `command` is what `docker run IMAGE train` would start."""

    name: str
    directory: Path
    command: tuple[str, ...]
    algorithm: Algorithm


@dataclass(frozen=True, slots=True)
class _Manifest:
    """A manifest as it was read, and the file state (mtime in ns, bytes) that it was read from."""

    state: tuple[int, int]
    container: Container
    images: tuple[re.Pattern[str], ...]


_manifests: dict[Path, _Manifest] = {}


def find_container(image: str, image_map: Mapping[str, str]) -> Container | None:
    """The program of an image; None when nothing here stands for it.

    `image_map` goes from an image URI, with or without its tag or digest, to a directory with
    a container.json or just an executable `train`. Bundled containers are found by the image
    URIs in their manifests and by their plain names. Raises ContainerError.
    """
    for uri in (image, _without_tag(image)):
        if uri in image_map:
            return _mapped(uri, Path(image_map[uri]).expanduser())
    for directory in _bundled_directories():
        manifest = _read_manifest(directory)
        known = (pattern.fullmatch(image) for pattern in manifest.images)
        if image == manifest.container.name or any(known):
            return manifest.container
    return None


def bundled_containers() -> tuple[Container, ...]:
    """All containers that come with the package, by name. Raises ContainerError."""
    return tuple(_read_manifest(directory).container for directory in _bundled_directories())


def _without_tag(image: str) -> str:
    path, slash, last = image.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]


def _bundled_directories() -> list[Path]:
    """A wheel carries the containers inside the package, a checkout beside it."""
    inside = _PACKAGE / "_containers"
    home = inside if inside.is_dir() else _PACKAGE.parent / "containers"
    return sorted(path.parent for path in home.glob(f"*/{_MANIFEST}"))


def _mapped(uri: str, directory: Path) -> Container:
    directory = directory.absolute()
    if (directory / _MANIFEST).is_file():
        return _read_manifest(directory).container
    train = directory / "train"
    if train.is_file() and os.access(train, os.X_OK):
        algorithm = Algorithm(name=directory.name, built_in=False)
        return Container(directory.name, directory, (str(train),), algorithm)
    raise ContainerError(
        f"The image {uri!r} is mapped to {directory}, which has neither a {_MANIFEST} nor an "
        "executable file named train."
    )


def _read_manifest(directory: Path) -> _Manifest:
    path = directory / _MANIFEST
    try:
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        known = _manifests.get(path)
        if known is None or known.state != state:
            document = json.loads(path.read_bytes())
            known = _manifests[path] = _parse(document, directory, state)
        return known
    except (OSError, ValueError, TypeError, re.error) as error:
        raise ContainerError(f"{path} cannot be used: {error}") from error


def _parse(document: Any, directory: Path, state: tuple[int, int]) -> _Manifest:
    """Raises ValueError, TypeError or re.error for a manifest that is not well-formed."""
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    name = document.get("name", directory.name)
    built_in = document.get("built_in", False)
    if not isinstance(name, str) or not name or not isinstance(built_in, bool):
        raise ValueError('"name" must be a string and "built_in" true or false')
    command = _strings(document, "command")
    if not command:
        raise ValueError('"command" must name a program')
    places = {"{python}": sys.executable, "{directory}": str(directory)}
    algorithm = Algorithm(name=name, built_in=built_in, metrics=_metrics(document))
    return _Manifest(
        state,
        Container(name, directory, tuple(_filled(word, places) for word in command), algorithm),
        tuple(re.compile(pattern) for pattern in _strings(document, "images")),
    )


def _strings(document: Mapping[str, Any], member: str) -> list[str]:
    value = document.get(member, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f'"{member}" must be a list of strings')
    return value


def _filled(word: str, places: Mapping[str, str]) -> str:
    for placeholder, value in places.items():
        word = word.replace(placeholder, value)
    return word


def _metrics(document: Mapping[str, Any]) -> tuple[AlgorithmMetric, ...]:
    try:
        return tuple(_metric(**item) for item in document.get("metrics", []))
    except (KeyError, TypeError):
        form = '{"Name", "Regex", "Objective": "Maximize", "Minimize" or null}'
        raise ValueError(f'"metrics" must be a list of {form}') from None


def _metric(*, Name: Any, Regex: Any, Objective: Any = None) -> AlgorithmMetric:  # noqa: N803
    if not isinstance(Name, str) or not isinstance(Regex, str):
        raise TypeError
    return AlgorithmMetric(name=Name, regex=Regex, objective_type=_OBJECTIVES[Objective])
