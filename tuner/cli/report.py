"""How a tuning job came out, told at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuner.cli.follow import Snapshot
from tuner.cli.text import STYLES, duration, number, show, tally
from tuner.client import Client
from tuner.job import BestTrainingJob, best_of, training_jobs

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_REASONS = 5
_NUMBER = re.compile(r"\d+")


def print_outcome(client: Client, snapshot: Snapshot) -> None:
    """Print status, best training job with its model, and why training jobs failed."""
    from rich.text import Text

    description = snapshot.description
    name, status = description["HyperParameterTuningJobName"], snapshot.status
    line = Text()
    line.append(name, style="bold")
    line.append("  ")
    line.append(status, style=STYLES.get(status, ""))
    line.append(f" in {duration(snapshot.elapsed)}: {_counts(description)}")
    parts: list[RenderableType] = [line]
    reason = description.get("FailureReason")
    if reason:
        parts.append(Text(reason, style="red"))
    best = best_of(client, description)
    if best is not None:
        parts.append(best_grid(best))
    show(*parts, *_failures(client, name))


def outcome_document(client: Client, description: Mapping[str, Any]) -> dict[str, Any]:
    """The job's Describe and where the best model is, for programs."""
    document = dict(description)
    best = best_of(client, description)
    if best is not None and best.model_uri:
        document["BestModelArtifacts"] = {"S3ModelArtifacts": best.model_uri}
        if best.model_path is not None:
            document["BestModelArtifacts"]["LocalPath"] = str(best.model_path)
    return document


def best_grid(best: BestTrainingJob) -> RenderableType:
    """The best training job with its hyperparameters and where its model is."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    objective = Text(f"{best.metric_name} ")
    objective.append(number(best.value), style="bold green")
    grid.add_row("best", objective)
    grid.add_row("", best.training_job_name)
    values = Table.grid(padding=(0, 2))
    for name in sorted(best.hyperparameters):
        values.add_row(name, best.hyperparameters[name])
    grid.add_row("with", values)
    grid.add_row("model", best.model_uri or "none")
    if best.model_path is not None:
        grid.add_row("", str(best.model_path))
    return grid


def _counts(description: Mapping[str, Any]) -> str:
    told = [f"{count} {word}" for word, count in tally(description).items() if count]
    return "training jobs " + (", ".join(told) or "none")


def _failures(client: Client, name: str) -> Iterator[RenderableType]:
    """The reasons of failed training jobs, the most frequent first, each with one example.

    Reasons that differ in numbers only (times, addresses) count as one.
    """
    from rich.text import Text

    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in training_jobs(client, name, "Ascending", "Failed"):
        groups.setdefault(_NUMBER.sub("#", _reason(item)), []).append(item)
    ordered = sorted(groups.values(), key=len, reverse=True)
    for items in ordered[:_MOST_REASONS]:
        times = "1 training job" if len(items) == 1 else f"{len(items)} training jobs"
        yield Text(f"{times} failed: {_reason(items[-1])}", style="red")
        yield Text(f"  see: tuner logs {items[-1]['TrainingJobName']}")
    if len(ordered) > _MOST_REASONS:
        yield Text(f"and {len(ordered) - _MOST_REASONS} more reasons: tuner jobs {name}")


def _reason(item: Mapping[str, Any]) -> str:
    return str(item.get("FailureReason", "no reason was given")).strip()
