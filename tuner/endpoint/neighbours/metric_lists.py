"""ListMetrics: first the metrics of training jobs, then those that were put to moto."""

from __future__ import annotations

import re
from typing import Any

from tuner.domain.errors import ValidationException
from tuner.endpoint.neighbours.metric_requests import (
    InvalidNextToken,
    Params,
    dimensions_of_datum,
    epoch,
)
from tuner.endpoint.neighbours.metric_samples import Metrics
from tuner.service.metrics import DIMENSION, NAMESPACE, MetricFilter

METRICS_PER_PAGE = 500
RECENT_SECONDS = 3 * 3600
_OWN, _PUT = "own:", "put:"

Found = list[dict[str, Any]]


def list_metrics(metrics: Metrics, params: Params, now: float) -> dict[str, Any]:
    token = params.get("NextToken") or _OWN
    since = now - RECENT_SECONDS if params.get("RecentlyActive") else None
    found: Found = []
    following: str | None = None
    if token.startswith(_OWN):
        found, following = _own(metrics, params, since, token.removeprefix(_OWN) or None)
        token = f"{_PUT}0"
    if following is None:
        put, following = _put(metrics, params, since, token, METRICS_PER_PAGE - len(found))
        found += put
    return {"Metrics": found} | ({"NextToken": following} if following else {})


def _own(
    metrics: Metrics, params: Params, since: float | None, token: str | None
) -> tuple[Found, str | None]:
    filters = params.get("Dimensions") or []
    jobs = {item["Value"] for item in filters if item.get("Value")}
    if (
        params.get("Namespace", NAMESPACE) != NAMESPACE
        or any(item.get("Name") != DIMENSION for item in filters)
        or len(jobs) > 1
    ):
        return [], None
    wanted = MetricFilter(
        training_job=next(iter(jobs), None), name=params.get("MetricName"), since=since
    )
    try:
        page, following = metrics.source.metrics(metrics.region, wanted, METRICS_PER_PAGE, token)
    except ValidationException:
        raise InvalidNextToken from None
    found = [
        {
            "Namespace": NAMESPACE,
            "MetricName": item.name,
            "Dimensions": [{"Name": DIMENSION, "Value": item.training_job}],
        }
        for item in page
    ]
    return found, _OWN + following if following else None


def _put(
    metrics: Metrics, params: Params, since: float | None, token: str, room: int
) -> tuple[Found, str | None]:
    start = token.removeprefix(_PUT)
    if not re.fullmatch("[0-9]{1,9}", start):
        raise InvalidNextToken
    filters = params.get("Dimensions") or []
    distinct = {
        (item.namespace, item.name, dimensions_of_datum(item)): item
        for item in metrics.put
        if item.filter(params.get("Namespace"), params.get("MetricName"), filters)
        and (since is None or epoch(item.timestamp) >= since)
    }
    end = int(start) + room
    found = [
        {
            "Namespace": item.namespace,
            "MetricName": item.name,
            "Dimensions": [{"Name": one.name, "Value": one.value} for one in item.dimensions],
        }
        for item in list(distinct.values())[int(start) : end]
    ]
    return found, f"{_PUT}{end}" if end < len(distinct) else None
