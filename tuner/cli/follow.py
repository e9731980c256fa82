"""A tuning job watched from outside: what is known now, and what changed since the last look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.cli.text import tally
from tuner.client import Client
from tuner.job import ENDED, training_jobs

Summary = Mapping[str, Any]
ACTIVE = ("InProgress", "Stopping")
_KEPT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`training_jobs`: the running ones and the newest others, newest first. `changed`: those
    that are new or have another status than in the snapshot before, oldest first."""

    description: Mapping[str, Any]
    training_jobs: Sequence[Summary]
    changed: Sequence[Summary]
    now: float

    @property
    def status(self) -> str:
        return str(self.description["HyperParameterTuningJobStatus"])

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def running(self) -> int:
        return int(self.description["TrainingJobStatusCounters"]["InProgress"])

    @property
    def done(self) -> int:
        return sum(tally(self.description).values())

    @property
    def planned(self) -> int | None:
        """How many training jobs there may be; None where only time limits the job."""
        limits = self.description["HyperParameterTuningJobConfig"]["ResourceLimits"]
        value = limits.get("MaxNumberOfTrainingJobs")
        return None if value is None else int(value)

    @property
    def elapsed(self) -> float:
        """Seconds since the job was created, or that it took."""
        end = self.description.get("HyperParameterTuningEndTime", self.now)
        return float(end - self.description["CreationTime"])

    @property
    def remaining(self) -> float | None:
        """Seconds until the job ends at the present pace; None while nothing is known."""
        limits = self.description["HyperParameterTuningJobConfig"]["ResourceLimits"]
        ends: list[float] = []
        if limits.get("MaxRuntimeInSeconds"):
            ends.append(limits["MaxRuntimeInSeconds"] - self.elapsed)
        if self.planned is not None and self.done:
            # a running training job is half done on average
            left = max(self.planned - self.done - self.running / 2, 0)
            ends.append(left * self.elapsed / self.done)
        return max(min(ends), 0.0) if ends else None


class Follower:
    """Each `look` reads the job and the pages of training jobs that can have changed."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._statuses: dict[str, str] = {}

    def look(self, now: float) -> Snapshot:
        description = self._client.call(
            "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=self._name
        )
        seen = self._read(description["TrainingJobStatusCounters"]["InProgress"])
        changed = [
            item
            for item in reversed(seen)
            if self._statuses.get(item["TrainingJobName"]) != item["TrainingJobStatus"]
        ]
        self._statuses |= {item["TrainingJobName"]: item["TrainingJobStatus"] for item in changed}
        running = [item for item in seen if item["TrainingJobStatus"] in ACTIVE]
        others = [item for item in seen if item["TrainingJobStatus"] not in ACTIVE]
        return Snapshot(
            description=description,
            training_jobs=[*running, *others[:_KEPT]],
            changed=changed,
            now=now,
        )

    def _read(self, running: int) -> list[Summary]:
        """Newest first, down to the oldest that may have changed since the last look."""
        awaited = {name for name, status in self._statuses.items() if status in ACTIVE}
        first_look = not self._statuses
        seen: list[Summary] = []
        all_new_seen = False
        for item in training_jobs(self._client, self._name, "Descending"):
            running -= item["TrainingJobStatus"] in ACTIVE
            # whatever is older than a known one was known, or had ended, at the first look
            all_new_seen |= (
                running <= 0 if first_look else item["TrainingJobName"] in self._statuses
            )
            if all_new_seen and not awaited and len(seen) >= _KEPT:
                break
            awaited.discard(item["TrainingJobName"])
            seen.append(item)
        return seen
