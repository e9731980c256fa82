"""Members that the service model knows and no record of ours holds: each is refused, with why.

A member that a newer service model brings is refused too, in general words, until there is a
field for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from botocore.model import ListShape, Shape, StructureShape

from tuner.domain.definitions import TrainingJobRequest, TuningJobRequest
from tuner.domain.errors import Fault
from tuner.shapes.records import wire_name
from tuner.shapes.service_model import input_shape, walk

RECORDS: Mapping[str, type[TuningJobRequest] | type[TrainingJobRequest]] = {
    "CreateHyperParameterTuningJob": TuningJobRequest,
    "CreateTrainingJob": TrainingJobRequest,
}

_DEBUGGER = "SageMaker Debugger is not served."
_PROFILER = "SageMaker Profiler is not served."
_PLANS = "Training plans and placement of instances are not served."

REASONS: Mapping[tuple[str, str], str] = {
    ("S3DataSource", "ModelAccessConfig"): "Models of SageMaker JumpStart are not served.",
    ("S3DataSource", "HubAccessConfig"): "SageMaker hubs are not served.",
    (
        "DataSource",
        "DatasetSource",
    ): "Datasets of SageMaker hubs are not served: use S3DataSource.",
    ("ResourceConfig", "TrainingPlanArn"): _PLANS,
    ("ResourceConfig", "InstancePlacementConfig"): _PLANS,
    ("ResourceConfig", "InstancePreferences"): _PLANS,
    ("ResourceConfig", "SelectedInstanceType"): _PLANS,
    ("ResourceConfig", "SelectedInstanceCount"): _PLANS,
    ("AlgorithmSpecification", "TrainingImageConfig"): "Images of private registries are not "
    "served.",
    ("CreateTrainingJobRequest", "DebugHookConfig"): _DEBUGGER,
    ("CreateTrainingJobRequest", "DebugRuleConfigurations"): _DEBUGGER,
    ("CreateTrainingJobRequest", "TensorBoardOutputConfig"): "TensorBoard output is not served.",
    ("CreateTrainingJobRequest", "ExperimentConfig"): "SageMaker Experiments is not served.",
    ("CreateTrainingJobRequest", "ProfilerConfig"): _PROFILER,
    ("CreateTrainingJobRequest", "ProfilerRuleConfigurations"): _PROFILER,
    ("CreateTrainingJobRequest", "RemoteDebugConfig"): "Remote debugging is not served.",
    ("CreateTrainingJobRequest", "InfraCheckConfig"): "Infrastructure checks are not served.",
    ("CreateTrainingJobRequest", "SessionChainingConfig"): "Session tag chaining is not served.",
    ("CreateTrainingJobRequest", "ServerlessJobConfig"): "Serverless training is not served.",
    ("CreateTrainingJobRequest", "MlflowConfig"): "MLflow on SageMaker is not served.",
    ("CreateTrainingJobRequest", "ModelPackageConfig"): "Model packages are not served.",
}
"""(Shape, member) to the sentence that refuses it."""

SWITCHED_OFF: Mapping[tuple[str, str], object] = {
    ("CreateTrainingJobRequest", "ProfilerConfig"): {"DisableProfiler": True},
    ("CreateTrainingJobRequest", "RemoteDebugConfig"): {"EnableRemoteDebug": False},
    ("CreateTrainingJobRequest", "InfraCheckConfig"): {"EnableInfraCheck": False},
    ("CreateTrainingJobRequest", "SessionChainingConfig"): {"EnableSessionTagChaining": False},
}
"""Values that ask for the feature not to be there; clients send them unasked."""

WITHOUT_EFFECT: Mapping[tuple[str, str], frozenset[str]] = {
    ("CreateTrainingJobRequest", "DebugHookConfig"): frozenset({"S3OutputPath"}),
    ("CreateTrainingJobRequest", "ProfilerConfig"): frozenset({"S3OutputPath", "DisableProfiler"}),
}
"""Members that alone ask for nothing but a place for outputs: SDK v2 sends them with every
training job of its estimators, where nobody asked for debugging or profiling."""


def unserved_members(operation: str, params: object) -> list[Fault]:
    """A fault for every member of a Create request that no record of ours could hold."""
    served = served_members(operation)
    held = {shape_name for shape_name, _ in served}
    faults = []
    for shape, value, place in walk(input_shape(operation), params):
        if isinstance(shape, StructureShape) and isinstance(value, Mapping) and shape.name in held:
            for name in (name for name in shape.members if name in value):
                key, given = (shape.name, name), value[name]
                if given is not None and key not in served and not _asks_for_nothing(key, given):
                    text = REASONS.get(key, f"{name} is not served yet.")
                    faults.append(Fault(place.member(name).path, text).named())
    return faults


def _asks_for_nothing(key: tuple[str, str], given: object) -> bool:
    if SWITCHED_OFF.get(key) == given:
        return True
    idle = WITHOUT_EFFECT.get(key)
    if idle is None or not isinstance(given, Mapping):
        return False
    return all(name in idle or not value for name, value in given.items())


@cache
def served_members(operation: str) -> frozenset[tuple[str, str]]:
    """(Shape, member) of everything in an operation's request that its record has a field for."""
    return frozenset(_fields(input_shape(operation), RECORDS[operation]))


def _fields(shape: Shape, kind: Any) -> Iterator[tuple[str, str]]:
    """Walks shape and record side by side; what the record does not have is not entered."""
    if isinstance(shape, ListShape):
        yield from _fields(shape.member, kind)
    elif isinstance(shape, StructureShape):
        hints = get_type_hints(kind)
        for item in fields(kind):
            name = wire_name(item.name)
            if name in shape.members:
                yield shape.name, name
                yield from _nested(shape.members[name], hints[item.name])


def _nested(shape: Shape, hint: Any) -> Iterator[tuple[str, str]]:
    inner = next((kind for kind in _leaves(hint) if is_dataclass(kind)), None)
    if inner is not None:
        yield from _fields(shape, inner)


def _leaves(hint: Any) -> Iterator[Any]:
    """The types within `X | None` and `tuple[X, ...] | None`."""
    arguments = [item for item in get_args(hint) if item not in (NoneType, Ellipsis)]
    if not arguments:
        yield hint
    for item in arguments:
        yield from _leaves(item)
