"""What whoever starts this program tells it: a JSON file, named by TUNER_SCRIPT."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

_VARIABLE = "TUNER_SCRIPT"
_OPT_ML = "/opt/ml"
_MODULES = Path(__file__).resolve().parents[1] / "modules"
"""What AWS's images have beside their frameworks; anything of the same name goes before it."""


class Instructions(NamedTuple):
    """`program` is the user's entry point (None where a command is run instead), `arguments` go
    to it; `source` is the archive or directory with the code. `environments` is where installed
    requirements are kept between jobs, `site_packages` is what every script may import.
    `scratch` belongs to this instance alone; `base` is the place of /opt/ml."""

    program: str | None
    arguments: list[str]
    source: str | None
    environments: Path
    site_packages: list[str]
    scratch: Path
    base: Path

    @classmethod
    def read(cls) -> Instructions:
        """Raises KeyError or OSError when this program was not started as it must."""
        given = json.loads(Path(os.environ.pop(_VARIABLE)).read_bytes())
        return cls(
            program=given["program"],
            arguments=given["arguments"],
            source=given["source"],
            environments=Path(given["environments"]),
            site_packages=[*given["site_packages"], str(_MODULES)],
            scratch=Path.cwd(),
            base=Path(os.environ.get("SAGEMAKER_BASE_DIR", _OPT_ML)),
        )

    @property
    def code(self) -> Path:
        """Where the user's code is unpacked and run."""
        return self.base / "code"

    def on_disk(self, path: str) -> Path:
        """A path that the user may have written below /opt/ml, where it really lies."""
        inside = path.startswith(f"{_OPT_ML}/")
        return self.base / path.removeprefix(f"{_OPT_ML}/") if inside else Path(path)
