"""The `/opt/ml` tree of one instance, as the platform lays it out before the program starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuner.domain.jobs import TrainingJob


def build(
    root: Path, job: TrainingJob, host: str, hosts: Sequence[str], network_interface: str
) -> None:
    """Make a fresh tree at `root`; whatever lay there is removed."""
    raise NotImplementedError
