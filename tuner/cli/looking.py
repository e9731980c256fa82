"""Look at jobs: list, describe, jobs, best."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tuner.cli import Refusal
from tuner.cli.find import find, find_tuning_job
from tuner.cli.report import best_grid, outcome_document
from tuner.cli.text import (
    STYLES,
    duration,
    goal,
    hyperparameters,
    moment,
    number,
    objective_of,
    print_json,
    run_time,
    show,
    tally,
)
from tuner.client import Client
from tuner.job import best_of, training_jobs

_SHORTENED = "hyperparameters"
"""The column that gives way where a terminal is too narrow."""

Row = tuple[str, RenderableType]


def list_jobs(client: Client, as_json: bool) -> None:
    summaries = list(_tuning_jobs(client))
    if as_json:
        print_json({"HyperParameterTuningJobSummaries": summaries})
        return
    if not summaries:
        print(f"no tuning jobs in {client.settings.region}; tuner run SPEC.json starts one")
        return
    table = _table("name", "status", "strategy", "training jobs", "created")
    for item in summaries:
        done = sum(tally(item).values())
        most = item.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs")
        table.add_row(
            Text(item["HyperParameterTuningJobName"]),
            _status(item["HyperParameterTuningJobStatus"]),
            item["Strategy"],
            f"{done} of {most}" if most else str(done),
            moment(item["CreationTime"]),
        )
    show(table, fit=True)


def _tuning_jobs(client: Client) -> Iterator[Mapping[str, Any]]:
    request: dict[str, Any] = {
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 100,
    }
    while True:
        page = client.call("ListHyperParameterTuningJobs", **request)
        yield from page["HyperParameterTuningJobSummaries"]
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


def jobs(client: Client, name: str, sort: str, status: str | None, as_json: bool) -> None:
    description = find_tuning_job(client, name)
    found = list(training_jobs(client, name, "Ascending", status))
    direction, metric = goal(description)
    if sort == "name":
        found.sort(key=lambda item: str(item["TrainingJobName"]))
    elif sort == "objective":
        sign = 1 if direction == "Minimize" else -1
        found.sort(key=lambda item: _rank(objective_of(item), sign))
    if as_json:
        print_json({"TrainingJobSummaries": found})
        return
    best = description.get("BestTrainingJob", {}).get("TrainingJobName")
    table = _table("training job", "status", metric, "time", _SHORTENED)
    now = time.time()
    for item in found:
        value, seconds = objective_of(item), run_time(item, now)
        is_best = item["TrainingJobName"] == best
        shown = "" if value is None else number(value)
        values = hyperparameters(item["TunedHyperParameters"])
        table.add_row(
            Text(item["TrainingJobName"], style="bold" if is_best else ""),
            _status(item["TrainingJobStatus"]),
            Text(f"best {shown}" if is_best else shown, justify="right"),
            Text("" if seconds is None else duration(seconds), justify="right"),
            Text(values, no_wrap=True, overflow="ellipsis"),
        )
    show(table, fit=True)


def _rank(value: float | None, sign: int) -> tuple[bool, float]:
    """Best first, those without an objective last."""
    return value is None, 0.0 if value is None else sign * value


def best(client: Client, name: str, as_json: bool) -> None:
    description = find_tuning_job(client, name)
    found = best_of(client, description)
    if found is None:
        raise Refusal(f"no training job of {name} has an objective yet")
    if as_json:
        document = outcome_document(client, description)
        members = ("BestTrainingJob", "BestModelArtifacts")
        print_json({member: document[member] for member in members if member in document})
    else:
        show(best_grid(found))


def describe(client: Client, name: str, as_json: bool) -> None:
    found = find(client, name)
    if as_json:
        print_json(found.description)
        return
    if found.kind == "training job":
        show(_grid(_of_training_job(found.description)))
        return
    best = best_of(client, found.description)
    rows = _grid(_of_tuning_job(found.description))
    show(rows) if best is None else show(rows, "", best_grid(best))


def _of_tuning_job(described: Mapping[str, Any]) -> Iterator[Row]:
    config = described["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    direction, metric = goal(described)
    yield "tuning job", Text(described["HyperParameterTuningJobName"], style="bold")
    yield "status", _status(described["HyperParameterTuningJobStatus"])
    if described.get("FailureReason"):
        yield "reason", Text(described["FailureReason"], style="red")
    yield "strategy", Text(config["Strategy"])
    yield "objective", Text(f"{direction.lower()} {metric}")
    running = described["TrainingJobStatusCounters"]["InProgress"]
    counts = {**tally(described), "running": running}
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    most = limits.get("MaxNumberOfTrainingJobs", "no limit")
    parallel = limits["MaxParallelTrainingJobs"]
    yield "training jobs", Text(f"{told} (at most {most}, {parallel} at a time)")
    yield "created", Text(moment(described["CreationTime"]))
    if "HyperParameterTuningEndTime" in described:
        end = described["HyperParameterTuningEndTime"]
        took = duration(end - described["CreationTime"])
        yield "ended", Text(f"{moment(end)}, after {took}")


def _of_training_job(described: Mapping[str, Any]) -> Iterator[Row]:
    yield "training job", Text(described["TrainingJobName"], style="bold")
    status, phase = described["TrainingJobStatus"], described["SecondaryStatus"]
    yield "status", _status(status)
    if phase != status:
        yield "phase", Text(phase)
    if described.get("FailureReason"):
        yield "reason", Text(described["FailureReason"], style="red")
    if described.get("TuningJobArn"):
        yield "tuning job", Text(described["TuningJobArn"].rsplit("/", 1)[1])
    yield "image", Text(described["AlgorithmSpecification"].get("TrainingImage", ""))
    yield "created", Text(moment(described["CreationTime"]))
    if "TrainingEndTime" in described:
        took = duration(described["TrainingEndTime"] - described["TrainingStartTime"])
        yield "ended", Text(f"{moment(described['TrainingEndTime'])}, after {took}")
    for metric in described.get("FinalMetricDataList", ()):
        yield "metric", Text(f"{metric['MetricName']} {number(metric['Value'])}")
    for name, value in sorted(described.get("HyperParameters", {}).items()):
        yield "with", Text(f"{name} {value}")
    model = described.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if model:
        yield "model", Text(model)
    yield "logs", Text(f"tuner logs {described['TrainingJobName']}")


def _grid(rows: Iterator[Row]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    last = ""
    for label, value in rows:
        grid.add_row("" if label == last else label, value)
        last = label
    return grid


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != _SHORTENED)
    return table


def _status(status: str) -> Text:
    return Text(status, style=STYLES.get(status, ""))
