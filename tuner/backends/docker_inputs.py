"""How a container gets its input: mounted, or copied where its program may write to it.

The drivers of SageMaker's SDK v3 come in channels, make themselves executable and leave a file
in /opt/ml/input.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.backends.docker_plan import data_mount, mounts
from tuner.domain.jobs import TrainingJob

MAX_COPIED_BYTES = 64 << 20
"""A channel that holds more is data, and is mounted like that of any other job."""


def arrange(
    job: TrainingJob, tree: Path, channels: Mapping[str, Path], *, piped: bool
) -> tuple[list[dict[str, Any]], bytes | None]:
    """The mounts of a container, and an archive that is to be unpacked into its /opt/ml: only
    jobs with an entry point of their own expect to write there."""
    if not job.spec.algorithm_specification.container_entrypoint:
        return mounts(tree, channels), None
    small = {name: view for name, view in channels.items() if _size(view) <= MAX_COPIED_BYTES}
    large = mounts(None, {name: view for name, view in channels.items() if name not in small})
    if not piped:
        return large, _archive(tree, small)
    # FIFOs come and go while the program runs: they lie in a directory that is mounted.
    _copy(small, tree)
    return [data_mount(tree), *large], _archive(tree, None)


def _copy(channels: Mapping[str, Path], tree: Path) -> None:
    """Copy channels into the tree, the data of which are mounted; whatever user the image runs
    as may write."""
    data = tree / "input" / "data"
    data.chmod(0o777)
    for name, view in channels.items():
        shutil.copytree(view, data / name, copy_function=shutil.copyfile, dirs_exist_ok=True)
        for path in (data / name, *(data / name).rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)


def _archive(tree: Path, channels: Mapping[str, Path] | None) -> bytes:
    """A tar archive of `input` with these channels, or without any data where they are mounted;
    whatever user the image runs as may write."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as writer:
        for name in ("input",) if channels is None else ("input", "input/data"):
            writer.add(tree / name, name, recursive=False, filter=_writable)
        writer.add(tree / "input" / "config", "input/config", filter=_writable)
        for name, view in (channels or {}).items():
            writer.add(view, f"input/data/{name}", filter=_writable)
    return packed.getvalue()


def _writable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o777 if member.isdir() else 0o666
    return member


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
