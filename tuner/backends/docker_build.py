"""Building the images of the bundled containers, in the background and for all to see.

An image gets the very packages that this interpreter has, so that a training job gives the same
values in a container as in a process.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import sys
import tarfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_engine import QUICK_TIMEOUT, Engine
from tuner.backends.docker_images import BUNDLED
from tuner.backends.docker_pull import line_of
from tuner.training.containers import Container

log = logging.getLogger(__name__)

DEFAULT_BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
"""The Python that the packages are known to work with."""
CONTAINER = "amtlocal.container"
BASE = "amtlocal.base"
CONTENT = "amtlocal.content"
"""The label that tells whether an image is what would be built now."""

MAX_CONTEXT_BYTES = 64 << 20
_DOCKERFILE = "Dockerfile"
_REQUIREMENTS = "requirements.txt"
_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SAME_PROGRAM = {"xgboost-cpu": "xgboost"}
"""Where the first has no wheels, processes have the second."""
_OUTPUT_LINES = 30


class Unbuildable(Exception):
    """A container has no image that could be built; the text says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that an image depends on; `context` is a tar archive."""

    name: str
    base: str
    context: bytes
    arguments: Mapping[str, str]

    @property
    def image(self) -> str:
        return image_of(self.name)

    @property
    def content(self) -> str:
        digest = hashlib.sha256(self.context)
        digest.update(repr(sorted(self.arguments.items())).encode())
        return digest.hexdigest()[:32]

    @property
    def labels(self) -> dict[str, str]:
        return {CONTAINER: self.name, BASE: self.base, CONTENT: self.content}


def image_of(name: str) -> str:
    """The image of a bundled container."""
    return f"{BUNDLED}{name}"


def recipe(container: Container, base: str = DEFAULT_BASE) -> Recipe:
    """How the image of a container is built now. Raises Unbuildable and OSError."""
    directory = container.directory
    if not (directory / _DOCKERFILE).is_file():
        raise Unbuildable(f"The container {container.name!r} has no {_DOCKERFILE}.")
    beside = [(directory.parent / name, name) for name in container.build_with]
    context = _archive([(directory, ""), *beside])
    arguments = {"BASE": base, "PINS": " ".join(_pins(directory / _REQUIREMENTS))}
    return Recipe(container.name, base, context, arguments)


def _archive(directories: Sequence[tuple[Path, str]]) -> bytes:
    """The regular files of directories, each below a name; the same for the same files."""
    packed, size = io.BytesIO(), 0
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for directory, below in directories:
            for path in sorted(directory.rglob("*")):
                relative = path.relative_to(directory)
                if not path.is_file() or path.is_symlink() or "__pycache__" in relative.parts:
                    continue
                content = path.read_bytes()
                size += len(content)
                if size > MAX_CONTEXT_BYTES:
                    raise Unbuildable(
                        f"{directory.name} has more than {MAX_CONTEXT_BYTES >> 20} MiB of files."
                    )
                member = tarfile.TarInfo((Path(below) / relative).as_posix())
                member.size = len(content)
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _pins(requirements: Path) -> Iterator[str]:
    """The versions of required packages that this interpreter has. A package that it lacks is
    left to pip."""
    if not requirements.is_file():
        return
    for line in requirements.read_text().splitlines():
        if (named := _NAME.match(line)) is None:
            continue
        name = named.group()
        for installed in (name, _SAME_PROGRAM.get(name, name)):
            try:
                version = metadata.version(installed)
            except metadata.PackageNotFoundError:
                continue
            yield f"{name}=={version.partition('+')[0]}"  # a local build is on no index
            break


class Build:
    """One build: `status` is InProgress, Completed or Failed; `steps` are lines for people,
    `output` is the end of what was printed."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.status = "InProgress"
        self.failure: str | None = None
        self.steps: list[str] = []
        self.output: deque[str] = deque(maxlen=_OUTPUT_LINES)

    def run(self, engine: Engine) -> None:
        """Build to the end; what goes wrong is told by `status` and `failure`."""
        try:
            self._fetch_base(engine)
            for line in engine.build(
                io.BytesIO(self.recipe.context),
                tag=self.recipe.image,
                arguments=self.recipe.arguments,
                labels=self.recipe.labels,
            ):
                if (step := _STEP.match(line)) is not None:
                    self.steps.append(" ".join(step.groups()))
                elif line.strip():
                    self.output.append(line)
        except (EngineUnavailable, EngineRefused) as error:
            self.failure, self.status = str(error), "Failed"
        except Exception as error:
            log.exception("building %s", self.recipe.image)
            self.failure, self.status = type(error).__name__, "Failed"
        else:
            self.status = "Completed"
        log.info("building %s: %s %s", self.recipe.image, self.status, self.failure or "")

    def _fetch_base(self, engine: Engine) -> None:
        base = self.recipe.base
        if engine.image(base) is not None:
            return
        try:
            for step in engine.pull(base):
                if (line := line_of(step)) is not None:
                    self.steps.append(f"pulling {base}: {line}")
        except EngineRefused as error:
            raise EngineRefused(
                f"The base image {base} is not here and cannot be pulled: {error}. Name one that "
                "has Python and pip with --base."
            ) from error


class ImageBuilds:
    """Runs builds, each in a thread, at most one of an image, and remembers the last of each.

    They end with this process: the engine gives up what nobody listens to.
    """

    def __init__(self) -> None:
        self._engine, self._asked = Engine(), Engine(QUICK_TIMEOUT)
        self._lock = threading.Lock()
        self._builds: dict[str, Build] = {}

    @property
    def busy(self) -> bool:
        return any(build.status == "InProgress" for build in list(self._builds.values()))

    def find(self, name: str) -> Build | None:
        """The last build of a container's image."""
        return self._builds.get(name)

    def start(self, recipe: Recipe) -> Build:
        """Begin to build, unless the image is being built: then that build, whatever it is."""
        with self._lock:
            build = self._builds.get(recipe.name)
            if build is not None and build.status == "InProgress":
                return build
            build = self._builds[recipe.name] = Build(recipe)
        threading.Thread(
            target=build.run, args=(self._engine,), name=f"build-{recipe.name}", daemon=True
        ).start()
        return build

    def state(self, container: Container) -> Mapping[str, Any]:
        """What there is of a container's image: `Status` is Built, Outdated (something else
        would be built now), Building or NotBuilt. Raises EngineUnavailable, EngineRefused."""
        build = self.find(container.name)
        if build is not None and build.status == "InProgress":
            return {"Status": "Building", "Base": build.recipe.base}
        found = self._asked.image(image_of(container.name))
        if found is None:
            return {"Status": "NotBuilt"}
        labels = found["Config"].get("Labels") or {}
        base = labels.get(BASE, DEFAULT_BASE)
        fresh = labels.get(CONTENT) == recipe(container, base).content
        return {
            "Status": "Built" if fresh else "Outdated",
            "Base": base,
            "CreationTime": found["Created"],
            "SizeInBytes": found["Size"],
        }
