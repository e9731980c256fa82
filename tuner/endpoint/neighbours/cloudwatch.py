"""CloudWatch's reads of metrics, on the points of the store and on what was put to moto.

moto parses and serialises; the answers are computed here, because moto's begin their periods at
the first point, loop over every empty one, keep a page of metrics for each token they give, and
know neither limits nor paging of data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.request import Request
from moto.core.responses import ActionResult

from tuner.endpoint.neighbours.metric_data import get_metric_data
from tuner.endpoint.neighbours.metric_lists import list_metrics
from tuner.endpoint.neighbours.metric_requests import (
    Params,
    SerializationException,
    dimensions_of_request,
    moment,
    period,
    required,
    time_range,
)
from tuner.endpoint.neighbours.metric_samples import Metrics
from tuner.endpoint.neighbours.statistics import (
    BASIC,
    Sample,
    first_period,
    in_periods,
    is_statistic,
    statistic,
)
from tuner.service.metrics import MetricSource

MOST_DATAPOINTS = 1_440


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
        except (ValueError, TypeError, AttributeError, OverflowError, RuntimeError) as error:
            text = f"A parameter of the request is not of its type: {error}"
            raise SerializationException(text) from None

    def get_metric_statistics(self) -> ActionResult:
        return ActionResult(get_metric_statistics(self._metrics, self.params))

    def get_metric_data(self) -> ActionResult:
        return ActionResult(get_metric_data(self._metrics, self.params))

    def list_metrics(self) -> ActionResult:
        return ActionResult(list_metrics(self._metrics, self.params, time.time()))

    @property
    def _metrics(self) -> Metrics:
        return Metrics(self.source, self.region, tuple(self.cloudwatch_backend.metric_data))


def get_metric_statistics(metrics: Metrics, params: Params) -> dict[str, Any]:
    namespace, name = required(params, "Namespace"), required(params, "MetricName")
    start, end = time_range(params, InvalidParameterValue)
    seconds = period(params)
    basic = params.get("Statistics") or []
    extended = params.get("ExtendedStatistics") or []
    _check_statistics(basic, extended)
    asked = math.ceil((end - first_period(start, seconds)) / seconds)
    if asked > MOST_DATAPOINTS:
        raise InvalidParameterCombination(
            f"You have requested up to {asked} datapoints, which exceeds the limit of "
            f"{MOST_DATAPOINTS}. You may reduce the datapoints requested by increasing Period, "
            "or decreasing the time range."
        )
    samples = metrics.samples(namespace, name, dimensions_of_request(params), params.get("Unit"))
    return {
        "Label": name,
        "Datapoints": [
            _datapoint(beginning, same, basic, extended)
            for beginning, same in in_periods(samples, start, end, seconds)
        ],
    }


def _check_statistics(basic: Sequence[str], extended: Sequence[str]) -> None:
    if not basic and not extended:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    faulty = [("Statistics", item) for item in basic if item not in BASIC]
    faulty += [
        ("ExtendedStatistics", item)
        for item in extended
        if item in BASIC or not is_statistic(item)
    ]
    for member, item in faulty:
        raise InvalidParameterValue(f"The value {item} for parameter {member} is not supported.")


def _datapoint(
    beginning: int, samples: Sequence[Sample], basic: Sequence[str], extended: Sequence[str]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": moment(beginning), "Unit": samples[-1].unit}
    point |= {name: statistic(name, samples) for name in basic}
    percentiles = {name: statistic(name, samples) for name in extended}
    told = {name: value for name, value in percentiles.items() if value is not None}
    return point | ({"ExtendedStatistics": told} if told else {})
