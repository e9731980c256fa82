"""What a training job leaves behind: model.tar.gz, output.tar.gz and the failure text.

Source: the developer guide, your-algorithms-training-algo-output and model-train-storage.
"""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from tuner.domain.errors import told_of
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Objects

FAILURE_TEXT_LENGTH = 1024

_GZIP_LEVEL = 1
"""Weights hardly compress; the higher levels cost five times the time for some per cent."""
_IN_MEMORY = 1 << 20
"""Bytes of an archive above which it is written to a file."""


class OutputError(Exception):
    """Outputs could not be packed or stored; the text says why."""


class TooMuchOutput(OutputError):
    """The program wrote more than there can be room for: to try it again is of no use."""


def collect(job: TrainingJob, roots: Mapping[str, Path], objects: Objects) -> str | None:
    """Pack the outputs of all hosts (`host -> its tree`) and give the program's failure text.

    `model.tar.gz` is always made, `output.tar.gz` only when `output/data` holds something; both
    go to the job's output prefix and replace what a former call put there. The hosts' files are
    merged; a file whose path an earlier host has taken is stored as `HOST/path`. Symbolic links
    are stored as links; sockets, pipes and devices are left out. The failure text is the first
    1,024 characters of `output/failure` of the first host that wrote one. Raises OutputError.
    """
    hosts = sorted(roots, key=lambda host: (len(host), host))
    trees = [(host, roots[host]) for host in hosts]
    bucket, _, prefix = job.output_prefix.removeprefix("s3://").partition("/")
    try:
        model = _entries([(host, root, ("model",)) for host, root in trees])
        _store(objects, bucket, f"{prefix}/model.tar.gz", model, trees[0][1])
        data = _entries([(host, root, ("output", "data")) for host, root in trees])
        if data:
            _store(objects, bucket, f"{prefix}/output.tar.gz", data, trees[0][1])
        return next(filter(None, (_failure_text(root) for _, root in trees)), None)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise OutputError(
            f"The outputs of {job.name} could not be stored: {told_of(error)}"
        ) from error


# ---- what goes in ----------------------------------------------------------------------------


def _entries(sources: Sequence[tuple[str, Path, tuple[str, ...]]]) -> dict[str, Path]:
    """Names in the archive, in order, to the files behind them."""
    merged = _Merged()
    for host, root, parts in sources:
        top = _directory(root, *parts)
        if top is not None:
            merged.add(host, top)
    return dict(sorted(merged.files.items()))


class _Merged:
    """The trees of all hosts in one; whoever comes first keeps a name."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self._directories: set[str] = set()

    def add(self, host: str, top: Path) -> None:
        left = [("", top)]
        while left:
            prefix, directory = left.pop()
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            for entry in entries:
                name, path = prefix + entry.name, Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    left.append((f"{self._put_directory(host, name, path)}/", path))
                elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                    self.files[self._free(host, name)] = path

    def _put_directory(self, host: str, name: str, path: Path) -> str:
        if name not in self._directories:
            name = self._free(host, name)
            self._directories.add(name)
            self.files[name] = path
        return name

    def _free(self, host: str, name: str) -> str:
        """The name, or one below HOST (or HOST_, ...) when it clashes with something."""
        if name not in self.files and name not in self._directories:
            return name
        for count in itertools.count():
            moved = f"{host}{'_' * count}/{name}"
            parents = {str(parent) for parent in PurePosixPath(moved).parents[:-1]}
            if moved in self._directories or any(
                entry in self.files and entry not in self._directories
                for entry in (moved, *parents)
            ):
                continue
            self._directories |= parents
            return moved
        raise AssertionError("unreachable: count never ends")


def _directory(root: Path, *parts: str) -> Path | None:
    """A directory of the tree; None when the program removed it or put a link in its place."""
    path = root
    for part in parts:
        path = path / part
        if not _is_directory(path):
            return None
    return path


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


# ---- packing ---------------------------------------------------------------------------------


def _store(
    objects: Objects, bucket: str, key: str, entries: Mapping[str, Path], scratch: Path
) -> None:
    size = sum(path.lstat().st_size for path in entries.values())
    if size > shutil.disk_usage(scratch).total:  # holes: to read them would take hours
        raise TooMuchOutput(f"{key} would hold {size:,} bytes, more than the disk has room for")
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(scratch)) as packed:
        _pack(entries, cast(IO[bytes], packed))
        packed.seek(0)
        objects.put(bucket, key, cast(BinaryIO, packed))


def _pack(entries: Mapping[str, Path], target: IO[bytes]) -> None:
    """The same files give the same bytes: no owner, no time of packing, whole seconds."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=_GZIP_LEVEL, mtime=0)
        as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):  # fmt: skip
        for name, path in entries.items():
            archive.add(path, name, recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    return member


def _failure_text(root: Path) -> str | None:
    """What the program wrote to output/failure; never what a link there points to."""
    output = _directory(root, "output")
    if output is None:
        return None
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(output / "failure", flags)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        start = os.read(descriptor, 4 * FAILURE_TEXT_LENGTH)
    finally:
        os.close(descriptor)
    return start.decode("utf-8", errors="replace")[:FAILURE_TEXT_LENGTH].strip() or None
