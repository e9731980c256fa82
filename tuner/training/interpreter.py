"""A Python of a program's own: it imports what ours imports, and installs only into itself.

Programs of the user's install packages while they run (`pip install` in a start script, SDK v2's
remote functions); with our own interpreter first on their PATH they would change the service's
environment under it. `containers/script` makes its interpreters itself.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tuner.training.script_mode import site_packages

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"python{_VERSION}{'t' if 't' in sys.abiflags else ''}"


def private_python(directory: Path) -> Path:
    """Make an interpreter in `directory`, unless it is there; the directory of its programs.

    It is a virtual environment without the time it takes to make one: links to the interpreter,
    and a `.pth` file that adds our packages after its own.
    """
    programs = directory / "bin"
    if directory.exists():
        return programs
    own = directory / "lib" / _LIBRARY / "site-packages"
    programs.mkdir(parents=True)
    own.mkdir(parents=True)
    # Not the link within a virtual environment, which would lead back there.
    executable = Path(getattr(sys, "_base_executable", sys.executable))
    settings = f"home = {executable.parent}\ninclude-system-site-packages = false\n"
    (directory / "pyvenv.cfg").write_text(settings)
    lines = [f"import site; site.addsitedir({place!r})\n" for place in site_packages()]
    (own / "_shared.pth").write_text("".join(lines))
    for name in ("python", "python3", f"python{_VERSION}"):
        (programs / name).symlink_to(executable)
    for name in ("pip", "pip3"):
        python = shlex.quote(str(programs / "python"))
        (programs / name).write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n')
        (programs / name).chmod(0o755)
    return programs
