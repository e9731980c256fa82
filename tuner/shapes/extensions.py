"""Everything that we accept and AWS does not: values added to enums of the service model."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.domain.definitions import LOCAL_INSTANCE_TYPE

EXTRA_ENUM_VALUES: Mapping[str, tuple[str, ...]] = {
    "TrainingInstanceType": (LOCAL_INSTANCE_TYPE,),
    "HyperParameterTuningJobStrategyType": (),
}
"""Name of an enum shape to the values that we accept beside AWS's own."""
