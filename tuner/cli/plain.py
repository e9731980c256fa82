"""Progress as lines, for output that is no terminal: one for each change."""

from __future__ import annotations

from datetime import datetime

from tuner.cli.follow import ACTIVE, Snapshot, Summary
from tuner.cli.phase import PhaseOf
from tuner.cli.text import duration, hyperparameters, number, objective_of, run_time

_BEFORE_TRAINING = ("Pending", "Starting", "Downloading")


class Lines:
    """`show` prints what changed since the snapshot before, and how far the pull of an image is.

    The phases of training jobs are asked for until they train.
    """

    def __init__(self, phase: PhaseOf) -> None:
        self._phase = phase
        self._status: str | None = None
        self._pulls: set[str] = set()
        self._train: set[str] = set()

    def show(self, snapshot: Snapshot) -> None:
        for item in snapshot.changed:
            self._print(snapshot, f"{item['TrainingJobName']}  {_change(item, snapshot)}")
        name = snapshot.description["HyperParameterTuningJobName"]
        pulls = self._pulled(snapshot)
        for pull in sorted(pulls - self._pulls):
            self._print(snapshot, f"{name}  {pull}")
        self._pulls = pulls
        if snapshot.status != self._status and not snapshot.ended:
            self._print(snapshot, f"{name}  {snapshot.status}")
        self._status = snapshot.status

    def _pulled(self, snapshot: Snapshot) -> set[str]:
        pulls = set()
        for item in snapshot.training_jobs:
            name = item["TrainingJobName"]
            if item["TrainingJobStatus"] in ACTIVE and name not in self._train:
                found = self._phase(name)
                pulls.add(found.pull)
                if found.status not in _BEFORE_TRAINING:
                    self._train.add(name)
        return pulls - {""}

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
