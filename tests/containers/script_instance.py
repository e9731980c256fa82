"""Starts the program of containers/script as a backend does: on a tree, with instructions."""

from __future__ import annotations

import io
import json
import os
import site
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from opt_ml_tree import CONTAINERS, Outcome, build, finish

PROGRAM = (sys.executable, "-E", "-s", "-S", str(CONTAINERS / "script" / "train"))

_BACKEND = """
import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("mine_installed.py", "VALUE = 1")
        info = "mine-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PACKAGE = {
    "backend.py": _BACKEND,
    "pyproject.toml": "[build-system]\nrequires = []\n"
    'build-backend = "backend"\nbackend-path = ["."]\n',
}
"""The package `mine` 1.0, which pip can build without anything else."""


def wheel(directory: Path, version: str, name: str = "mine") -> Path:
    """A wheel in `directory` with the module `mine_installed`."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as packed:
        packed.writestr(f"{name}_installed.py", f"VERSION = {version!r}\n")
        packed.writestr(f"{info}/METADATA", metadata)
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return directory


def archive(path: Path, files: Mapping[str, str]) -> Path:
    """A code archive as the SDK uploads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return path


class Instance:
    """One instance in a directory; `environments` may be shared by several."""

    def __init__(self, directory: Path, environments: Path | None = None) -> None:
        self.root = build(directory / "ml", {}, {})
        for name in ("model", "output"):
            (self.root / name).mkdir()
        self.scratch = directory / "scratch"
        (self.scratch / "home").mkdir(parents=True)
        self.environments = environments or directory / "environments"

    @property
    def code(self) -> Path:
        return self.root / "code"

    def start(
        self,
        files: Mapping[str, str] | Path | None,
        program: str | None = "train.py",
        arguments: Sequence[str] = (),
        command: Sequence[str] = (),
        **variables: str,
    ) -> subprocess.Popen[str]:
        """`files` are the code, or the place of it; `command` is run instead of a script."""
        source = files
        if isinstance(files, Mapping):
            source = archive(self.scratch.parent / "sourcedir.tar.gz", files)
        instructions = {
            "program": program,
            "arguments": list(arguments),
            "source": str(source) if source else None,
            "environments": str(self.environments),
            "site_packages": site.getsitepackages(),
        }
        told = self.scratch.parent / "script.json"
        told.write_text(json.dumps(instructions))
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.scratch / "home"),
            "SAGEMAKER_BASE_DIR": str(self.root),
            "TUNER_SCRIPT": str(told),
            "PIP_NO_INDEX": "1",
        }
        return subprocess.Popen(
            [*PROGRAM, *command],
            env=base | variables,
            cwd=self.scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: object, **options: object) -> Outcome:
        return finish(self.start(*arguments, **options), self.root)  # type: ignore[arg-type]
