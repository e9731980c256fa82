"""The stage of the process backend."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.backends.stage import Stage
from tuner.backends import processes
from tuner.backends.keeper_start import LOCK
from tuner.backends.process import ProcessBackend
from tuner.domain.jobs import TrainingJob


class ProcessStage(Stage):
    python = sys.executable
    flood_lines = 1_000_000
    one_pipe = True

    def __init__(self, home: Path, namespaces: bool) -> None:
        self.private = namespaces
        self.images: dict[str, str] = {}
        super().__init__(home)

    def owner(self) -> ProcessBackend:
        backend = ProcessBackend(
            self.home,
            self.objects,
            self.logs,
            image_map=self.images,
            capacity=None,
            namespaces=self.private,
        )
        backend.start(self._post)
        return backend

    def image(self, source: str, name: str = "program") -> str:
        directory = self.home / "programs" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "train").write_text(textwrap.dedent(source))
        manifest = {"name": name, "command": ["{python}", "-I", "{directory}/train"]}
        (directory / "container.json").write_text(json.dumps(manifest))
        self.images[name] = str(directory)
        return name

    def attempts(self) -> Path:
        return self.home / "attempts"

    def alive(self, job: TrainingJob) -> Sequence[object]:
        return list(processes.marked(str(self.attempts() / str(job.key))))

    @property
    def recipe(self) -> str:
        return f"""
from tests.conformance.backends.process_stage import ProcessStage
stage = ProcessStage(Path({str(self.home)!r}), {self.private})"""

    def touch(self, job: TrainingJob, name: str) -> None:
        (self.attempts() / str(job.key) / "algo-1" / "scratch" / name).touch()

    def keeper_pid(self) -> int:
        return int((self.home / LOCK).read_text())
