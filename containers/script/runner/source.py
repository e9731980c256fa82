"""The user's code: a tar archive (or a directory) becomes the code directory."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from runner.failures import UserError

MAX_BYTES = 5 << 30
MAX_MEMBERS = 100_000


def unpack(source: Path, code: Path) -> None:
    """Put the code into the directory `code`; nothing is done where it holds something already,
    as in sagemaker-training. Raises UserError for what is no archive, or a harmful one."""
    code.mkdir(parents=True, exist_ok=True)
    if any(code.iterdir()):
        return
    try:
        if source.is_dir():
            shutil.copytree(source, code, dirs_exist_ok=True)
            return
        with tarfile.open(source, "r:*") as archive:
            _check_size(archive)
            archive.extractall(code, filter="data")
    except FileNotFoundError as error:
        raise UserError(f"There is no source code at {source}.") from error
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise UserError(f"The source code archive cannot be unpacked: {error}") from error


def _check_size(archive: tarfile.TarFile) -> None:
    """From the headers, before anything is written."""
    size = 0
    for number, member in enumerate(archive, start=1):
        size += member.size
        if number > MAX_MEMBERS or size > MAX_BYTES:
            raise UserError(
                f"The source code archive holds more than {MAX_BYTES >> 30} GiB or "
                f"{MAX_MEMBERS:,} files: data belong into a channel."
            )
