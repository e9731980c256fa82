"""What this service offers beyond AWS, for its own doors: targets `Tuner.*`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.backends.docker_build import DEFAULT_BASE, Build, Unbuildable, image_of, recipe
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.domain.errors import ResourceInUse, ResourceNotFound, ValidationException
from tuner.service.context import Context
from tuner.training.containers import Container, ContainerError, bundled_containers, image_rows

Params = Mapping[str, Any]

_EXTRAS = {
    "xgboost": ("xgboost", "the built-in XGBoost algorithm"),
    "sklearn": ("xgboost", "sample data and XGBoost's classification metrics"),
    "skopt": ("skopt", "the SkoptGP strategy"),
    "pandas": ("pandas", "data frames"),
    "moto": ("serve", "AWS's other services for programs: STS, IAM, CloudWatch and the like"),
}


def import_files(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Copy a local file, or all files below a directory, into the object store."""
    source = Path(_text(params, "Source"))
    bucket, prefix = _text(params, "Bucket"), _text(params, "Prefix").strip("/")
    if not source.is_absolute():
        raise ValidationException(f"Source must be an absolute path, not {str(source)!r}.")
    if not source.exists():
        raise ValidationException(f"There is no file or directory {source}.")
    try:
        for path, name in _files(source):
            with path.open("rb") as stream:
                context.ports.objects.put(bucket, f"{prefix}/{name}", stream)
    except (OSError, ValueError) as error:
        raise ValidationException(f"{source} could not be copied: {error}") from None
    suffix = f"/{source.name}" if source.is_file() else "/"
    return {"S3Uri": f"s3://{bucket}/{prefix}{suffix}"}


def _files(source: Path) -> Iterator[tuple[Path, str]]:
    if source.is_file():
        yield source, source.name
        return
    for path in sorted(source.rglob("*")):
        if path.is_file():
            yield path, path.relative_to(source).as_posix()


def get_object(context: Context, params: Params, region: str) -> dict[str, Any]:
    """A file on this machine with an object's content, named like the object."""
    bucket, _, key = _text(params, "S3Uri").removeprefix("s3://").partition("/")
    found = context.ports.objects.head(bucket, key)
    if found is None:
        raise ResourceNotFound(f"There is no object s3://{bucket}/{key}.")
    place = hashlib.sha256(f"{bucket}/{key}/{found.etag}".encode()).hexdigest()[:16]
    name = key.rsplit("/", 1)[-1] or "object"
    target = context.settings.home / "downloads" / place / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            context.ports.objects.link(bucket, key, Path(scratch) / "object", copy=True)
            (Path(scratch) / "object").replace(target)
    return {"Path": str(target)}


def _text(params: Params, member: str) -> str:
    value = params.get(member)
    if not isinstance(value, str) or not value:
        raise ValidationException(f"{member} is required.")
    return value


def images(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Which training images run here, and by which program: a row for each, in the order in
    which they are searched. `ImageMap` takes the place of the one that this owner has. Of each
    bundled container whether its own image is built, unless no engine answers (`Note`)."""
    image_map = params.get("ImageMap", context.settings.image_map)
    if not isinstance(image_map, Mapping) or not all(
        isinstance(place, str) for place in image_map.values()
    ):
        raise ValidationException("ImageMap must map images to local programs.")
    try:
        rows = image_rows(image_map)
        bundled = bundled_containers()
    except ContainerError as error:
        raise ValidationException(str(error)) from None
    return _states(context, bundled) | {
        "Images": [
            {
                "Image": row.image,
                "Container": row.container,
                "Mode": row.mode,
                "Command": row.command,
            }
            for row in rows
        ]
    }


def _states(context: Context, bundled: Sequence[Container]) -> dict[str, Any]:
    found = []
    try:
        for container in bundled:
            state = context.builds.state(container)
            found.append({"Name": container.name, "Image": image_of(container.name), **state})
    except (EngineUnavailable, EngineRefused) as error:
        named = [{"Name": item.name, "Image": image_of(item.name)} for item in bundled]
        return {"Containers": named, "Note": str(error)}
    return {"Containers": found}


def build_image(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Begin to build the image of the bundled container `Name` from the image `Base`. One that is
    being built already is told of instead, if it is from the same base."""
    name, base = _text(params, "Name"), _text({"Base": DEFAULT_BASE, **params}, "Base")
    try:
        known = {container.name: container for container in bundled_containers()}
        if name not in known:
            names = ", ".join(sorted(known))
            raise ValidationException(
                f"There is no bundled container {name!r}: there are {names}."
            )
        build = context.builds.start(recipe(known[name], base))
    except (ContainerError, Unbuildable, OSError) as error:
        raise ValidationException(str(error)) from None
    if build.recipe.base != base:
        raise ResourceInUse(
            f"{build.recipe.image} is being built from {build.recipe.base}: wait for its end."
        )
    return _told(build, 0)


def describe_image_build(context: Context, params: Params, region: str) -> dict[str, Any]:
    """The last build of a container's image, and its steps from the number `FirstStep` on."""
    name, first = _text(params, "Name"), params.get("FirstStep", 0)
    if not isinstance(first, int) or first < 0:
        raise ValidationException("FirstStep must be a number from 0 up.")
    build = context.builds.find(name)
    if build is None:
        raise ResourceNotFound(
            f"No image of {name!r} was built since the owner of this home began."
        )
    return _told(build, first)


def _told(build: Build, first: int) -> dict[str, Any]:
    status = build.status  # read first: no step comes after the end
    return {
        "Name": build.recipe.name,
        "Image": build.recipe.image,
        "Base": build.recipe.base,
        "Status": status,
        "Steps": build.steps[first:],
        "FailureReason": build.failure,
        "Output": list(build.output) if status == "Failed" else [],
    }


def doctor(context: Context, params: Params, region: str) -> dict[str, Any]:
    """What this machine can do, check by check."""
    backend = context.ports.backend
    able, capacity = backend.capabilities(), backend.capacity()
    home = context.settings.home
    checks = [
        _check("python", True, f"{platform.python_version()} on {platform.platform()}"),
        _check("home", os.access(home, os.W_OK), str(home)),
        _check(
            "backend",
            True,
            f"{backend.name}: {capacity.cpus} CPUs, {capacity.memory_mib} MiB memory",
        ),
        _check("private /opt/ml", able.private_opt_ml, able.note or "one per training job"),
        _check(
            "several instances",
            able.multiple_instances,
            "each with a name of its own" if able.multiple_instances else able.note,
        ),
    ]
    if backend.name != "process":
        detail = able.images_note or "the Docker engine answers; what has an image runs in it"
        checks.append(_check("containers", able.images, detail))
    for module, (extra, use) in _EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        detail = use if found else f"{use}: pip install 'amtlocal[{extra}]'"
        checks.append(_check(module, found, detail))
    return {"checks": checks}


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail}
