"""NextToken: a cursor bound to the query it belongs to."""

from __future__ import annotations

import base64
import hashlib
import json
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
    return _at(query, token)


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


def _at(query: Query, token: str) -> Query:
    try:
        fingerprint, value, job_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        if fingerprint != _fingerprint(query):
            raise ValueError
    except (ValueError, TypeError):
        text = "The NextToken is not valid for this request: it belongs to another query."
        raise ValidationException(text) from None
    return replace(query, after=(value, job_id))
