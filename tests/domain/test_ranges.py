"""Ranges: the unit axis and back, and the strings on the wire."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tuner.domain.definitions import (
    CategoricalParameterRange,
    ContinuousParameterRange,
    IntegerParameterRange,
    ParameterRanges,
    ScalingType,
)
from tuner.domain.ranges import (
    Categorical,
    Continuous,
    Integer,
    SearchSpace,
    parse_continuous,
    parse_integer,
    resolve_scaling,
)

LINEAR, LOGARITHMIC = ScalingType.LINEAR, ScalingType.LOGARITHMIC
REVERSE, AUTO = ScalingType.REVERSE_LOGARITHMIC, ScalingType.AUTO

units = st.floats(0.0, 1.0)
doubles = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)
below_one = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
digits_256 = 10**255


@st.composite
def continuous(draw: st.DrawFn) -> Continuous:
    scaling = draw(st.sampled_from(ScalingType))
    ends = {LOGARITHMIC: positive, REVERSE: below_one}.get(scaling, doubles)
    low, high = sorted((draw(ends), draw(ends)))
    assume(low < high)
    return Continuous("x", low, high, scaling)


@st.composite
def integers(draw: st.DrawFn, largest: int = digits_256) -> Integer:
    scaling = draw(st.sampled_from([AUTO, LINEAR, LOGARITHMIC]))
    low = draw(st.integers(1 if scaling is LOGARITHMIC else -largest, largest - 1))
    return Integer("n", low, draw(st.integers(low + 1, largest)), scaling)


@given(continuous(), units)
def test_a_decoded_double_lies_inside_and_is_written_in_the_shortest_way(
    item: Continuous, u: float
) -> None:
    text = item.decode(u)
    assert item.low <= float(text) <= item.high
    assert text == repr(float(text))


@given(continuous())
def test_both_bounds_of_a_continuous_range_are_reached(item: Continuous) -> None:
    assert float(item.decode(0.0)) == item.low
    assert float(item.decode(1.0)) == item.high


@given(continuous(), units)
def test_encoding_a_value_of_the_range_stays_on_the_unit_axis(item: Continuous, u: float) -> None:
    assert 0.0 <= item.encode(item.decode(u)) <= 1.0


@given(
    st.sampled_from([(LINEAR, -3.0, 5.0), (LOGARITHMIC, 1e-9, 2.0), (REVERSE, 0.5, 0.9999)]),
    units,
)
def test_encode_undoes_decode(scale: tuple[ScalingType, float, float], u: float) -> None:
    scaling, low, high = scale
    item = Continuous("x", low, high, scaling)
    assert item.encode(item.decode(u)) == pytest.approx(u, abs=1e-9)


@given(continuous(), st.lists(units, min_size=2, max_size=2).map(sorted))
def test_decoding_keeps_the_order(item: Continuous, pair: list[float]) -> None:
    low, high = (float(item.decode(u)) for u in pair)
    assert low <= high or math.isclose(low, high, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "scaling"),
    [
        (-1.7976931348623157e308, 1.7976931348623157e308, LINEAR),
        (5e-324, 1e-323, LINEAR),
        (5e-324, 1.7976931348623157e308, LOGARITHMIC),
        (1e300, math.nextafter(1e300, math.inf), LOGARITHMIC),
        (0.0, math.nextafter(1.0, 0.0), REVERSE),
        (1.0, 1.0, LINEAR),
    ],
)
def test_extreme_ranges_neither_overflow_nor_divide_by_zero(
    low: float, high: float, scaling: ScalingType
) -> None:
    item = Continuous("x", low, high, scaling)
    for u in np.linspace(0.0, 1.0, 11):
        text = item.decode(float(u))
        assert low <= float(text) <= high
        assert 0.0 <= item.encode(text) <= 1.0


@given(integers(), units)
def test_a_decoded_integer_lies_inside_and_has_no_point(item: Integer, u: float) -> None:
    text = item.decode(u)
    assert text.removeprefix("-").isdecimal()
    assert item.low <= int(text) <= item.high
    assert 0.0 <= item.encode(text) <= 1.0


@given(integers())
def test_both_bounds_of_an_integer_range_are_reached(item: Integer) -> None:
    assert int(item.decode(0.0)) == item.low
    assert int(item.decode(1.0)) == item.high


@given(integers(largest=10**6), st.data())
def test_every_integer_comes_back_from_its_place(item: Integer, data: st.DataObject) -> None:
    value = str(data.draw(st.integers(item.low, item.high)))
    assert item.decode(item.encode(value)) == value


@given(st.integers(-(10**6), 10**6), st.integers(1, 40))
def test_integers_share_a_linear_axis_equally(low: int, width: int) -> None:
    item = Integer("n", low, low + width - 1, LINEAR)
    middles = [item.decode((k + 0.5) / width) for k in range(width)]
    assert middles == [str(low + k) for k in range(width)]


def test_huge_integers_keep_their_place() -> None:
    low = 2**60
    item = Integer("n", low, low + 5, LINEAR)
    assert [item.decode((k + 0.5) / 6) for k in range(6)] == [str(low + k) for k in range(6)]
    assert item.encode(str(low + 5)) == pytest.approx(5.5 / 6)


@given(st.lists(st.text(), min_size=1, max_size=30, unique=True), st.data())
def test_categoricals_come_back_verbatim(values: list[str], data: st.DataObject) -> None:
    item = Categorical("c", tuple(values))
    value = data.draw(st.sampled_from(values))
    assert item.decode(item.encode(value)) == value
    assert item.decode(data.draw(units)) in values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.3494417573713629e-08, "1.3494417573713629e-08"),
        (5.081388147234708e-06, "5.081388147234708e-06"),
        (5.0, "5.0"),
        (1e16, "1e+16"),
        (-0.1, "-0.1"),
    ],
)
def test_doubles_are_written_as_aws_writes_them(value: float, text: str) -> None:
    assert Continuous("x", value, math.nextafter(value, math.inf), LINEAR).decode(0.0) == text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-3, 1.0, LOGARITHMIC),
        (1.1e-3, 1.0, LINEAR),
        (0.0, 1e9, LINEAR),
        (-1.0, 1e9, LINEAR),
        (1, 1000, LOGARITHMIC),
        (1, 999, LINEAR),
        (5e-324, 1e308, LOGARITHMIC),
        (1, 10**255, LOGARITHMIC),
    ],
)
def test_auto_is_logarithmic_from_three_decades_up(
    low: float, high: float, expected: ScalingType
) -> None:
    assert resolve_scaling(AUTO, low, high) is expected
    assert resolve_scaling(None, low, high) is expected
    assert resolve_scaling(LINEAR, low, high) is LINEAR


@given(continuous(), doubles)
def test_a_parents_value_outside_the_range_has_a_place_too(item: Continuous, value: float) -> None:
    place = item.encode(repr(value))
    assert not math.isnan(place)
    if value < item.low:
        assert place <= 0.5
    if value > item.high:
        assert place >= 0.5


def test_a_parents_value_lies_beyond_the_end_it_is_beyond() -> None:
    assert Continuous("x", 1.0, 10.0, LOGARITHMIC).encode("100.0") == pytest.approx(2.0)
    assert Continuous("x", 1.0, 10.0, LOGARITHMIC).encode("-1.0") < 0.0
    assert Continuous("x", 0.0, 0.9, REVERSE).encode("2.0") > 1.0
    assert Integer("n", 1, 10, LINEAR).encode("11") > 1.0
    assert Integer("n", 1, 10, LOGARITHMIC).encode("0") == pytest.approx(0.228, abs=0.01)
    assert Integer("n", 1, 10, LINEAR).encode("3.0") == Integer("n", 1, 10, LINEAR).encode("3")
    assert math.isnan(Categorical("c", ("a", "b")).encode("z"))


@pytest.mark.parametrize("text", ["", "x", "1.5", "1_000", " 1", "1 ", "٣", "0x10", "nan"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_integer(text)


@pytest.mark.parametrize(
    "text", ["", "x", "1_0.5", " 1.0", "٣", "nan", "inf", "-Infinity", "1e999"]
)
def test_what_is_no_finite_double_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_continuous(text)


def test_a_space_has_the_order_of_the_request_and_speaks_in_strings() -> None:
    space = SearchSpace.of(
        ParameterRanges(
            categorical_parameter_ranges=(CategoricalParameterRange(name="c", values=("a", "b")),),
            continuous_parameter_ranges=(
                ContinuousParameterRange(name="x", min_value="1e-4", max_value="1"),
            ),
            integer_parameter_ranges=(
                IntegerParameterRange(name="n", min_value="1", max_value="4"),
            ),
        )
    )
    assert [item.name for item in space.ranges] == ["n", "x", "c"]
    assert space.cardinality is None
    values = space.decode([0.0, 0.5, 1.0])
    assert (values["n"], values["c"]) == ("1", "b")
    assert float(values["x"]) == pytest.approx(0.01)
    assert space.encode(values) == pytest.approx([0.125, 0.5, 0.75])


def test_the_size_of_a_discrete_space_is_the_product_of_its_ranges() -> None:
    space = SearchSpace((Integer("n", -1, 3), Categorical("c", ("a", "b"))))
    assert space.cardinality == 10
