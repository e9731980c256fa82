"""How a tuning job came out, told at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.cli.follow import Snapshot
from tuner.cli.text import STYLES, duration, number
from tuner.client import Client
from tuner.job import BestTrainingJob, best_of, training_jobs

if TYPE_CHECKING:
    from rich.console import Console

_MOST_REASONS = 5


def outcome(client: Client, snapshot: Snapshot, console: Console) -> None:
    """Print status, best training job with its model, and why training jobs failed."""
    from rich.text import Text

    description = snapshot.description
    name, status = description["HyperParameterTuningJobName"], snapshot.status
    line = Text()
    line.append(name, style="bold")
    line.append("  ")
    line.append(status, style=STYLES.get(status, ""))
    line.append(f" in {duration(snapshot.elapsed)}: {_counts(description)}")
    console.print(line)
    reason = description.get("FailureReason")
    if reason:
        console.print(Text(f"  {reason}", style="red"))
    best = best_of(client, description)
    if best is not None:
        print_best(best, console)
    _failures(client, name, console)


def outcome_document(client: Client, description: Mapping[str, Any]) -> dict[str, Any]:
    """The job's Describe and where the best model is, for programs."""
    document = dict(description)
    best = best_of(client, description)
    if best is not None and best.model_uri:
        document["BestModelArtifacts"] = {
            "S3ModelArtifacts": best.model_uri,
            "LocalPath": str(best.model_path),
        }
    return document


def print_best(best: BestTrainingJob, console: Console) -> None:
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
    console.print(grid)


def _counts(description: Mapping[str, Any]) -> str:
    counters = description["TrainingJobStatusCounters"]
    words = {"Completed": "completed", "NonRetryableError": "failed", "Stopped": "stopped"}
    told = [f"{counters[key]} {word}" for key, word in words.items() if counters[key]]
    return (", ".join(told) or "no") + " training jobs"


def _failures(client: Client, name: str, console: Console) -> None:
    """The reasons of failed training jobs, the most frequent first, each with one example."""
    from rich.text import Text

    examples: dict[str, list[str]] = {}
    for item in training_jobs(client, name, "Ascending", "Failed"):
        reason = item.get("FailureReason", "no reason was given")
        examples.setdefault(reason, []).append(item["TrainingJobName"])
    groups = sorted(examples.items(), key=lambda group: -len(group[1]))
    for reason, names in groups[:_MOST_REASONS]:
        times = "1 training job" if len(names) == 1 else f"{len(names)} training jobs"
        console.print(Text(f"{times} failed: {reason.strip()}", style="red"))
        console.print(f"  see: tuner logs {names[-1]}")
    if len(groups) > _MOST_REASONS:
        console.print(f"and {len(groups) - _MOST_REASONS} more reasons: tuner jobs {name}")
