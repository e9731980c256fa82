"""What the store costs: puts, commits, finds and pages with few and with many training jobs.

python tests/benchmarks/store.py [--jobs 10000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tuner.domain.jobs import Counters, Progress, TrainingJob, TuningJob
from tuner.domain.ports import Query
from tuner.domain.statuses import ObjectiveStatus, SecondaryStatus, TrainingJobStatus
from tuner.store.records import SqliteRecords

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from job_records import SCOPE, training_job, tuning_job

FEW = 100
PAGE = 100
PER_TRANSACTION = 50
REPEATS = 200
SORTS = ("Name", "CreationTime", "Status", "FinalObjectiveMetricValue")
LIFE = (
    SecondaryStatus.DOWNLOADING,
    SecondaryStatus.TRAINING,
    SecondaryStatus.UPLOADING,
    SecondaryStatus.COMPLETED,
)


def life_of(job_id: int) -> list[TrainingJob]:
    """A training job as it is put from its launch to its end."""
    job = training_job(
        job_id,
        f"tune-{job_id:05}-0a1b2c3d",
        tuning_job_id=1,
        number=job_id,
        transitions=(),
        metrics=(),
        failure=None,
        objective_value=None,
    )
    versions = [job.moved(SecondaryStatus.STARTING, 1000.0 + job_id, "Starting the training job")]
    for number, status in enumerate(LIFE):
        versions.append(versions[-1].moved(status, 1000.5 + job_id + number, f"It is {status}"))
    ended = replace(
        versions[-1],
        status=TrainingJobStatus.COMPLETED,
        metrics=training_job(0, "").metrics,
        objective_status=ObjectiveStatus.SUCCEEDED,
        objective_value=1.0 / (1 + job_id * 7919 % 1000),
        completion_order=job_id,
    )
    return [*versions[:-1], ended]


def tuning(completed: int) -> TuningJob:
    progress = Progress(counters=Counters(completed=completed))
    return tuning_job(1, "tune", progress=progress)


class Measurement:
    """Rows of the table, with few jobs and with many."""

    def __init__(self, records: SqliteRecords) -> None:
        self.records = records
        self.rows: dict[str, list[float]] = {}

    def add(self, name: str, microseconds: float) -> None:
        self.rows.setdefault(name, []).append(microseconds)

    def fill(self, first: int, last: int) -> None:
        """Lives of training jobs `first` to `last`, many puts to a transaction."""
        puts, seconds = 0, 0.0
        for start in range(first, last + 1, PER_TRANSACTION):
            lives = [life_of(i) for i in range(start, min(start + PER_TRANSACTION, last + 1))]
            for versions in zip(*lives, strict=True):
                before = time.perf_counter()
                with self.records.transaction():
                    for job in versions:
                        self.records.put_training_job(job)
                        self.records.put_tuning_job(tuning(job.id))
                seconds += time.perf_counter() - before
                puts += 2 * len(versions)
        self.add("put, among 100 in a transaction", seconds / puts * 1e6)

    def read(self, jobs: int) -> None:
        last = life_of(jobs)[-1]
        with_one = self._timed(lambda: self._commit(last))
        self.add("transaction with one training job and its tuning job", with_one)
        find = self.records.find_tuning_job
        self.add("find_tuning_job", self._timed(lambda: find(SCOPE, "TUNE")))
        self.add("training_job", self._timed(lambda: self.records.training_job(jobs // 2)))
        for sort_by in SORTS:
            query = Query(scope=SCOPE, sort_by=sort_by, limit=PAGE, tuning_job_id=1)
            pages = list(self._pages(query))
            self.add(f"page of {PAGE} by {sort_by}, median of all", median(pages))
            self.add(f"page of {PAGE} by {sort_by}, last", pages[-1])
        self.add(
            "training_jobs_of, per job",
            self._timed(lambda: list(self.records.training_jobs_of(1)), repeats=3) / jobs,
        )

    def _commit(self, job: TrainingJob) -> None:
        with self.records.transaction():
            self.records.put_training_job(job)
            self.records.put_tuning_job(tuning(job.id))

    def _pages(self, query: Query) -> Iterator[float]:
        while True:
            yield self._timed(lambda query=query: self.records.list_training_jobs(query), 9)
            after = self.records.list_training_jobs(query).next
            if after is None:
                return
            query = replace(query, after=after)

    def _timed(self, act: Callable[[], object], repeats: int = REPEATS) -> float:
        """Median microseconds."""
        taken = []
        for _ in range(repeats):
            before = time.perf_counter()
            act()
            taken.append(time.perf_counter() - before)
        return median(taken) * 1e6


@contextmanager
def records_in(path: Path) -> Iterator[SqliteRecords]:
    records = SqliteRecords(path)
    yield records
    records.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    many = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "records.db"
        with records_in(path) as records:
            measurement = Measurement(records)
            measurement.fill(1, FEW)
            measurement.read(FEW)
            measurement.fill(FEW + 1, many)
            measurement.read(many)
        size = path.stat().st_size / many
    table = Table("microseconds", f"{FEW} jobs", f"{many:,} jobs", "ratio")
    for name, (few, lots) in measurement.rows.items():
        table.add_row(name, f"{few:,.0f}", f"{lots:,.0f}", f"{lots / few:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{size:,.0f} bytes on disk per training job")


if __name__ == "__main__":
    main()
