"""What ranges of hyperparameters have to be like.

Sources: docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html and
automatic-model-tuning-limits.html. Where the service's own text is not known, ours names the
hyperparameter and the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from tuner.domain.definitions import (
    CategoricalParameterRange,
    ContinuousParameterRange,
    IntegerParameterRange,
    ParameterRanges,
    ScalingType,
)
from tuner.domain.errors import Fault
from tuner.domain.ranges import SearchSpace, parse_continuous, parse_integer

Number = TypeVar("Number", int, float)

MAX_RANGES = 30
MAX_INTEGER = 2**63 - 1


def range_faults(ranges: ParameterRanges, path: str) -> Iterator[Fault]:
    """`path` names the ParameterRanges or HyperParameterRanges member."""
    names = tunable_names(ranges)
    if not names and not ranges.auto_parameters:
        yield Fault(path, "Provide at least one hyperparameter range to search.")
    if len(names) > MAX_RANGES:
        yield Fault(
            path,
            f"The number of hyperparameters to search, [{len(names)}], must be less than or equal "
            f"to {MAX_RANGES}.",
            quota=True,
        )
    for name, times in Counter(names).items():
        if not name:
            yield Fault(path, "The name of a hyperparameter range must not be empty.")
        elif times > 1:
            yield Fault(path, f"The hyperparameter [{name}] must have one range, not {times}.")
    for index, integer in enumerate(ranges.integer_parameter_ranges):
        yield from _integer_faults(integer, f"{path}.IntegerParameterRanges[{index}]")
    for index, continuous in enumerate(ranges.continuous_parameter_ranges):
        yield from _continuous_faults(continuous, f"{path}.ContinuousParameterRanges[{index}]")
    for index, categorical in enumerate(ranges.categorical_parameter_ranges):
        yield from _categorical_faults(categorical, f"{path}.CategoricalParameterRanges[{index}]")


def tunable_names(ranges: ParameterRanges) -> list[str]:
    """Names of all hyperparameters with a range, in the order of the search space."""
    return [
        item.name
        for kind in (
            ranges.integer_parameter_ranges,
            ranges.continuous_parameter_ranges,
            ranges.categorical_parameter_ranges,
        )
        for item in kind
    ]


def combinations(ranges: ParameterRanges) -> int | None:
    """How many distinct configurations there are; None when a range is continuous."""
    return SearchSpace.of(ranges).cardinality


def _integer_faults(item: IntegerParameterRange, path: str) -> Iterator[Fault]:
    yield from _bound_faults(item, path, parse_integer, "an integer")
    if item.scaling_type is ScalingType.REVERSE_LOGARITHMIC:
        yield Fault(
            f"{path}.ScalingType",
            f"The scaling type ReverseLogarithmic isn't supported for the integer hyperparameter "
            f"[{item.name}]. Use Auto, Linear or Logarithmic.",
        )
    low, high = _number(item.min_value, parse_integer), _number(item.max_value, parse_integer)
    for number, member in ((low, "MinValue"), (high, "MaxValue")):
        if number is not None and abs(number) > MAX_INTEGER:
            text = f"The {member} of the hyperparameter [{item.name}] exceeds 64-bit integers."
            yield Fault(f"{path}.{member}", text)


def _continuous_faults(item: ContinuousParameterRange, path: str) -> Iterator[Fault]:
    yield from _bound_faults(item, path, parse_continuous, "a finite number")
    low = _number(item.min_value, parse_continuous)
    high = _number(item.max_value, parse_continuous)
    if item.scaling_type is not ScalingType.REVERSE_LOGARITHMIC or low is None or high is None:
        return
    if low < 0 or high >= 1:
        yield Fault(
            f"{path}.ScalingType",
            f"The scaling type ReverseLogarithmic requires that all values of the hyperparameter "
            f"[{item.name}] are greater than or equal to 0 and less than 1. The range is "
            f"[{item.min_value}, {item.max_value}].",
        )


def _bound_faults(
    item: IntegerParameterRange | ContinuousParameterRange,
    path: str,
    parse: Callable[[str], float],
    kind: str,
) -> Iterator[Fault]:
    """Both bounds are numbers, the lower is less than the higher, and the scaling can be had."""
    low, high = _number(item.min_value, parse), _number(item.max_value, parse)
    for number, text, member in (
        (low, item.min_value, "MinValue"),
        (high, item.max_value, "MaxValue"),
    ):
        if number is None:
            message = f"The {member} of the hyperparameter [{item.name}] is not {kind}: [{text}]."
            yield Fault(f"{path}.{member}", message)
    if low is not None and high is not None and low >= high:
        yield Fault(
            f"{path}.MaxValue",
            f"The MaxValue of the hyperparameter [{item.name}] must be greater than its MinValue. "
            f"The range is [{item.min_value}, {item.max_value}].",
        )
    if item.scaling_type is ScalingType.LOGARITHMIC and low is not None and low <= 0:
        yield Fault(
            f"{path}.ScalingType",
            f"The scaling type Logarithmic requires that all values of the hyperparameter "
            f"[{item.name}] are greater than 0. Its MinValue is [{item.min_value}].",
        )


def _number(text: str, parse: Callable[[str], Number]) -> Number | None:
    try:
        return parse(text)
    except ValueError:
        return None


def _categorical_faults(item: CategoricalParameterRange, path: str) -> Iterator[Fault]:
    twice = [value for value, times in Counter(item.values).items() if times > 1]
    if twice:
        yield Fault(
            f"{path}.Values",
            f"The values of the categorical hyperparameter [{item.name}] must be unique; given "
            f"more than once: [{', '.join(twice)}].",
        )
