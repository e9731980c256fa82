"""CloudWatch's arithmetic."""

from __future__ import annotations

import pytest

from tuner.endpoint.neighbours.statistics import (
    Sample,
    first_period,
    in_periods,
    is_period,
    is_statistic,
    statistic,
)


def values(*given: float) -> list[Sample]:
    return [Sample.of_value(float(index), value, "None") for index, value in enumerate(given)]


@pytest.mark.parametrize(("name", "expected"), [
    ("p0", 1.0), ("p25", 2.0), ("p50", 3.0), ("p90", 4.6), ("p99.9", 4.996), ("p100", 5.0),
])  # fmt: skip
def test_percentiles_lie_between_the_nearest_values(name: str, expected: float) -> None:
    assert statistic(name, values(5, 3, 1, 4, 2)) == pytest.approx(expected)


def test_percentiles_count_a_value_as_often_as_it_was_measured() -> None:
    often = Sample(0.0, 98.0, 98.0, 1.0, 1.0, "None")
    assert statistic("p50", [often, *values(7, 9)]) == 1.0
    assert statistic("p100", [often, *values(7, 9)]) == 9.0


def test_percentiles_of_sets_and_of_negative_values_cannot_be_told() -> None:
    assert statistic("p50", [Sample(0.0, 2.0, 4.0, 1.0, 3.0, "None")]) is None
    assert statistic("p50", values(-1, 2)) is None
    assert statistic("Average", values(-1, 2)) == 0.5


def test_an_average_of_nothing_measured_cannot_be_told() -> None:
    assert statistic("Average", [Sample(0.0, 0.0, 0.0, 0.0, 0.0, "None")]) is None


@pytest.mark.parametrize(("start", "period", "first"), [
    (125.0, 60, 120), (125.0, 300, 120), (125.9, 1, 125), (125.0, 10, 120), (149.0, 30, 120),
])  # fmt: skip
def test_periods_begin_at_the_start_rounded_down(start: float, period: int, first: int) -> None:
    assert first_period(start, period) == first


def test_periods_count_from_the_start_and_empty_ones_are_left_out() -> None:
    samples = [Sample.of_value(time, time, "None") for time in (119.9, 700.0, 120.0, 419.9, 420.0)]
    found = in_periods(samples, 121.0, 700.0, 300)
    assert [(time, [item.time for item in same]) for time, same in found] == [
        (120, [120.0, 419.9]), (420, [420.0])
    ]  # fmt: skip


def test_only_periods_and_statistics_of_cloudwatch_are_known() -> None:
    assert [seconds for seconds in range(-60, 181) if is_period(seconds)] == [
        1, 5, 10, 20, 30, 60, 120, 180
    ]  # fmt: skip
    assert is_statistic("p99.9")
    assert not any(map(is_statistic, ("", "p", "p101", "P50", "tm90", "average", "p99.", "p5\n")))
