"""Pages of job records: where each begins is found in an index, however many come before."""

from __future__ import annotations

from typing import Any

from tuner.domain.ports import Query
from tuner.store.rows import TRAINING_JOB_COLUMNS, TUNING_JOB_COLUMNS, Row, name_key

_SORT_COLUMNS = {
    "Name": "name_key",
    "CreationTime": "creation_time",
    "Status": "status",
    "FinalObjectiveMetricValue": "objective_value",
}

Statement = tuple[str, list[Any]]


def tuning_jobs(query: Query) -> Statement:
    """The rows (TUNING_JOB_COLUMNS, then the sort value) of a page, and one more if there is."""
    if query.tuning_job_id is not None:
        raise ValueError("tuning jobs are not listed by tuning job")
    return _statement(query, "tuning_job", TUNING_JOB_COLUMNS)


def training_jobs(query: Query) -> Statement:
    """The rows (TRAINING_JOB_COLUMNS, then the sort value), as `tuning_jobs` does."""
    return _statement(query, "training_job", TRAINING_JOB_COLUMNS)


def cursor(row: Row) -> tuple[str | float, int]:
    """What `Query.after` is for the page that begins after this row."""
    return row[-1], row[0]


def _statement(query: Query, table: str, columns: str) -> Statement:
    sort = _sort_column(query)
    place, values = _place(query)
    filters, filter_values = _filters(query)
    index = f"{table}_of_by_{sort}" if query.tuning_job_id is not None else f"{table}_by_{sort}"
    # "Name" is the sort that the index of unique names serves.
    index = index.replace("name_key", "name")
    source = f"SELECT {columns}, {sort} AS sort FROM {table} INDEXED BY {index} WHERE {place}"
    order, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    branches: list[Statement]
    if query.after is None:
        branches = [(source, [])]
    else:
        # SQLite does not seek by (sort, id) > (?, ?) where id is the rowid; it seeks and merges
        # these two.
        value, job_id = query.after
        branches = [
            (f"{source} AND {sort} = ? AND id {beyond} ?", [value, job_id]),
            (f"{source} AND {sort} {beyond} ?", [value]),
        ]
    statement = " UNION ALL ".join(branch + filters for branch, _ in branches)
    parameters = [item for _, after in branches for item in (*values, *after, *filter_values)]
    return f"{statement} ORDER BY sort {order}, id {order} LIMIT ?", [*parameters, query.limit + 1]


def _sort_column(query: Query) -> str:
    try:
        column = _SORT_COLUMNS[query.sort_by]
    except KeyError:
        raise ValueError(f"cannot sort by {query.sort_by!r}") from None
    if column == "objective_value" and query.tuning_job_id is None:
        raise ValueError("only training jobs of one tuning job are sorted by objective value")
    return column


def _place(query: Query) -> Statement:
    """What the indexes begin with."""
    if query.tuning_job_id is None:
        return "account = ? AND region = ?", [query.scope.account, query.scope.region]
    place = "tuning_job_id = ? AND account = ? AND region = ?"
    if query.sort_by == "FinalObjectiveMetricValue":
        place += " AND objective_value IS NOT NULL"
    return place, [query.tuning_job_id, query.scope.account, query.scope.region]


def _filters(query: Query) -> Statement:
    """What is looked at row by row."""
    wanted = {
        "instr(name_key, ?)": name_key(query.name_contains) if query.name_contains else None,
        "status = ?": query.status,
        "creation_time > ?": query.creation_time_after,
        "creation_time < ?": query.creation_time_before,
        "last_modified_time > ?": query.last_modified_time_after,
        "last_modified_time < ?": query.last_modified_time_before,
    }
    given = {term: value for term, value in wanted.items() if value is not None}
    return "".join(f" AND {term}" for term in given), list(given.values())
