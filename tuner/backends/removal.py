"""Removes what a program may have left in any state."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path

_log = logging.getLogger(__name__)


def remove_tree(directory: Path) -> None:
    """Remove a directory, whatever a program has done to its permissions; links are not
    followed. What cannot be removed is logged and left to the next adoption."""
    try:
        with contextlib.suppress(PermissionError, FileNotFoundError):
            shutil.rmtree(directory)
            return
        if directory.exists():
            _open_up(directory)
            shutil.rmtree(directory)
    except OSError as error:
        _log.warning("cannot remove %s: %s", directory, error)


def _open_up(directory: Path) -> None:
    directory.chmod(0o700)
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            _open_up(Path(entry.path))
