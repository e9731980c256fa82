"""A Python of a job's own: it imports what ours imports, and installs only into itself.

It is a virtual environment without the time it takes to make one: links to the interpreter, and
a `.pth` file that adds other directories of packages after its own.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"python{_VERSION}{'t' if 't' in sys.abiflags else ''}"

EXECUTABLE = Path(getattr(sys, "_base_executable", sys.executable))
"""Not the link within a virtual environment, which would lead back there."""


def packages(directory: Path) -> Path:
    """Where the interpreter made in `directory` has its own packages."""
    return directory / "lib" / _LIBRARY / "site-packages"


def make(directory: Path, site_packages: Sequence[str]) -> Path:
    """Make an interpreter in a new directory; the directory of its programs.

    Its own packages go before those of `site_packages`, earlier ones before later ones.
    """
    programs, own = directory / "bin", packages(directory)
    programs.mkdir(parents=True)
    own.mkdir(parents=True)
    settings = f"home = {EXECUTABLE.parent}\ninclude-system-site-packages = false\n"
    (directory / "pyvenv.cfg").write_text(settings)
    lines = [f"import site; site.addsitedir({place!r})\n" for place in site_packages]
    (own / "_shared.pth").write_text("".join(lines))
    for name in ("python", "python3", f"python{_VERSION}"):
        (programs / name).symlink_to(EXECUTABLE)
    for name in ("pip", "pip3"):
        python = shlex.quote(str(programs / "python"))
        (programs / name).write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n')
        (programs / name).chmod(0o755)
    return programs
