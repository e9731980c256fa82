"""What a training job leaves behind: model.tar.gz, output.tar.gz and the failure text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Objects


def collect(job: TrainingJob, roots: Mapping[str, Path], objects: Objects) -> str | None:
    """Pack the outputs of all hosts (`host -> its tree`); the failure text, if there is one."""
    raise NotImplementedError
