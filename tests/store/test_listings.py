"""Pages of job records put together are the whole list, filtered and in order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from job_records import ELSEWHERE, SCOPE, training_job, tuning_job

from tuner.domain.jobs import TrainingJob, TuningJob
from tuner.domain.ports import Page, Query
from tuner.domain.statuses import TrainingJobStatus, TuningJobStatus
from tuner.store.records import SqliteRecords

TIMES = st.sampled_from([1.0, 2.0, 2.5, 3.0])
PARENTS = st.sampled_from([None, 500, 501])

TRAINING_JOBS = st.lists(
    st.builds(
        lambda status, created, modified, value, parent, scope: dict(  # noqa: C408
            status=status,
            creation_time=created,
            last_modified_time=modified,
            objective_value=value,
            tuning_job_id=parent,
            scope=scope,
        ),
        st.sampled_from([TrainingJobStatus.COMPLETED, TrainingJobStatus.IN_PROGRESS]),
        TIMES,
        TIMES,
        st.none() | st.sampled_from([-1.5, 0.0, 2.0, float("inf")]),
        PARENTS,
        st.sampled_from([SCOPE, SCOPE, ELSEWHERE]),
    ),
    max_size=25,
)
TUNING_JOBS = st.lists(
    st.builds(
        lambda status, created, modified, scope: dict(  # noqa: C408
            status=status, creation_time=created, last_modified_time=modified, scope=scope
        ),
        st.sampled_from(TuningJobStatus),
        TIMES,
        TIMES,
        st.sampled_from([SCOPE, SCOPE, ELSEWHERE]),
    ),
    max_size=15,
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "name_contains": st.sampled_from(["JOB", "1", "b-1", "none"]),
        "status": st.sampled_from(["Completed", "InProgress"]),
        "creation_time_after": TIMES,
        "creation_time_before": TIMES,
        "last_modified_time_after": TIMES,
        "last_modified_time_before": TIMES,
    },
)
KEYS: dict[str, Callable[[Any], Any]] = {
    "Name": lambda job: job.name.lower(),
    "CreationTime": lambda job: job.creation_time,
    "Status": lambda job: job.status,
    "FinalObjectiveMetricValue": lambda job: job.objective_value,
}


def chosen(job: Any, query: Query) -> bool:
    return all(
        (
            job.scope == query.scope,
            query.tuning_job_id is None or job.tuning_job_id == query.tuning_job_id,
            query.sort_by != "FinalObjectiveMetricValue" or job.objective_value is not None,
            query.name_contains is None or query.name_contains.lower() in job.name.lower(),
            query.status is None or job.status == query.status,
            query.creation_time_after is None or job.creation_time > query.creation_time_after,
            query.creation_time_before is None or job.creation_time < query.creation_time_before,
            query.last_modified_time_after is None
            or job.last_modified_time > query.last_modified_time_after,
            query.last_modified_time_before is None
            or job.last_modified_time < query.last_modified_time_before,
        )
    )


def in_order(jobs: list[Any], query: Query) -> list[Any]:
    key = KEYS[query.sort_by]
    found = [job for job in jobs if chosen(job, query)]
    return sorted(found, key=lambda job: (key(job), job.id), reverse=query.descending)


def all_pages(read: Callable[[Query], Page[Any]], query: Query) -> list[Any]:
    found: list[Any] = []
    for _ in range(100):
        page = read(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == query.limit
        query = replace(query, after=page.next)
    raise AssertionError("the pages have no end")


@contextmanager
def holding(jobs: list[Any]) -> Iterator[SqliteRecords]:
    with tempfile.TemporaryDirectory() as directory:
        records = SqliteRecords(Path(directory) / "records.db")
        with records.transaction():
            for job in jobs:
                if isinstance(job, TuningJob):
                    records.put_tuning_job(job)
                else:
                    records.put_training_job(job)
        yield records
        records.close()


@given(
    drawn=TRAINING_JOBS,
    filters=FILTERS,
    sort_by=st.sampled_from(list(KEYS)),
    parent=PARENTS,
    descending=st.booleans(),
    limit=st.integers(1, 7),
)
@settings(max_examples=60, deadline=None)
def test_pages_of_training_jobs_are_the_sorted_list(
    drawn: list[dict[str, Any]],
    filters: dict[str, Any],
    sort_by: str,
    parent: int | None,
    descending: bool,
    limit: int,
) -> None:
    if sort_by == "FinalObjectiveMetricValue" and parent is None:
        parent = 500
    # Names run against ids, and differ in case.
    jobs: list[TrainingJob] = [
        training_job(number + 1, f"{'Job' if number % 2 else 'job'}-{90 - number}", **changes)
        for number, changes in enumerate(drawn)
    ]
    query = Query(
        scope=SCOPE,
        sort_by=sort_by,
        descending=descending,
        limit=limit,
        tuning_job_id=parent,
        **filters,
    )
    with holding(jobs) as records:
        assert all_pages(records.list_training_jobs, query) == in_order(jobs, query)


@given(
    drawn=TUNING_JOBS,
    filters=FILTERS,
    sort_by=st.sampled_from(["Name", "CreationTime", "Status"]),
    descending=st.booleans(),
    limit=st.integers(1, 7),
)
@settings(max_examples=40, deadline=None)
def test_pages_of_tuning_jobs_are_the_sorted_list(
    drawn: list[dict[str, Any]],
    filters: dict[str, Any],
    sort_by: str,
    descending: bool,
    limit: int,
) -> None:
    jobs = [
        tuning_job(number + 1, f"{'Job' if number % 2 else 'job'}-{90 - number}", **changes)
        for number, changes in enumerate(drawn)
    ]
    query = Query(scope=SCOPE, sort_by=sort_by, descending=descending, limit=limit, **filters)
    with holding(jobs) as records:
        assert all_pages(records.list_tuning_jobs, query) == in_order(jobs, query)


def test_a_page_deep_in_a_long_list_reads_no_more_rows_than_the_first(tmp_path: Path) -> None:
    jobs = [training_job(number, f"job-{number:04}", tuning_job_id=1) for number in range(1, 2001)]
    with holding(jobs) as records:
        for sort_by in KEYS:
            query = Query(scope=SCOPE, sort_by=sort_by, limit=10, tuning_job_id=1)
            first = _steps(records, query)
            value = KEYS[sort_by](jobs[1799])
            deep = _steps(records, replace(query, after=(value, 1800)))
            assert deep < 3 * first, sort_by


def _steps(records: SqliteRecords, query: Query) -> int:
    """How many virtual machine instructions (in tens) SQLite takes for a page."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    with records._readers.reading() as connection:
        connection.set_progress_handler(step, 10)
    records.list_training_jobs(query)
    with records._readers.reading() as connection:
        connection.set_progress_handler(None, 0)
    return count
