"""How the command line writes times, numbers and documents."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_UNBOUNDED = 10_000
_HEIGHT = 25

STYLES = {
    "Completed": "green",
    "InProgress": "cyan",
    "Failed": "red",
    "Stopped": "yellow",
    "Stopping": "yellow",
    "DeleteFailed": "red",
}


def console(width: int | None = None) -> Console:
    """Standard output, as wide as the terminal if not told otherwise."""
    from rich.console import Console

    # without a height, a terminal that calls itself dumb has 80 columns whatever the width
    height = None if width is None else _HEIGHT
    return Console(width=width, height=height, markup=False, highlight=False, emoji=False)


def show(*parts: RenderableType, fit: bool = False) -> None:
    """Print on standard output. Lines are as long as they need to be, so that what is copied
    from them is whole; with `fit` they fit the terminal if there is one."""
    out = console(None if fit and sys.stdout.isatty() else _UNBOUNDED)
    with out.capture() as capture:
        out.print(*parts, sep="\n")
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def print_json(document: object) -> None:
    print(json.dumps(readable(document), indent=2, ensure_ascii=False))


def readable(document: object, name: str = "") -> Any:
    """The document with its times as ISO 8601 in UTC, as the AWS CLI prints them."""
    if isinstance(document, Mapping):
        return {key: readable(value, str(key)) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [readable(item) for item in document]
    if isinstance(document, int | float) and name.endswith(("Time", "Timestamp")):
        return datetime.fromtimestamp(document, UTC).isoformat(timespec="milliseconds")
    return document


def moment(seconds: float) -> str:
    """Epoch seconds in the user's time zone."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float, tenths: bool = True) -> str:
    """In words; below ten seconds with tenths."""
    if tenths and seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    total = max(round(seconds), 0)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02} s"
    return f"{total // 3600} h {total % 3600 // 60:02} min"


def number(value: float) -> str:
    return f"{value:.6g}"


def short(text: str) -> str:
    """A hyperparameter's value, with fewer digits where it is a long number."""
    if len(text) <= 8:
        return text
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def hyperparameters(values: Mapping[str, str]) -> str:
    return "  ".join(f"{name}={short(values[name])}" for name in sorted(values))


def goal(description: Mapping[str, Any]) -> tuple[str, str]:
    """Type and metric name of a tuning job's objective."""
    config = description["HyperParameterTuningJobConfig"]
    definition = description.get("TrainingJobDefinition", {})
    objective = config.get("HyperParameterTuningJobObjective") or definition["TuningObjective"]
    return objective["Type"], objective["MetricName"]


def tally(description: Mapping[str, Any]) -> dict[str, int]:
    """How many training jobs of a tuning job, or of its summary, have ended and how."""
    counters = description["TrainingJobStatusCounters"]
    return {
        "completed": counters["Completed"],
        "failed": counters["NonRetryableError"] + counters["RetryableError"],
        "stopped": counters["Stopped"],
    }


def objective_of(summary: Mapping[str, Any]) -> float | None:
    """The final objective of a training job's summary."""
    value = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    return None if value is None else float(value)


def run_time(summary: Mapping[str, Any], now: float) -> float | None:
    """Seconds since a training job started, or that it took."""
    start = summary.get("TrainingStartTime")
    return None if start is None else float(summary.get("TrainingEndTime", now) - start)
