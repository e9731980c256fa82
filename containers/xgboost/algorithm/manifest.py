"""container.json, the one place where hyperparameters and metrics are declared."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_OBJECTIVE_PREFIX = "validation:"


@cache
def _manifest() -> Any:
    return json.loads((Path(__file__).resolve().parents[1] / "container.json").read_bytes())


def hyperparameter_declarations() -> dict[str, dict[str, Any]]:
    return {item["Name"]: item for item in _manifest()["hyperparameters"]}


@cache
def objective_metrics() -> dict[str, bool]:
    """Names that may be tuned on (`validation:auc`), and whether more is better."""
    return {
        item["Name"]: item["Objective"] == "Maximize"
        for item in _manifest()["metrics"]
        if item["Objective"] is not None
    }


def metric_names() -> list[str]:
    """Evaluation metrics by their plain names (`auc`)."""
    return [name.removeprefix(_OBJECTIVE_PREFIX) for name in objective_metrics()]


def is_maximized(metric: str) -> bool:
    """Whether more is better for an evaluation metric, `ndcg@5` included."""
    return objective_metrics().get(_OBJECTIVE_PREFIX + metric.partition("@")[0], False)
