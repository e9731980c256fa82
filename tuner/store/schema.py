"""The tables of the store's files, as numbered migrations.

A file's version is the number of migrations it has seen. A migration that was released is never
edited; a change of tables is a new one at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

Migration = Sequence[str]

RECORDS: tuple[Migration, ...] = (
    (
        "INSERT INTO meta VALUES ('home_id', lower(hex(randomblob(16)))), ('last_id', 0)",
        # Immutable parts of records, by the hash of their content.
        "CREATE TABLE document (key BLOB PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL)",
        # Columns are what is searched or sorted by; the rest of a record is JSON in `body`.
        """CREATE TABLE tuning_job (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            creation_time REAL NOT NULL,
            last_modified_time REAL NOT NULL,
            status TEXT NOT NULL,
            request BLOB NOT NULL,
            body TEXT NOT NULL)""",
        "CREATE UNIQUE INDEX tuning_job_by_name ON tuning_job (account, region, name_key)",
        """CREATE INDEX tuning_job_by_creation_time
            ON tuning_job (account, region, creation_time)""",
        "CREATE INDEX tuning_job_by_status ON tuning_job (account, region, status)",
        "CREATE INDEX tuning_job_request ON tuning_job (request)",
        """CREATE TABLE training_job (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL,
            creation_time REAL NOT NULL,
            last_modified_time REAL NOT NULL,
            status TEXT NOT NULL,
            tuning_job_id INTEGER,
            objective_value REAL,
            spec BLOB NOT NULL,
            body TEXT NOT NULL)""",
        "CREATE UNIQUE INDEX training_job_by_name ON training_job (account, region, name_key)",
        """CREATE INDEX training_job_by_creation_time
            ON training_job (account, region, creation_time)""",
        "CREATE INDEX training_job_by_status ON training_job (account, region, status)",
        "CREATE INDEX training_job_spec ON training_job (spec)",
        """CREATE INDEX training_job_of_by_name ON training_job (tuning_job_id, name_key)
            WHERE tuning_job_id IS NOT NULL""",
        """CREATE INDEX training_job_of_by_creation_time
            ON training_job (tuning_job_id, creation_time) WHERE tuning_job_id IS NOT NULL""",
        """CREATE INDEX training_job_of_by_status ON training_job (tuning_job_id, status)
            WHERE tuning_job_id IS NOT NULL""",
        """CREATE INDEX training_job_of_by_objective_value
            ON training_job (tuning_job_id, objective_value)
            WHERE tuning_job_id IS NOT NULL AND objective_value IS NOT NULL""",
        """CREATE INDEX training_job_plain_active ON training_job (status)
            WHERE tuning_job_id IS NULL AND status IN ('InProgress', 'Stopping')""",
        # A value that is no number is NULL here, because SQLite has no NaN.
        """CREATE TABLE metric_point (
            job_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            value REAL,
            time REAL NOT NULL,
            host TEXT NOT NULL,
            PRIMARY KEY (job_id, attempt, position)) WITHOUT ROWID""",
        """CREATE TABLE log_offset (
            job_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            PRIMARY KEY (job_id, attempt)) WITHOUT ROWID""",
        # The order of insertion is the order of rowid.
        """CREATE TABLE tag (
            arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (arn, key))""",
    ),
)

OBJECTS: tuple[Migration, ...] = (
    (
        "CREATE TABLE bucket (name TEXT PRIMARY KEY, creation_time REAL NOT NULL) WITHOUT ROWID",
        # Keys are UTF-8 bytes, so that their order is S3's.
        """CREATE TABLE object (
            bucket TEXT NOT NULL,
            key BLOB NOT NULL,
            blob TEXT NOT NULL,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            last_modified REAL NOT NULL,
            PRIMARY KEY (bucket, key)) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE bucket ADD COLUMN location TEXT",
        "ALTER TABLE object ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE object ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'",
        """CREATE TABLE upload (
            id TEXT PRIMARY KEY,
            bucket TEXT NOT NULL,
            key BLOB NOT NULL,
            attributes TEXT NOT NULL,
            tags TEXT NOT NULL,
            initiated REAL NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX upload_by_key ON upload (bucket, key, initiated)",
        """CREATE TABLE part (
            upload TEXT NOT NULL,
            number INTEGER NOT NULL,
            blob TEXT NOT NULL,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            checksums TEXT NOT NULL,
            last_modified REAL NOT NULL,
            PRIMARY KEY (upload, number)) WITHOUT ROWID""",
    ),
)


class NewerSchema(Exception):
    """The file was written by a later version of this software."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Bring the file to the last of `migrations`, all or nothing.

    Makes the `meta` table (name, value) where it is missing. Raises NewerSchema.
    """
    if _version(connection) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(migrations):
            file = connection.execute("PRAGMA database_list").fetchone()[2]
            raise NewerSchema(
                f"{file} has schema version {version}, and this version of amtlocal knows only "
                f"{len(migrations)}: update amtlocal, or use another home directory"
            )
        if version == 0:
            connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value)")
            connection.execute("INSERT INTO meta VALUES ('schema', 0)")
        for migration in migrations[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (len(migrations),))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
        return 0
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    return int(row[0])
