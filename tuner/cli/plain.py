"""Progress as lines, for output that is no terminal: one for each change."""

from __future__ import annotations

from datetime import datetime

from tuner.cli.follow import Snapshot, Summary
from tuner.cli.text import duration, hyperparameters, number, objective_of, run_time


class Lines:
    """`show` prints what changed since the snapshot before."""

    def __init__(self) -> None:
        self._status: str | None = None

    def show(self, snapshot: Snapshot) -> None:
        for item in snapshot.changed:
            self._print(snapshot, f"{item['TrainingJobName']}  {_change(item, snapshot)}")
        if snapshot.status != self._status and not snapshot.ended:
            name = snapshot.description["HyperParameterTuningJobName"]
            self._print(snapshot, f"{name}  {snapshot.status}")
        self._status = snapshot.status

    @staticmethod
    def _print(snapshot: Snapshot, text: str) -> None:
        print(f"{datetime.fromtimestamp(snapshot.now):%H:%M:%S}  {text}", flush=True)


def _change(item: Summary, snapshot: Snapshot) -> str:
    status = item["TrainingJobStatus"]
    if status == "InProgress":
        return f"{status}  {hyperparameters(item['TunedHyperParameters'])}"
    parts = [status]
    value, seconds = objective_of(item), run_time(item, snapshot.now)
    if value is not None:
        metric = item["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"]
        parts.append(f"{metric} {number(value)}")
    if seconds is not None:
        parts.append(duration(seconds))
    best = snapshot.description.get("BestTrainingJob", {}).get("TrainingJobName")
    if best == item["TrainingJobName"]:
        parts.append("best so far")
    elif item.get("FailureReason"):
        parts.append(item["FailureReason"].splitlines()[0])
    return "  ".join(parts)
