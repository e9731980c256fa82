"""Which program is behind a training image: the image map first, then the bundled containers.

A container is a directory with a manifest `container.json`:

    {"name": "xgboost", "built_in": true,
     "repositories": ["names of repositories at ECR, or NAME:TAG for one of its tags"],
     "command": ["{python}", "{directory}/train"],
     "metrics": [{"Name": "...", "Regex": "...", "Objective": "Maximize" | "Minimize" | null}]}

`runs_user_code` true marks the one that runs a user's script, in whatever image of AWS's. With
`build_with`, its image is built from those directories of `containers/`, too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.domain.algorithms import Algorithm, AlgorithmMetric
from tuner.domain.definitions import ObjectiveType

_PACKAGE = Path(__file__).resolve().parents[1]
_MANIFEST = "container.json"
_REGISTRY = re.compile(
    r"([0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\."
    r"(amazonaws\.(com(\.cn)?|eu)|on\.(aws|amazonwebservices\.(com\.cn|eu))"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
    r"|public\.ecr\.aws/(sagemaker|deep-learning-containers))/"
)
"""The registries of any account in any region of all partitions, and the public ones of AWS."""
_OBJECTIVES: Mapping[str | None, ObjectiveType | None] = {
    None: None,
    "Maximize": ObjectiveType.MAXIMIZE,
    "Minimize": ObjectiveType.MINIMIZE,
}


class ContainerError(Exception):
    """A container's directory or manifest is not usable; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Container:
    """A training program: `command` is what `docker run IMAGE train` would start.

    One that `runs_user_code` runs what it is given after its command, too, and reads
    instructions (`training/script_mode.py`)."""

    name: str
    directory: Path
    command: tuple[str, ...]
    algorithm: Algorithm
    runs_user_code: bool = False
    build_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A line of the image map: `image` is a URI or `*/REPOSITORY`; `mode` says when it holds."""

    image: str
    container: str
    mode: str
    command: str


@dataclass(frozen=True, slots=True)
class _Manifest:
    """A manifest as it was read, and the file state (mtime in ns, bytes) that it was read from."""

    state: tuple[int, int]
    container: Container
    repositories: tuple[str, ...]


_manifests: dict[Path, _Manifest] = {}


def find_container(
    image: str, image_map: Mapping[str, str], *, user_code: bool = False
) -> Container | None:
    """The program of an image; None when nothing here stands for it.

    `image_map` goes from an image URI, with or without its tag or digest, to a directory with
    a container.json or an executable `train`, to an executable file, or to the name of a bundled
    container. Bundled containers are found by their repositories and by their plain names; with
    `user_code` (script mode, or an entry point) any image known so runs that. Raises
    ContainerError.
    """
    for uri in (image, _without_tag(image)):
        if uri in image_map:
            return _mapped(uri, image_map[uri])
    known = next((item for item in _bundled() if _stands_for(item, image)), None)
    if known is not None and user_code:
        known = next((item for item in _bundled() if item.container.runs_user_code), known)
    return known.container if known is not None else None


def bundled_containers() -> tuple[Container, ...]:
    """All containers that come with the package, by name. Raises ContainerError."""
    return tuple(item.container for item in _bundled())


def image_rows(image_map: Mapping[str, str]) -> list[ImageRow]:
    """The whole image map, in the order in which it is searched. A mapped image whose program
    is not usable has the reason as its command. Raises ContainerError for a bundled one."""
    rows = [_mapped_row(uri, place) for uri, place in sorted(image_map.items())]
    script = next(item.container for item in _bundled() if item.container.runs_user_code)
    for item in _bundled():
        own = item.container
        mode = "script" if own.runs_user_code else "algorithm"
        images = [own.name, *(f"*/{repository}" for repository in item.repositories)]
        rows += [ImageRow(image, own.name, mode, shlex.join(own.command)) for image in images]
        if not own.runs_user_code:
            command = shlex.join(script.command)
            rows += [ImageRow(image, script.name, "script", command) for image in images]
    return rows


def _mapped_row(uri: str, place: str) -> ImageRow:
    try:
        container = _mapped(uri, place)
    except ContainerError as error:
        return ImageRow(uri, Path(place).name, "mapped", f"{place}: {error}")
    return ImageRow(uri, container.name, "mapped", shlex.join(container.command))


def _stands_for(manifest: _Manifest, image: str) -> bool:
    if image == manifest.container.name:
        return True
    registry = _REGISTRY.match(image)
    if registry is None:
        return False
    named = image[registry.end() :].partition("@")[0]
    return bool({named, named.partition(":")[0]} & set(manifest.repositories))


def _without_tag(image: str) -> str:
    path, slash, last = image.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]


def _bundled() -> list[_Manifest]:
    """A wheel carries the containers inside the package, a checkout beside it."""
    inside = _PACKAGE / "_containers"
    home = inside if inside.is_dir() else _PACKAGE.parent / "containers"
    return [_read_manifest(path.parent) for path in sorted(home.glob(f"*/{_MANIFEST}"))]


def _mapped(uri: str, place: str) -> Container:
    for item in _bundled():
        if item.container.name == place:
            return item.container
    path = Path(place).expanduser().absolute()
    if (path / _MANIFEST).is_file():
        return _read_manifest(path).container
    program = path if path.is_file() else path / "train"
    if program.is_file() and os.access(program, os.X_OK):
        algorithm = Algorithm(name=path.name, built_in=False)
        return Container(path.name, program.parent, (str(program),), algorithm)
    raise ContainerError(
        f"The image {uri!r} is mapped to {path.name!r}, which is neither an executable file, nor "
        f"a directory with a {_MANIFEST} or an executable file named train."
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
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ContainerError(f"{directory.name}/{_MANIFEST} cannot be used: {reason}") from error


def _parse(document: Any, directory: Path, state: tuple[int, int]) -> _Manifest:
    """Raises ValueError or TypeError for a manifest that is not well-formed."""
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    name = document.get("name", directory.name)
    built_in, user_code = document.get("built_in", False), document.get("runs_user_code", False)
    if not isinstance(name, str) or not name:
        raise ValueError('"name" must be a string')
    if not isinstance(built_in, bool) or not isinstance(user_code, bool):
        raise ValueError('"built_in" and "runs_user_code" must be true or false')
    command = _strings(document, "command")
    if not command:
        raise ValueError('"command" must name a program')
    places = {"{python}": sys.executable, "{directory}": str(directory)}
    words = tuple(_filled(word, places) for word in command)
    algorithm = Algorithm(name=name, built_in=built_in, metrics=_metrics(document))
    build_with = tuple(_strings(document, "build_with"))
    container = Container(name, directory, words, algorithm, user_code, build_with)
    return _Manifest(state, container, tuple(_strings(document, "repositories")))


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
