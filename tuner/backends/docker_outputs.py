"""Fetches what a container's program wrote, whoever it ran as: the copies belong to us."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from tuner.backends.docker_connection import Missing
from tuner.backends.docker_engine import Engine
from tuner.training.opt_ml import OPT_ML, WRITTEN
from tuner.training.outputs import OutputError, TooMuchOutput

_UNTOUCHED = 1.0
"""The time of modification that our directories are given; the program's own are later."""
_FETCHED = ("model", "output")
_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)


def writable_directories() -> bytes:
    """The archive with what a program finds to write into, for whatever user it runs as."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in WRITTEN:
            directory = tarfile.TarInfo(f"{OPT_ML.strip('/')}/{name}")
            directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o777, _UNTOUCHED
            archive.addfile(directory)
    return packed.getvalue()


def fetch(engine: Engine, container: str, tree: Path, volume: int) -> None:
    """Copy model and output of an ended container into `tree`, in place of what lies there.

    Raises TooMuchOutput for more than the bytes of its volume, OutputError, OSError,
    EngineUnavailable or EngineRefused.
    """
    left = volume
    for name in _FETCHED:
        target = tree / name
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        try:
            if not _is_untouched(engine, container, name):
                with closing(engine.archive(container, f"{OPT_ML}/{name}")) as blocks:
                    left -= unpack(blocks, target, left)
        except Missing:
            engine.state(container)  # which is there: the program removed the directory
        except TooMuchOutput:
            raise TooMuchOutput(
                f"{OPT_ML}/model and {OPT_ML}/output hold more than the {volume >> 30} GB of the "
                "volume (VolumeSizeInGB)"
            ) from None


def discard(trees: Iterable[Path]) -> None:
    """Remove what was fetched; the containers still have it."""
    for tree in trees:
        for name in _FETCHED:
            shutil.rmtree(tree / name, ignore_errors=True)


def _is_untouched(engine: Engine, container: str, name: str) -> bool:
    places = [place for place in WRITTEN if place.split("/")[0] == name]
    return all(engine.modified(container, f"{OPT_ML}/{place}") == _UNTOUCHED for place in places)


def unpack(blocks: Iterator[bytes], target: Path, limit: int) -> int:
    """Write a directory's tar stream to `target`; the bytes written. Raises TooMuchOutput
    for more than `limit`, or OutputError.

    Nothing is written but below directories that were made here; links are made as they are
    and never followed; sockets, pipes and devices are left out.
    """
    made: dict[PurePosixPath, tarfile.TarInfo] = {}
    written = 0
    try:
        with tarfile.open(fileobj=cast(IO[bytes], _Stream(blocks)), mode="r|") as archive:
            for member in archive:
                place = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                if place == PurePosixPath():
                    if not member.isdir():
                        return 0  # the program put something else in the place of the directory
                    made[place] = member
                    continue
                if ".." in place.parts or place.parent not in made:
                    raise OutputError(f"the engine's archive has {member.name!r} out of its place")
                written += member.size if member.isreg() else 0
                if written > limit:
                    text = f"{target.name} holds more than the {limit:,} bytes there is room for"
                    raise TooMuchOutput(text)
                _write(archive, member, target / place, target)
                if member.isdir():
                    made[place] = member
    except tarfile.TarError as error:
        raise OutputError(f"the engine's archive of {target.name} broke off: {error}") from error
    for place, member in reversed(made.items()):
        (target / place).chmod(member.mode | 0o700)
        os.utime(target / place, (member.mtime, member.mtime))
    return written


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, top: Path) -> None:
    if member.isdir():
        path.mkdir()
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        source = top.joinpath(*PurePosixPath(member.linkname).parts[1:])
        if ".." not in source.parts and source.is_file() and not source.is_symlink():
            os.link(source, path, follow_symlinks=False)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        with path.open("xb") as file:
            _copy(content, file)
            os.fchmod(file.fileno(), member.mode & 0o777 | 0o600)
        os.utime(path, (member.mtime, member.mtime))


def _copy(content: IO[bytes], file: BinaryIO) -> None:
    """Zeros become holes: the archive of a file with holes has them all."""
    while block := content.read(_BLOCK):
        if block == _ZEROS[: len(block)]:
            file.seek(len(block), os.SEEK_CUR)
        else:
            file.write(block)
    file.truncate()


class _Stream(io.RawIOBase):
    """Blocks as a file that is only read forwards."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size or size < 0:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest += block
        end = size if size >= 0 else len(self._rest)
        found, self._rest = self._rest[:end], self._rest[end:]
        return found
