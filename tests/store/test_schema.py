"""Files of every version that was released open, files of a later one are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from job_records import SCOPE, training_job, tuning_job

from tuner.domain.jobs import AttemptKey, MetricPoint
from tuner.store import schema
from tuner.store.objects import FileObjects
from tuner.store.records import SqliteRecords

VERSION_1 = Path(__file__).parent / "version_1.sql"

ONE = ("CREATE TABLE one (value)", "INSERT INTO one VALUES (1)")
TWO = ("ALTER TABLE one ADD COLUMN other", "UPDATE one SET other = value + 1")
BROKEN = ("INSERT INTO one VALUES (3, 3)", "INSERT INTO nowhere VALUES (1)")


@pytest.fixture
def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def test_a_new_file_gets_all_migrations_and_an_old_one_those_it_lacks(
    connection: sqlite3.Connection,
) -> None:
    schema.migrate(connection, (ONE,))
    assert connection.execute("SELECT * FROM one").fetchall() == [(1,)]
    for _ in range(2):
        schema.migrate(connection, (ONE, TWO))
        assert connection.execute("SELECT * FROM one").fetchall() == [(1, 2)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    schema.migrate(connection, (ONE,))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, (ONE, TWO, BROKEN))
    schema.migrate(connection, (ONE, TWO))
    assert connection.execute("SELECT * FROM one").fetchall() == [(1, 2)]


@pytest.mark.parametrize(
    ("file", "store"), [("records.db", SqliteRecords), ("objects.db", FileObjects)]
)
def test_a_file_of_a_later_version_is_refused(
    tmp_path: Path, file: str, store: type[SqliteRecords] | type[FileObjects]
) -> None:
    place = tmp_path / file if store is SqliteRecords else tmp_path
    store(place).close()
    with sqlite3.connect(tmp_path / file) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    connection.close()
    with pytest.raises(
        schema.NewerSchema, match=rf"{file} has schema version 99.*update amtlocal"
    ):
        store(place)


def test_a_file_of_version_1_opens_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1.read_text())
    connection.close()
    records = SqliteRecords(path)
    key = AttemptKey(2, 1)
    assert records.home_id() == "0123456789abcdef0123456789abcdef"
    assert records.find_tuning_job(SCOPE, "tune") == tuning_job(1, "Tune")
    assert records.find_training_job(SCOPE, "train") == training_job(2, "Train", tuning_job_id=1)
    assert list(records.points(key)) == [
        MetricPoint(name="loss", value=0.1, time=1002.0, host="algo-1")
    ]
    assert records.log_offset(key) == 100
    assert records.tags(tuning_job(1, "Tune").arn) == {"k": "v"}
    assert records.new_id() == 3
    records.close()
