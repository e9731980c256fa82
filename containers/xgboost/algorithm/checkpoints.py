"""Checkpoints as AWS's image keeps them: the model after each round, the last five of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .platform import log

KEPT = 5

_NAME = re.compile(r"xgboost-checkpoint\.([0-9]+)")
_UNFINISHED = ".unfinished.sagemaker-ignore"
"""What ends so is not stored in S3."""


def newest(xgboost: Any, directory: Path | None) -> tuple[Any, int]:
    """The model to go on from and how many rounds it has; None and 0 without one. A checkpoint
    that cannot be read is passed over for the one before it."""
    for number, path in reversed(_found(directory)):
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(path.read_bytes()))
        except xgboost.core.XGBoostError:
            log(f"Checkpoint {path} cannot be read.", "WARNING")
            continue
        log(f"Checkpoint loaded from {path}")
        log(f"Resuming from iteration {number + 1}")
        return booster, number + 1
    return None, 0


def progress(xgboost: Any, directory: Path | None, rounds: int) -> list[Any]:
    """Callbacks that print the results of each round and keep its model, when there have been
    so many `rounds` already."""

    class Print(xgboost.callback.EvaluationMonitor):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return bool(super().after_iteration(model, rounds + epoch, evals_log))

    class Keep(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            assert directory is not None
            _keep(model, directory, rounds + epoch)
            return False

    return [Print()] if directory is None else [Print(), Keep()]


def _keep(booster: Any, directory: Path, number: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / _UNFINISHED
    unfinished.write_bytes(booster.save_raw("ubj"))
    unfinished.replace(directory / f"xgboost-checkpoint.{number}")
    for _, path in _found(directory)[:-KEPT]:
        path.unlink(missing_ok=True)


def _found(directory: Path | None) -> list[tuple[int, Path]]:
    """By their rounds."""
    if directory is None or not directory.is_dir():
        return []
    matches = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted((int(match[1]), path) for match, path in matches if match)
