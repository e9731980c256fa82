"""GetMetricData: several metrics at once, in pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from moto.cloudwatch.exceptions import ValidationError

from tuner.endpoint.neighbours.metric_requests import (
    InvalidNextToken,
    Params,
    dimensions_of_request,
    moment,
    period,
    required,
    time_range,
)
from tuner.endpoint.neighbours.metric_samples import Metrics
from tuner.endpoint.neighbours.statistics import in_periods, is_statistic, statistic

MOST_QUERIES = 500
DATAPOINTS_PER_PAGE = 100_800
_TOKEN = re.compile(r"(?P<query>\d{1,3})\.(?P<skip>\d{1,9})")

Series = Sequence[tuple[datetime, float]]


def get_metric_data(metrics: Metrics, params: Params) -> dict[str, Any]:
    queries: Sequence[Params] = required(params, "MetricDataQueries")
    if len(queries) > MOST_QUERIES:
        raise ValidationError(f"At most {MOST_QUERIES} MetricDataQueries can be given.")
    start, end = time_range(params, ValidationError)
    room = params.get("MaxDatapoints", DATAPOINTS_PER_PAGE)
    if not 0 < room <= DATAPOINTS_PER_PAGE:
        raise ValidationError(f"MaxDatapoints must be from 1 to {DATAPOINTS_PER_PAGE}.")
    place = _place(params.get("NextToken"))
    ascending = params.get("ScanBy") == "TimestampAscending"
    returned = _returned(metrics, queries, start, end)
    labels = _labels(queries)
    results = []
    for number, whole in returned.items():
        if number < place[0]:
            continue
        series = whole if ascending else whole[::-1]
        first = place[1] if number == place[0] else 0
        page = series[first : first + room]
        room -= len(page)
        after = first + len(page)
        if page or not series[first:]:
            results.append(
                {
                    "Id": queries[number]["Id"],
                    "Label": labels[number],
                    "Timestamps": [time for time, _ in page],
                    "Values": [value for _, value in page],
                    "StatusCode": "PartialData" if after < len(series) else "Complete",
                }
            )
        if after < len(series):
            return {"MetricDataResults": results, "NextToken": f"{number}.{after}"}
    return {"MetricDataResults": results}


def _returned(
    metrics: Metrics, queries: Sequence[Params], start: float, end: float
) -> Mapping[int, Series]:
    """By number of the query; those that only serve others are left out."""
    series: dict[str, Series] = {}
    for number, query in enumerate(queries, 1):
        place = f"MetricDataQueries.member.{number}."
        if required(query, "Id", place) in series:
            raise ValidationError(f"The Id {query['Id']} is given to two queries.")
        series[query["Id"]] = ()
        if "Expression" not in query:
            stat = required(query, "MetricStat", place)
            series[query["Id"]] = _series(metrics, stat, f"{place}MetricStat.", start, end)
    for number, query in enumerate(queries, 1):
        if "Expression" in query:
            if query["Expression"] not in series:
                raise ValidationError(
                    "Metric math and Metrics Insights are not served here: the Expression of "
                    f"MetricDataQueries.member.{number} can only be the Id of a metric."
                )
            series[query["Id"]] = series[query["Expression"]]
    return {
        number: series[query["Id"]]
        for number, query in enumerate(queries)
        if query.get("ReturnData", True)
    }


def _series(metrics: Metrics, stat: Params, place: str, start: float, end: float) -> Series:
    metric = required(stat, "Metric", place)
    seconds = period(stat, place)
    name = required(stat, "Stat", place)
    if not is_statistic(name):
        raise ValidationError(f"The value {name} for parameter {place}Stat is not supported.")
    samples = metrics.samples(
        required(metric, "Namespace", f"{place}Metric."),
        required(metric, "MetricName", f"{place}Metric."),
        dimensions_of_request(metric),
        stat.get("Unit"),
    )
    values = (
        (moment(beginning), statistic(name, same))
        for beginning, same in in_periods(samples, start, end, seconds)
    )
    return [(time, value) for time, value in values if value is not None]


def _labels(queries: Sequence[Params]) -> list[str]:
    """What was given, else the metric's name, with the statistic where several of the request
    have the same name."""
    names = [
        query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
        for query in queries
    ]
    return [
        query.get("Label")
        or (f"{name} {query['MetricStat']['Stat']}" if names.count(name) > 1 else name)
        for name, query in zip(names, queries, strict=True)
    ]


def _place(token: str | None) -> tuple[int, int]:
    """The query to go on with, and how many of its datapoints were given."""
    if token is None:
        return 0, 0
    place = _TOKEN.fullmatch(token)
    if place is None:
        raise InvalidNextToken
    return int(place["query"]), int(place["skip"])
