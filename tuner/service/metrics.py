"""The metrics of training jobs as CloudWatch has them.

One metric per training job and metric definition, in the namespace
`/aws/sagemaker/TrainingJobs` with the single dimension `TrainingJobName`, without a unit
(docs.aws.amazon.com/sagemaker/latest/dg/training-metrics.html). A training job that is tried
again has the points of its last attempt, as it has the log of that one; one that was interrupted
has those of all that went on from each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tuner.domain.errors import ValidationException
from tuner.domain.jobs import MetricPoint, Scope, TrainingJob
from tuner.domain.ports import Listings, Page, Query, Records
from tuner.service.paging import at, next_token

NAMESPACE = "/aws/sagemaker/TrainingJobs"
DIMENSION = "TrainingJobName"
JOBS_PER_READ = 100


class JobRecords(Records, Listings, Protocol):
    """Where training jobs and their points are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`last_time` is that of its last point, in epoch seconds."""

    name: str
    training_job: str
    last_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFilter:
    """Which metrics; None: any. `since`: those with a point from then on."""

    training_job: str | None = None
    name: str | None = None
    since: float | None = None

    def includes(self, metric: Metric) -> bool:
        return (self.name is None or self.name == metric.name) and (
            self.since is None or self.since <= metric.last_time
        )


class MetricSource:
    """Reads what was asked for, and only that. Thread-safe."""

    def __init__(self, records: JobRecords, account: str) -> None:
        self._records = records
        self._account = account

    def points(self, region: str, training_job: str, name: str) -> Sequence[MetricPoint]:
        """In the order they were printed; none for a training job or metric that is not known."""
        job = self._job(region, training_job)
        if job is None:
            return ()
        points = (point for key in job.runs for point in self._records.points(key))
        return [point for point in points if point.name == name]

    def metrics(
        self, region: str, wanted: MetricFilter, limit: int, token: str | None = None
    ) -> tuple[Sequence[Metric], str | None]:
        """A page by names of training jobs, and the token of the next one. Raises
        ValidationException for a token that is not one of these."""
        if wanted.training_job is not None:
            job = self._job(region, wanted.training_job)
            return [item for item in _metrics(job) if wanted.includes(item)] if job else [], None
        scope = Scope(account=self._account, region=region)
        query, skip = _place(Query(scope=scope, sort_by="Name", limit=JOBS_PER_READ), token)
        found: list[Metric] = []
        while True:
            page = self._records.list_training_jobs(query)
            here = [item for job in page.items for item in _metrics(job) if wanted.includes(item)]
            end = skip + limit - len(found)
            found += here[skip:end]
            if end < len(here):
                return found, _token(query, end)
            if page.next is None:
                return found, None
            query, skip = replace(query, after=page.next), 0
            if len(found) == limit:
                return found, _token(query, 0)

    def _job(self, region: str, name: str) -> TrainingJob | None:
        """By its exact name: dimensions have no other case than their own."""
        scope = Scope(account=self._account, region=region)
        job = self._records.find_training_job(scope, name)
        return job if job is not None and job.name == name else None


def _metrics(job: TrainingJob) -> Iterator[Metric]:
    last: dict[str, float] = {}
    for point in job.metrics:
        last[point.name] = max(point.time, last.get(point.name, point.time))
    for name, time in sorted(last.items()):
        yield Metric(name=name, training_job=job.name, last_time=time)


def _token(query: Query, skip: int) -> str:
    """The page of jobs to go on with, and how many of its metrics were given already."""
    return f"{next_token(query, Page((), query.after)).get('NextToken', '')}.{skip}"


def _place(query: Query, token: str | None) -> tuple[Query, int]:
    if token is None:
        return query, 0
    cursor, _, skip = token.rpartition(".")
    if not re.fullmatch("[0-9]{1,9}", skip):
        raise ValidationException("The NextToken is not valid for this request.")
    return at(query, cursor) if cursor else query, int(skip)
