"""The environment of a training program: allow-listed, so that no real account is in reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuner.domain.jobs import TrainingJob
from tuner.training.containers import Container


def program_environment(
    job: TrainingJob,
    container: Container,
    host: str,
    hosts: Sequence[str],
    base_dir: Path,
    *,
    private_opt_ml: bool,
    scratch: Path,
    endpoint_url: str | None,
    cpus: int,
) -> dict[str, str]:
    """All variables of one instance's program. `base_dir` is the instance's tree."""
    raise NotImplementedError
