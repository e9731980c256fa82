"""Tuning jobs from Python: submit one, wait for it, read what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.client import Client
from tuner.domain.errors import AwsError
from tuner.job.logs import log_lines
from tuner.job.spec import NAME, Spec, request_of
from tuner.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

ENDED = ("Completed", "Failed", "Stopped", "DeleteFailed")
_PAGE = 100


class TuningJobFailed(Exception):
    """A tuning job ended as Failed; the text is its FailureReason."""


@dataclass(frozen=True, slots=True)
class BestTrainingJob:
    """The training job with the best objective so far. `hyperparameters` are the tuned ones, as
    strings; `model_uri` is where model.tar.gz is in the object store, `model_path` a file on
    this machine with the same content; both None when there is no model. Of a model that is not
    compressed, `model_uri` is the prefix of its files, and there is no `model_path`."""

    training_job_name: str
    metric_name: str
    value: float
    hyperparameters: Mapping[str, str]
    model_uri: str | None = None
    model_path: Path | None = None


class Job:
    """A tuning job of the home's service; every property asks the service anew."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    def __repr__(self) -> str:
        return f"Job({self.name!r})"

    @property
    def status(self) -> str:
        """HyperParameterTuningJobStatus."""
        return str(self.describe()["HyperParameterTuningJobStatus"])

    @property
    def best(self) -> BestTrainingJob | None:
        """None as long as no training job has an objective."""
        return best_of(self._client, self.describe())

    def describe(self) -> dict[str, Any]:
        """What DescribeHyperParameterTuningJob answers; times in epoch seconds."""
        return self._client.call(
            "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=self.name
        )

    def training_jobs(self) -> list[dict[str, Any]]:
        """Summaries of all training jobs, oldest first."""
        return list(training_jobs(self._client, self.name, "Ascending"))

    def wait(self, timeout: float | None = None, poll: float = 0.5) -> str:
        """Wait until the job has ended and return its status; asks every `poll` seconds.

        Raises TuningJobFailed for a job that Failed and TimeoutError after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (description := self.describe())["HyperParameterTuningJobStatus"] not in ENDED:
            if deadline is not None and time.monotonic() + poll > deadline:
                raise TimeoutError(f"{self.name} has not ended within {timeout} s; it goes on.")
            time.sleep(poll)
        status = str(description["HyperParameterTuningJobStatus"])
        if status == "Failed":
            raise TuningJobFailed(description.get("FailureReason", "no reason was given"))
        return status

    def stop(self) -> None:
        """Ask the job to stop; returns before it has."""
        self._client.call("StopHyperParameterTuningJob", HyperParameterTuningJobName=self.name)

    def logs(self, training_job_name: str) -> Iterator[str]:
        """What a training job printed so far, line by line, hosts one after the other."""
        for line in log_lines(self._client, training_job_name):
            yield line.text

    def dataframe(self) -> pd.DataFrame:
        """One row for each training job, in the columns of SageMaker's
        HyperparameterTuningJobAnalytics; numeric hyperparameters are floats, times UTC.

        Raises ImportError, with the remedy, without pandas.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("Data frames need pandas: pip install 'amtlocal[pandas]'") from None
        frame = pd.DataFrame([_row(item) for item in self.training_jobs()])
        for column in ("TrainingStartTime", "TrainingEndTime"):
            if column in frame:
                frame[column] = pd.to_datetime(frame[column], unit="s", utc=True)
        return frame


def submit(spec: str | Path | Mapping[str, Any], name: str | None = None) -> Job:
    """Create a tuning job from a CreateHyperParameterTuningJob request, a dict or a JSON file.

    `name` replaces the spec's. Raises FaultySpec with all faults, ResourceInUse for a taken name.
    """
    client = Client(Settings.from_environment())
    request = request_of(Spec.of(spec), name, client)
    client.call("CreateHyperParameterTuningJob", **request)
    return Job(str(request[NAME]), client)


def load(name: str) -> Job:
    """A tuning job that exists; raises ResourceNotFound otherwise."""
    job = Job(name, Client(Settings.from_environment()))
    job.describe()
    return job


def training_jobs(
    client: Client, name: str, order: str, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Summaries of a tuning job's training jobs by creation, page by page as they are read."""
    request: dict[str, Any] = {
        "HyperParameterTuningJobName": name,
        "SortBy": "CreationTime",
        "SortOrder": order,
        "MaxResults": _PAGE,
    }
    if status is not None:
        request["StatusEquals"] = status
    while True:
        page = client.call("ListTrainingJobsForHyperParameterTuningJob", **request)
        yield from page["TrainingJobSummaries"]
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


def best_of(client: Client, description: Mapping[str, Any]) -> BestTrainingJob | None:
    """The best training job of a described tuning job, with its model."""
    best = description.get("BestTrainingJob")
    if not best:
        return None
    objective = best["FinalHyperParameterTuningJobObjectiveMetric"]
    uri, path = model_of(client, best["TrainingJobName"])
    return BestTrainingJob(
        training_job_name=best["TrainingJobName"],
        metric_name=objective["MetricName"],
        value=objective["Value"],
        hyperparameters=best["TunedHyperParameters"],
        model_uri=uri,
        model_path=path,
    )


def model_of(client: Client, training_job_name: str) -> tuple[str | None, Path | None]:
    """Where a training job's model is: its URI and, where it is one, a file on this machine."""
    try:
        described = client.call("DescribeTrainingJob", TrainingJobName=training_job_name)
        uri = described.get("ModelArtifacts", {}).get("S3ModelArtifacts")
        if not uri:
            return None, None
        if uri.endswith("/"):
            return uri, None
        return uri, Path(client.call("Tuner.GetObject", S3Uri=uri)["Path"])
    except AwsError:
        # The training job or its model was deleted since.
        return None, None


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    start, end = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    objective = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    row: dict[str, Any] = {
        name: _number(text) for name, text in summary["TunedHyperParameters"].items()
    }
    row |= {
        "TrainingJobName": summary["TrainingJobName"],
        "TrainingJobStatus": summary["TrainingJobStatus"],
        "FinalObjectiveValue": objective.get("Value"),
        "TrainingStartTime": start,
        "TrainingEndTime": end,
        "TrainingElapsedTimeSeconds": end - start if start and end else None,
    }
    return row


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
