"""The job records in one SQLite file."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tuner.domain.definitions import Tag, TrainingSpec, TuningJobRequest
from tuner.domain.jobs import AttemptKey, MetricPoint, Scope, TrainingJob, TuningJob
from tuner.domain.ports import Page, Query
from tuner.store import listings, schema
from tuner.store.connections import Readers, open_writer
from tuner.store.documents import Documents
from tuner.store.rows import (
    TRAINING_JOB_COLUMNS,
    TUNING_JOB_COLUMNS,
    Document,
    Row,
    decode_training_job,
    decode_tuning_job,
    document_key,
    name_key,
    training_job_row,
    tuning_job_row,
)

_TUNING_JOBS = f"SELECT {TUNING_JOB_COLUMNS} FROM tuning_job WHERE"
_TRAINING_JOBS = f"SELECT {TRAINING_JOB_COLUMNS} FROM training_job WHERE"
_NAMED = "account = ? AND region = ? AND name_key = ?"
_ACTIVE = "status IN ('InProgress', 'Stopping')"

Found = tuple[Row, Document]


class NameTaken(ValueError):
    """Another record of this kind has the name, in the same account and region."""


class SqliteRecords:
    """Implements `Records` and `Listings` of `tuner.domain.ports`.

    Reads see committed records only, from whichever thread; `tags` and `log_offset` also see
    what the transaction they are called in has written. A put that raises NameTaken leaves the
    records as they were, and the transaction may go on. Opening raises `schema.NewerSchema`.
    """

    def __init__(self, path: Path) -> None:
        self._writer = open_writer(path)
        try:
            schema.migrate(self._writer, schema.RECORDS)
        except BaseException:
            self._writer.close()
            raise
        self._readers = Readers(path)
        self._documents = Documents()
        self._writing_thread: int | None = None
        with self._readers.reading() as connection:
            meta = dict(connection.execute("SELECT name, value FROM meta"))
        self._home_id: str = meta["home_id"]
        # Ids go up even when the transaction they were given in fails.
        self._last_id: int = meta["last_id"]
        self._committed_id = self._last_id
        self._id_lock = threading.Lock()

    def close(self) -> None:
        self._readers.close()
        self._writer.close()

    def home_id(self) -> str:
        """A random name for this file, given when it was made."""
        return self._home_id

    # ---- writing -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._writing_thread is not None:
            raise RuntimeError("a transaction is already open")
        self._writer.execute("BEGIN IMMEDIATE")
        self._writing_thread = threading.get_ident()
        try:
            yield
            last_id = self._last_id
            if last_id != self._committed_id:
                statement = "UPDATE meta SET value = ? WHERE name = 'last_id'"
                self._writer.execute(statement, (last_id,))
            self._writer.execute("COMMIT")
            self._committed_id = last_id
        finally:
            self._writing_thread = None
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def new_id(self) -> int:
        with self._id_lock:
            self._last_id += 1
            return self._last_id

    def put_tuning_job(self, job: TuningJob) -> None:
        row = tuning_job_row(job, self._documents.store(self._own(), job.request))
        self._put(_PUT_TUNING_JOB, row, job)

    def put_training_job(self, job: TrainingJob) -> None:
        row = training_job_row(job, self._documents.store(self._own(), job.spec))
        self._put(_PUT_TRAINING_JOB, row, job)

    def delete_tuning_job(self, job_id: int) -> None:
        """Also its tags; its training jobs stay."""
        self._delete("tuning_job", job_id)

    def delete_training_job(self, job_id: int) -> None:
        """Also its tags and metric points."""
        if self._delete("training_job", job_id):
            for table in ("metric_point", "log_offset"):
                self._own().execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))

    def put_points(self, key: AttemptKey, points: Iterable[MetricPoint], offset: int) -> None:
        writer, attempt = self._own(), (key.job_id, key.attempt)
        query = "SELECT max(position) FROM metric_point WHERE job_id = ? AND attempt = ?"
        last = writer.execute(query, attempt).fetchone()[0] or 0
        writer.executemany(
            "INSERT INTO metric_point VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (*attempt, position, point.name, point.value, point.time, point.host)
                for position, point in enumerate(points, last + 1)
            ),
        )
        writer.execute("INSERT OR REPLACE INTO log_offset VALUES (?, ?, ?)", (*attempt, offset))

    def put_tags(self, arn: str, tags: Iterable[Tag]) -> None:
        self._own().executemany(
            "INSERT INTO tag VALUES (?, ?, ?)"
            " ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
            ((arn, tag.key, tag.value) for tag in tags),
        )

    def delete_tags(self, arn: str, keys: Iterable[str]) -> None:
        query = "DELETE FROM tag WHERE arn = ? AND key = ?"
        self._own().executemany(query, ((arn, key) for key in keys))

    def _own(self) -> sqlite3.Connection:
        """The writer, for the thread whose transaction it is in."""
        if self._writing_thread != threading.get_ident():
            raise RuntimeError("records are written inside a transaction, by its own thread")
        return self._writer

    def _put(self, statement: str, row: Row, job: TuningJob | TrainingJob) -> None:
        try:
            self._writer.execute(statement, row)
        except sqlite3.IntegrityError as error:
            if "name_key" not in str(error):
                raise
            kind = "tuning job" if isinstance(job, TuningJob) else "training job"
            text = f"there is another {kind} named {job.name} in account {job.scope.account}"
            raise NameTaken(f"{text}, region {job.scope.region}") from None

    def _delete(self, table: str, job_id: int) -> bool:
        writer = self._own()
        document = "request" if table == "tuning_job" else "spec"
        row = writer.execute(
            f"DELETE FROM {table} WHERE id = ? RETURNING account, region, name, {document}",
            (job_id,),
        ).fetchone()
        if row is None:
            return False
        account, region, name, key = row
        scope = Scope(account=account, region=region)
        arn = scope.tuning_job_arn if table == "tuning_job" else scope.training_job_arn
        writer.execute("DELETE FROM tag WHERE arn = ?", (arn(name),))
        writer.execute(
            "DELETE FROM document WHERE key = :key"
            " AND NOT EXISTS (SELECT 1 FROM tuning_job WHERE request = :key)"
            " AND NOT EXISTS (SELECT 1 FROM training_job WHERE spec = :key)",
            {"key": key},
        )
        return True

    # ---- reading -----------------------------------------------------------------------------

    def log_offset(self, key: AttemptKey) -> int:
        query = "SELECT offset FROM log_offset WHERE job_id = ? AND attempt = ?"
        rows = self._newest(query, (key.job_id, key.attempt))
        return int(rows[0][0]) if rows else 0

    def tags(self, arn: str) -> Mapping[str, str]:
        return dict(
            self._newest("SELECT key, value FROM tag WHERE arn = ? ORDER BY rowid", (arn,))
        )

    def active_tuning_jobs(self) -> Iterator[TuningJob]:
        return _tuning_jobs(self._found(f"{_TUNING_JOBS} {_ACTIVE} ORDER BY id"))

    def training_jobs_of(self, tuning_job_id: int) -> Iterator[TrainingJob]:
        statement = f"{_TRAINING_JOBS} tuning_job_id = ? ORDER BY id"
        return _training_jobs(self._found(statement, tuning_job_id))

    def active_plain_training_jobs(self) -> Iterator[TrainingJob]:
        statement = f"{_TRAINING_JOBS} tuning_job_id IS NULL AND {_ACTIVE} ORDER BY id"
        return _training_jobs(self._found(statement))

    def find_tuning_job(self, scope: Scope, name: str) -> TuningJob | None:
        name_of = (scope.account, scope.region, name_key(name))
        return next(_tuning_jobs(self._found(f"{_TUNING_JOBS} {_NAMED}", *name_of)), None)

    def find_training_job(self, scope: Scope, name: str) -> TrainingJob | None:
        name_of = (scope.account, scope.region, name_key(name))
        return next(_training_jobs(self._found(f"{_TRAINING_JOBS} {_NAMED}", *name_of)), None)

    def training_job(self, job_id: int) -> TrainingJob | None:
        return next(_training_jobs(self._found(f"{_TRAINING_JOBS} id = ?", job_id)), None)

    def list_tuning_jobs(self, query: Query) -> Page[TuningJob]:
        statement, parameters = listings.tuning_jobs(query)
        found = self._found(statement, *parameters)
        return Page(tuple(_tuning_jobs(found[: query.limit])), _cursor(query, found))

    def list_training_jobs(self, query: Query) -> Page[TrainingJob]:
        statement, parameters = listings.training_jobs(query)
        found = self._found(statement, *parameters)
        return Page(tuple(_training_jobs(found[: query.limit])), _cursor(query, found))

    def points(self, key: AttemptKey) -> Sequence[MetricPoint]:
        query = (
            "SELECT name, value, time, host FROM metric_point"
            " WHERE job_id = ? AND attempt = ? ORDER BY position"
        )
        with self._readers.reading() as connection:
            rows = connection.execute(query, (key.job_id, key.attempt)).fetchall()
        return [
            MetricPoint(
                name=name, value=math.nan if value is None else value, time=time, host=host
            )
            for name, value, time, host in rows
        ]

    def _newest(self, query: str, parameters: Row) -> list[Row]:
        if self._writing_thread == threading.get_ident():
            return self._writer.execute(query, parameters).fetchall()
        with self._readers.reading() as connection:
            return connection.execute(query, parameters).fetchall()

    def _found(self, statement: str, *parameters: Any) -> list[Found]:
        """Rows with their documents, all of one committed state."""
        with self._readers.reading() as connection:
            rows = connection.execute(statement, parameters).fetchall()
            keys = {document_key(row) for row in rows}
            documents = {key: self._documents.load(connection, key) for key in keys}
        return [(row, documents[document_key(row)]) for row in rows]


def _tuning_jobs(found: Iterable[Found]) -> Iterator[TuningJob]:
    return (decode_tuning_job(row, cast(TuningJobRequest, document)) for row, document in found)


def _training_jobs(found: Iterable[Found]) -> Iterator[TrainingJob]:
    return (decode_training_job(row, cast(TrainingSpec, document)) for row, document in found)


def _cursor(query: Query, found: Sequence[Found]) -> tuple[str | float, int] | None:
    """Where the next page begins; None if there is none."""
    return listings.cursor(found[query.limit - 1][0]) if len(found) > query.limit else None


def _put_statement(table: str, columns: str) -> str:
    """Insert, or change the row of the same id and leave the others alone."""
    names = columns.split(", ")
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    places = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({places})"
        f" ON CONFLICT (id) DO UPDATE SET {changes}"
    )


_PUT_TUNING_JOB = _put_statement("tuning_job", TUNING_JOB_COLUMNS)
_PUT_TRAINING_JOB = _put_statement("training_job", TRAINING_JOB_COLUMNS)
