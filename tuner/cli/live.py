"""The live view of a tuning job in a terminal: progress, running best, training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.cli.follow import ACTIVE, Snapshot, Summary
from tuner.cli.phase import Phase, PhaseOf
from tuner.cli.text import STYLES, duration, goal, hyperparameters, number, objective_of, run_time

_LONGEST_BAR = 40
_LINES_BELOW = 3
_ROWS_AT_LEAST = 3
_OTHER_COLUMNS = 42
_ROOM_FOR_VALUES = 30


class LiveView:
    """A context manager; `show` draws a snapshot. Nothing of it stays on the screen."""

    def __init__(self, console: Console, phase: PhaseOf) -> None:
        self._console = console
        self._phase = phase
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, snapshot: Snapshot) -> None:
        self._live.update(view(snapshot, self._console, self._phase), refresh=True)


def view(snapshot: Snapshot, console: Console, phase: PhaseOf) -> RenderableType:
    """The whole picture, with as many training jobs as the console has lines for."""
    width = console.width
    top = Group(
        _heading(snapshot.description),
        Text(),
        _progress(snapshot, width),
        Text(),
        _best(snapshot.description),
        Text(),
    )
    active = [
        item["TrainingJobName"]
        for item in snapshot.training_jobs[: max(console.height, _ROWS_AT_LEAST)]
        if item["TrainingJobStatus"] in ACTIVE
    ]
    phases = {name: phase(name) for name in active}
    pulls = sorted({found.pull for found in phases.values() if found.pull})
    notes = Group(*(Text(pull, style="cyan") for pull in pulls))
    used = len(console.render_lines(Group(top, notes), pad=False)) + _LINES_BELOW
    rows = max(console.height - used, _ROWS_AT_LEAST)
    return Group(
        top,
        _training_jobs(snapshot, rows, width, phases),
        notes,
        Text("Ctrl-C leaves: the job goes on in the background", style="dim"),
    )


def _heading(description: Mapping[str, Any]) -> RenderableType:
    strategy = description["HyperParameterTuningJobConfig"]["Strategy"]
    direction, metric = goal(description)
    status = description["HyperParameterTuningJobStatus"]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(description["HyperParameterTuningJobName"], style="bold")
    line.append("  ")
    line.append(status, style=STYLES.get(status, ""))
    line.append(f"  {strategy}: {direction.lower()} {metric}", style="dim")
    return line


def _progress(snapshot: Snapshot, width: int) -> RenderableType:
    planned = snapshot.planned
    facts = [f"{snapshot.done} of {planned}" if planned else f"{snapshot.done} done"]
    facts.append(f"{snapshot.running} running")
    facts.append(duration(snapshot.elapsed))
    if snapshot.remaining is not None and snapshot.status == "InProgress":
        facts.append(f"about {duration(snapshot.remaining, tenths=False)} left")
    bar = ProgressBar(total=planned or 1, completed=snapshot.done if planned else 0)
    bar.width = max(min(width - len("  ".join(facts)) - 2, _LONGEST_BAR), 5)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(bar, *(Text(fact, no_wrap=True) for fact in facts))
    return grid


def _best(description: Mapping[str, Any]) -> RenderableType:
    best = description.get("BestTrainingJob")
    if not best:
        return Text("best    none yet\n", style="dim")
    objective = best["FinalHyperParameterTuningJobObjectiveMetric"]
    grid = Table.grid(padding=(0, 2))
    what = Text(f"{objective['MetricName']} ")
    what.append(number(objective["Value"]), style="bold green")
    what.append(f"  {best['TrainingJobName']}", style="dim")
    grid.add_row(Text("best", style="bold"), what)
    grid.add_row("", Text(hyperparameters(best["TunedHyperParameters"])))
    return grid


def _training_jobs(
    snapshot: Snapshot, rows: int, width: int, phases: Mapping[str, Phase]
) -> RenderableType:
    best = snapshot.description.get("BestTrainingJob", {}).get("TrainingJobName")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    table.add_column("training job", no_wrap=True, overflow="ellipsis")
    table.add_column("status", no_wrap=True)
    table.add_column("objective", no_wrap=True, justify="right")
    table.add_column("time", no_wrap=True, justify="right")
    shown = snapshot.training_jobs[:rows]
    longest = max((len(item["TrainingJobName"]) for item in shown), default=0)
    room = width - longest - _OTHER_COLUMNS
    with_values = room >= _ROOM_FOR_VALUES
    if with_values:
        column = "hyperparameters"
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=room)
    for item in shown:
        cells = _row(item, item["TrainingJobName"] == best, snapshot.now, phases)
        values = [hyperparameters(item["TunedHyperParameters"])] if with_values else []
        table.add_row(*cells, *values)
    return table


def _row(
    item: Summary, is_best: bool, now: float, phases: Mapping[str, Phase]
) -> list[RenderableType]:
    name, status = item["TrainingJobName"], item["TrainingJobStatus"]
    value, seconds = objective_of(item), run_time(item, now)
    word = phases[name].status if status in ACTIVE else status
    shown = "" if value is None else number(value)
    return [
        Text(name, style="bold" if is_best else ""),
        Text(word, style=STYLES.get(status, "")),
        Text(f"best {shown}" if is_best else shown, style="bold green" if is_best else ""),
        Text("" if seconds is None else duration(seconds)),
    ]
