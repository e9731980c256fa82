"""CloudWatch's three reads of metrics, on the points of the store and on what was put to moto.

moto parses and serialises; the answers are computed here, because moto's begin their periods at
the first point, loop over every empty one, keep a page of metrics for each token they give, and
know neither limits nor paging of data.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.cloudwatch.exceptions import (
    CloudWatchException,
    InvalidParameterCombination,
    InvalidParameterValue,
    ValidationError,
)
from moto.cloudwatch.models import MetricAggregatedDatum, MetricDatum, MetricDatumBase
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.request import Request
from moto.core.responses import ActionResult

from tuner.domain.errors import ValidationException
from tuner.endpoint.neighbours.statistics import (
    BASIC,
    Sample,
    first_period,
    in_periods,
    is_period,
    is_statistic,
    statistic,
)
from tuner.service.metrics import DIMENSION, NAMESPACE, MetricFilter, MetricSource

MOST_DATAPOINTS = 1_440
MOST_QUERIES = 500
DATAPOINTS_PER_PAGE = 100_800
METRICS_PER_PAGE = 500
RECENT_SECONDS = 3 * 3600
UNIT = "None"
_DATA_TOKEN = re.compile(r"(?P<query>\d{1,3})\.(?P<skip>\d{1,9})")
_OWN, _PUT = "own:", "put:"

Params = Mapping[str, Any]
Dimensions = frozenset[tuple[str, str]]
Series = list[tuple[datetime, float]]


class MissingParameter(CloudWatchException):
    code = "MissingParameter"


class InvalidNextToken(CloudWatchException):
    code = "InvalidNextToken"
    message = "The NextToken is not valid for this request."


class SerializationException(CloudWatchException):
    code = "SerializationException"


def responses_from(metrics: MetricSource) -> type[CloudWatchResponse]:
    """moto's CloudWatch with its reads of metrics on `metrics`, too."""

    class Bound(MetricsResponse):
        source = metrics

    return Bound


class MetricsResponse(CloudWatchResponse):
    source: ClassVar[MetricSource]

    def parse_parameters(self, request: Request) -> None:
        try:
            super().parse_parameters(request)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            text = f"A parameter of the request is not of its type: {error}"
            raise SerializationException(text) from None

    # ---- GetMetricStatistics ---------------------------------------------------------------

    def get_metric_statistics(self) -> ActionResult:
        params: Params = self.params
        namespace, name = _required(params, "Namespace"), _required(params, "MetricName")
        start, end = _range(params, InvalidParameterValue)
        period = _period(_required(params, "Period"), "Period")
        basic = params.get("Statistics") or []
        extended = params.get("ExtendedStatistics") or []
        if not basic and not extended:
            raise InvalidParameterCombination(
                "Must specify either Statistics or ExtendedStatistics"
            )
        for wanted, member, known in (
            *((item, "Statistics", item in BASIC) for item in basic),
            *(
                (item, "ExtendedStatistics", item not in BASIC and is_statistic(item))
                for item in extended
            ),
        ):
            if not known:
                raise InvalidParameterValue(
                    f"The value {wanted} for parameter {member} is not supported."
                )
        asked = math.ceil((end - first_period(start, period)) / period)
        if asked > MOST_DATAPOINTS:
            raise InvalidParameterCombination(
                f"You have requested up to {asked} datapoints, which exceeds the limit of "
                f"{MOST_DATAPOINTS}. You may reduce the datapoints requested by increasing "
                "Period, or decreasing the time range."
            )
        samples = self._samples(namespace, name, _dimensions(params), params.get("Unit"))
        return ActionResult(
            {
                "Label": name,
                "Datapoints": [
                    _datapoint(beginning, same, basic, extended)
                    for beginning, same in in_periods(samples, start, end, period)
                ],
            }
        )

    # ---- GetMetricData -----------------------------------------------------------------------

    def get_metric_data(self) -> ActionResult:
        params: Params = self.params
        queries = _required(params, "MetricDataQueries")
        if len(queries) > MOST_QUERIES:
            raise ValidationError(f"At most {MOST_QUERIES} MetricDataQueries can be given.")
        start, end = _range(params, ValidationError)
        room = params.get("MaxDatapoints") or DATAPOINTS_PER_PAGE
        if not 0 < room <= DATAPOINTS_PER_PAGE:
            raise ValidationError(f"MaxDatapoints must be from 1 to {DATAPOINTS_PER_PAGE}.")
        series = self._all_series(queries, start, end)
        if params.get("ScanBy") != "TimestampAscending":
            series = {number: points[::-1] for number, points in series.items()}
        first, skip = _data_place(params.get("NextToken"))
        results: list[dict[str, Any]] = []
        labels = _labels(queries)
        for number, points in series.items():
            if number < first:
                continue
            begin = skip if number == first else 0
            if not room and points[begin:]:
                token = f"{number}.{begin}"
                return ActionResult({"MetricDataResults": results, "NextToken": token})
            page = points[begin : begin + room]
            room -= len(page)
            rest = begin + len(page) < len(points)
            results.append(
                {
                    "Id": queries[number]["Id"],
                    "Label": labels[number],
                    "Timestamps": [moment for moment, _ in page],
                    "Values": [value for _, value in page],
                    "StatusCode": "PartialData" if rest else "Complete",
                }
            )
            if rest:
                token = f"{number}.{begin + len(page)}"
                return ActionResult({"MetricDataResults": results, "NextToken": token})
        return ActionResult({"MetricDataResults": results})

    def _all_series(
        self, queries: Sequence[Params], start: float, end: float
    ) -> dict[int, Series]:
        """By number of the query; those that only serve others are left out."""
        computed: dict[str, Series] = {}
        for number, query in enumerate(queries):
            place = f"MetricDataQueries.member.{number + 1}"
            if not query.get("Id"):
                raise ValidationError(f"The parameter {place}.Id is required.")
            if query["Id"] in computed:
                raise ValidationError(f"The Id {query['Id']} is given to two queries.")
            if ("MetricStat" in query) == ("Expression" in query):
                raise ValidationError(f"The parameter {place}.MetricStat is required.\n")
            computed[query["Id"]] = (
                self._series(query["MetricStat"], f"{place}.MetricStat", start, end)
                if "MetricStat" in query
                else []
            )
        for number, query in enumerate(queries):
            if "Expression" in query:
                if query["Expression"] not in computed:
                    raise ValidationError(
                        "Metric math and Metrics Insights are not served here: the Expression of "
                        f"MetricDataQueries.member.{number + 1} can only be the Id of a metric."
                    )
                computed[query["Id"]] = computed[query["Expression"]]
        return {
            number: computed[query["Id"]]
            for number, query in enumerate(queries)
            if query.get("ReturnData", True)
        }

    def _series(self, stat: Params, place: str, start: float, end: float) -> Series:
        metric = _required(stat, "Metric", place)
        period = _period(_required(stat, "Period", place), f"{place}.Period")
        name = _required(stat, "Stat", place)
        if not is_statistic(name):
            raise ValidationError(f"The value {name} for parameter {place}.Stat is not supported.")
        samples = self._samples(
            _required(metric, "Namespace", f"{place}.Metric"),
            _required(metric, "MetricName", f"{place}.Metric"),
            _dimensions(metric),
            stat.get("Unit"),
        )
        values = (
            (_moment(beginning), statistic(name, same))
            for beginning, same in in_periods(samples, start, end, period)
        )
        return [(moment, value) for moment, value in values if value is not None]

    # ---- ListMetrics ---------------------------------------------------------------------------

    def list_metrics(self) -> ActionResult:
        params: Params = self.params
        token = params.get("NextToken") or _OWN
        since = time.time() - RECENT_SECONDS if params.get("RecentlyActive") else None
        found: list[dict[str, Any]] = []
        following: str | None = None
        if token.startswith(_OWN):
            found, following = self._own_metrics(params, since, token.removeprefix(_OWN) or None)
            token = _PUT + "0"
        if following is None:
            following = self._add_put_metrics(params, since, token, found)
        return ActionResult({"Metrics": found} | ({"NextToken": following} if following else {}))

    def _own_metrics(
        self, params: Params, since: float | None, token: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
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
            page, following = self.source.metrics(self.region, wanted, METRICS_PER_PAGE, token)
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

    def _add_put_metrics(
        self, params: Params, since: float | None, token: str, found: list[dict[str, Any]]
    ) -> str | None:
        """Fill the page with what was put to moto; the next page's token if there is more."""
        start = token.removeprefix(_PUT)
        if not re.fullmatch("[0-9]{1,9}", start):
            raise InvalidNextToken
        distinct = {
            (item.namespace, item.name, _dimensions_of(item)): item
            for item in list(self.cloudwatch_backend.metric_data)
            if item.filter(
                params.get("Namespace"), params.get("MetricName"), params.get("Dimensions") or []
            )
            and (since is None or _epoch(item.timestamp) >= since)
        }
        end = int(start) + METRICS_PER_PAGE - len(found)
        found += [
            {
                "Namespace": item.namespace,
                "MetricName": item.name,
                "Dimensions": [{"Name": one.name, "Value": one.value} for one in item.dimensions],
            }
            for item in list(distinct.values())[int(start) : end]
        ]
        return f"{_PUT}{end}" if end < len(distinct) else None

    # ---- samples -------------------------------------------------------------------------------

    def _samples(
        self, namespace: str, name: str, dimensions: Dimensions, unit: str | None
    ) -> Iterator[Sample]:
        """Of the metric with exactly these dimensions."""
        for datum in list(self.cloudwatch_backend.metric_data):
            if (
                datum.namespace == namespace
                and datum.name == name
                and _dimensions_of(datum) == dimensions
                and unit in (None, datum.unit or UNIT)
            ):
                yield _sample(datum)
        jobs = [value for key, value in dimensions if key == DIMENSION]
        if namespace == NAMESPACE and len(dimensions) == len(jobs) == 1 and unit in (None, UNIT):
            for point in self.source.points(self.region, jobs[0], name):
                yield Sample.of_value(point.time, point.value, UNIT)


def _sample(datum: MetricDatumBase) -> Sample:
    moment, unit = _epoch(datum.timestamp), datum.unit or UNIT
    if isinstance(datum, MetricAggregatedDatum):
        return Sample(moment, datum.sample_count, datum.sum, datum.min, datum.max, unit)
    assert isinstance(datum, MetricDatum)
    return Sample.of_value(moment, datum.value, unit)


def _datapoint(
    beginning: int, samples: Sequence[Sample], basic: Sequence[str], extended: Sequence[str]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": _moment(beginning), "Unit": samples[-1].unit}
    point |= {name: statistic(name, samples) for name in basic}
    percentiles = {name: statistic(name, samples) for name in extended}
    told = {name: value for name, value in percentiles.items() if value is not None}
    return point | ({"ExtendedStatistics": told} if told else {})


# ---- parameters ------------------------------------------------------------------------------


def _required(params: Params, member: str, place: str = "") -> Any:
    value = params.get(member)
    if value is None or value == "":
        raise MissingParameter(f"The parameter {place}{'.' if place else ''}{member} is required.")
    return value


def _range(params: Params, refused: type[CloudWatchException]) -> tuple[float, float]:
    start, end = (_epoch(_required(params, member)) for member in ("StartTime", "EndTime"))
    if start >= end:
        raise refused("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _period(seconds: int, place: str) -> int:
    if not is_period(seconds):
        raise InvalidParameterValue(
            f"The parameter {place} must be 1, 5, 10, 20, 30 or a multiple of 60."
        )
    return seconds


def _dimensions(params: Params) -> Dimensions:
    given = params.get("Dimensions") or []
    return frozenset((str(item.get("Name")), str(item.get("Value"))) for item in given)


def _dimensions_of(datum: MetricDatumBase) -> Dimensions:
    return frozenset((str(item.name), str(item.value)) for item in datum.dimensions)


def _labels(queries: Sequence[Params]) -> list[str]:
    """The label that was given, else the metric's name, with the statistic where several of the
    request have the same name."""
    names = [
        query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
        for query in queries
    ]
    return [
        query.get("Label")
        or (f"{name} {query['MetricStat']['Stat']}" if names.count(name) > 1 else name)
        for name, query in zip(names, queries, strict=True)
    ]


def _data_place(token: str | None) -> tuple[int, int]:
    """The query to go on with, and how many of its points were given."""
    if token is None:
        return 0, 0
    place = _DATA_TOKEN.fullmatch(token)
    if place is None:
        raise InvalidNextToken
    return int(place["query"]), int(place["skip"])


def _epoch(moment: datetime) -> float:
    """moto's datetimes are naive and in UTC."""
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
