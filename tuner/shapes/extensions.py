"""Everything that we accept and AWS does not: values added to enums of the service model."""

from __future__ import annotations

from collections.abc import Mapping

LOCAL_INSTANCE_TYPE = "local"
"""An instance without a size of its own: it gets its whole share of the machine."""

EXTRA_ENUM_VALUES: Mapping[str, tuple[str, ...]] = {
    "TrainingInstanceType": (LOCAL_INSTANCE_TYPE,),
    "HyperParameterTuningJobStrategyType": (),
}
"""Name of an enum shape to the values that we accept beside AWS's own."""
