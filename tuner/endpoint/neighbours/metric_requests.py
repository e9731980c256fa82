"""What the reads of metrics have in common: their parameters, and what is said of faulty ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import CloudWatchException, InvalidParameterValue
from moto.cloudwatch.models import MetricDatumBase

from tuner.endpoint.neighbours.statistics import is_period

Params = Mapping[str, Any]
Dimensions = frozenset[tuple[str, str]]


class MissingParameter(CloudWatchException):
    code = "MissingParameter"


class InvalidNextToken(CloudWatchException):
    code = "InvalidNextToken"
    message = "The NextToken is not valid for this request."


class SerializationException(CloudWatchException):
    code = "SerializationException"


def required(params: Params, member: str, place: str = "") -> Any:
    """`place` is where `params` stand in the request, with a dot at its end."""
    value = params.get(member)
    if value is None or value in ("", []):
        raise MissingParameter(f"The parameter {place}{member} is required.")
    return value


def time_range(params: Params, refused: type[CloudWatchException]) -> tuple[float, float]:
    """From (inclusive) and to (exclusive) in epoch seconds."""
    start, end = (epoch(required(params, member)) for member in ("StartTime", "EndTime"))
    if start >= end:
        raise refused("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def period(params: Params, place: str = "") -> int:
    """In seconds."""
    seconds: int = required(params, "Period", place)
    if not is_period(seconds):
        raise InvalidParameterValue(
            f"The parameter {place}Period must be 1, 5, 10, 20, 30 or a multiple of 60."
        )
    return seconds


def dimensions_of_request(params: Params) -> Dimensions:
    given = params.get("Dimensions") or []
    return frozenset((str(item.get("Name")), str(item.get("Value"))) for item in given)


def dimensions_of_datum(datum: MetricDatumBase) -> Dimensions:
    return frozenset((str(item.name), str(item.value)) for item in datum.dimensions)


def epoch(moment: datetime) -> float:
    """moto's datetimes are naive and in UTC."""
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
