"""The way of a Create request from JSON to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.domain.definitions import TrainingJobRequest, TuningJobRequest
from tuner.domain.errors import Fault, ResourceLimitExceeded, ValidationException
from tuner.shapes.extensions import ExtraValues, extra_values
from tuner.shapes.model import check
from tuner.shapes.records import from_wire
from tuner.shapes.service_model import Place
from tuner.shapes.unserved import unserved_members

_ONLY_SERVERLESS_OMITS = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")


def parse_tuning_job(
    params: Mapping[str, object], extra: ExtraValues = extra_values
) -> TuningJobRequest:
    """Raises SerializationException or ValidationException with all structural faults."""
    operation = "CreateHyperParameterTuningJob"
    check(operation, params, extra=extra)
    refuse(unserved_members(operation, params))
    return from_wire(TuningJobRequest, params)


def parse_training_job(params: Mapping[str, object]) -> TrainingJobRequest:
    """As `parse_tuning_job`. The model has a few members optional for the sake of serverless
    training alone, which is not served."""
    operation = "CreateTrainingJob"
    check(operation, params)
    refuse(unserved_members(operation, params))
    missing = [name for name in _ONLY_SERVERLESS_OMITS if params.get(name) is None]
    refuse([Place().member(name).null_fault() for name in missing])
    return from_wire(TrainingJobRequest, params)


def refuse(faults: Sequence[Fault]) -> None:
    """Raise the first fault, which is all that the wire shows, with all faults attached."""
    if faults:
        error = ResourceLimitExceeded if faults[0].quota else ValidationException
        raise error(faults[0].message, tuple(faults))
