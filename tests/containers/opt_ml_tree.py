"""Runs a container's program as a process on an /opt/ml tree that the test builds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTAINERS = Path(__file__).resolve().parents[2] / "containers"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What one instance left: exit code, what it printed, and its tree."""

    code: int
    output: str
    root: Path

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def rounds(self) -> list[str]:
        """The lines that evaluation prints, from their round in brackets on."""
        return [line[line.rindex("[") :] for line in self.lines if "\ttrain-" in line]

    @property
    def failure(self) -> str:
        path = self.root / "output" / "failure"
        return path.read_text() if path.exists() else ""

    @property
    def model(self) -> Path:
        return self.root / "model" / "xgboost-model"


def build(
    root: Path,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, Mapping[str, str]],
    content_type: str | None = "text/csv",
    hosts: Sequence[str] = ("algo-1",),
    host: str = "algo-1",
    **channel_config: str,
) -> Path:
    """A tree as the platform lays it out; `channels` maps names to files and their texts."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    entry = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        **({"ContentType": content_type} if content_type else {}),
        **channel_config,
    }
    documents = {
        "hyperparameters": dict(hyperparameters),
        "inputdataconfig": dict.fromkeys(channels, entry),
        "resourceconfig": {"current_host": host, "hosts": list(hosts)},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    for name, files in channels.items():
        (root / "input" / "data" / name).mkdir(parents=True)
        for path, text in files.items():
            target = root / "input" / "data" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return root


def start(root: Path, **environment: str) -> subprocess.Popen[str]:
    """The program of containers/xgboost on a tree, with an environment of its own."""
    base = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, CONTAINERS / "xgboost" / "train"],
        env=base | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], root: Path) -> Outcome:
    try:
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    return Outcome(process.returncode, output, root)


def run(root: Path, **environment: str) -> Outcome:
    return finish(start(root, **environment), root)
