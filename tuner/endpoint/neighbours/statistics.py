"""CloudWatch's arithmetic: samples into periods, and what is said of each.

Source: GetMetricStatistics and GetMetricData in the CloudWatch API reference. Other than on
AWS, points keep their resolution for ever, so any period can be asked at any age.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

BASIC = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(?P<percent>\d{1,2}(?:\.\d{1,10})?|100)")
_FINE_PERIODS = (1, 5, 10, 20, 30)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that was measured `count` times, or a set of which only these are known."""

    time: float
    count: float
    total: float
    minimum: float
    maximum: float
    unit: str

    @classmethod
    def of_value(cls, time: float, value: float, unit: str) -> Sample:
        return cls(time, 1.0, value, value, value, unit)


def is_period(seconds: int) -> bool:
    return seconds in _FINE_PERIODS or (seconds > 0 and seconds % 60 == 0)


def is_statistic(name: str) -> bool:
    return name in BASIC or _PERCENTILE.fullmatch(name) is not None


def first_period(start: float, period: int) -> int:
    """Where the first period begins: the start, rounded down to the whole minute, or to the
    period where that is shorter."""
    unit = min(period, 60)
    return math.floor(start / unit) * unit


def in_periods(
    samples: Iterable[Sample], start: float, end: float, period: int
) -> list[tuple[int, list[Sample]]]:
    """The beginnings of the periods that have samples, in order; `end` is exclusive."""
    first = first_period(start, period)
    chosen = sorted(
        (item for item in samples if first <= item.time < end), key=lambda item: item.time
    )

    def beginning(sample: Sample) -> int:
        return first + int((sample.time - first) // period) * period

    return [(time, list(same)) for time, same in groupby(chosen, beginning)]


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """None where it cannot be told: percentiles of sets, or of negative values."""
    match name:
        case "SampleCount":
            return sum(item.count for item in samples)
        case "Sum":
            return math.fsum(item.total for item in samples)
        case "Average":
            count = sum(item.count for item in samples)
            return math.fsum(item.total for item in samples) / count if count else None
        case "Minimum":
            return min(item.minimum for item in samples)
        case "Maximum":
            return max(item.maximum for item in samples)
    return _percentile(float(name[1:]), samples)


def _percentile(percent: float, samples: Sequence[Sample]) -> float | None:
    """Between the two nearest values in proportion."""
    if any(item.minimum != item.maximum or item.minimum < 0 for item in samples):
        return None
    ordered = sorted(samples, key=lambda item: item.minimum)
    places = list(accumulate(item.count for item in ordered))
    if not places or places[-1] <= 0:
        return None
    rank = percent / 100 * (places[-1] - 1)
    low, high = (
        ordered[min(bisect_right(places, whole), len(ordered) - 1)].minimum
        for whole in (math.floor(rank), math.ceil(rank))
    )
    return low + (high - low) * (rank - math.floor(rank))
