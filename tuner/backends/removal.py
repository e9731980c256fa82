"""Removes what a program may have left in any state."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from pathlib import Path

_log = logging.getLogger(__name__)


def remove_tree(directory: Path) -> None:
    """Remove a directory, whatever a program has done to its permissions and however deep it
    is; links are not followed. What cannot be removed is logged and left to the next adoption."""
    try:
        with contextlib.suppress(FileNotFoundError):
            try:
                shutil.rmtree(directory)
            except (OSError, RecursionError):
                _remove(directory)
    except OSError as error:
        _log.warning("cannot remove %s: %s", directory, error)


def _remove(top: Path) -> None:
    """Directories are lifted to the top, so that no path is too long and nothing recurs."""
    top.chmod(0o700)
    left = [top]
    for place in left:  # grows while it is walked
        with os.scandir(place) as found:
            entries = [(Path(entry), entry.is_dir(follow_symlinks=False)) for entry in found]
        for path, is_directory in entries:
            if is_directory:
                path.chmod(0o700)
                left.append(path.rename(top / f".removed-{secrets.token_hex(8)}"))
            else:
                path.unlink()
        if place is not top:
            place.rmdir()
    top.rmdir()
