"""NextToken: a cursor bound to the query it belongs to."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.domain.errors import ValidationException
from tuner.domain.jobs import Scope
from tuner.domain.ports import Page, Query, Record

_FILTERS = {
    "name_contains": "NameContains",
    "status": "StatusEquals",
    "creation_time_after": "CreationTimeAfter",
    "creation_time_before": "CreationTimeBefore",
    "last_modified_time_after": "LastModifiedTimeAfter",
    "last_modified_time_before": "LastModifiedTimeBefore",
}
DEFAULT_PAGE = 10
LARGEST_ID = 2**63 - 1


def query_of(
    params: Mapping[str, Any], scope: Scope, default_sort: str, tuning_job_id: int | None = None
) -> Query:
    """The query of a List request; raises ValidationException for a token of another query."""
    filters: dict[str, Any] = {
        field: params[member] for field, member in _FILTERS.items() if member in params
    }
    query = Query(
        scope=scope,
        sort_by=params.get("SortBy", default_sort),
        descending=params.get("SortOrder") == "Descending",
        limit=params.get("MaxResults", DEFAULT_PAGE),
        tuning_job_id=tuning_job_id,
        **filters,
    )
    token = params.get("NextToken")
    if not token:
        return query
    return at(query, token)


def next_token(query: Query, page: Page[Record]) -> dict[str, str]:
    """The answer's NextToken member; empty after the last page."""
    if page.next is None:
        return {}
    body = json.dumps([_fingerprint(query), *page.next]).encode()
    return {"NextToken": base64.urlsafe_b64encode(body).decode()}


def _fingerprint(query: Query) -> str:
    """Everything of the query but where it goes on and how much it wants."""
    parts = [
        query.scope.account,
        query.scope.region,
        query.sort_by,
        query.descending,
        query.tuning_job_id,
        *(getattr(query, field) for field in _FILTERS),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def at(query: Query, token: str) -> Query:
    """The query from a token on; raises ValidationException for one that is not its own."""
    try:
        fingerprint, value, job_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        if fingerprint != _fingerprint(query) or not _is_cursor(query, value, job_id):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        text = "The NextToken is not valid for this request: it belongs to another query."
        raise ValidationException(text) from None
    return replace(query, after=(value, job_id))


def _is_cursor(query: Query, value: object, job_id: object) -> bool:
    """Whether the values are of the kinds that the store can look for."""
    if type(job_id) is not int or not 0 <= job_id <= LARGEST_ID:
        return False
    if query.sort_by not in ("Name", "Status"):
        return type(value) is float and not math.isnan(value)
    return isinstance(value, str) and value.isascii()
