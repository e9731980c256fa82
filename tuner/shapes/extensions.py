"""Everything that we accept and AWS does not: values added to enums of the service model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tuner.domain.definitions import LOCAL_INSTANCE_TYPE

STRATEGY = "HyperParameterTuningJobStrategyType"

EXTRA_ENUM_VALUES: Mapping[str, tuple[str, ...]] = {
    "TrainingInstanceType": (LOCAL_INSTANCE_TYPE,),
}
"""Name of an enum shape to the values that we accept beside AWS's own. Of `STRATEGY` they depend
on what is installed: see `with_strategies`."""

ExtraValues = Callable[[str], Sequence[str]]
"""Of an enum shape's name, what is accepted beside AWS's own values. It is asked only about a
value that AWS does not have, so it may take a while."""


def extra_values(enum: str) -> Sequence[str]:
    """What is accepted whatever is installed."""
    return EXTRA_ENUM_VALUES.get(enum, ())


def with_strategies(names: Callable[[], Sequence[str]]) -> ExtraValues:
    """`extra_values`, and as strategies all `names`, which may repeat AWS's. An unknown strategy
    is told of both: AWS's values first, in AWS's order and words, then the others."""
    return lambda enum: names() if enum == STRATEGY else extra_values(enum)
