"""Requests that break the service model in one place each, found by walking the model.

`violations(operation)` breaks every constraint of an operation's request: required members,
enums, patterns, minima and maxima; `wrong_types(operation)` puts JSON of another type
everywhere. `full_request(operation)` has every member and passes the model,
`valid_request(operation)` is one that the service accepts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from tuner.shapes.service_model import input_shape

Params = dict[str, Any]
Steps = tuple[str | int, ...]

REMOVED = object()

NAME = "a-name"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
_ARN = "arn:aws:sagemaker:us-east-1:123456789012"
_HUB = "arn:aws:sagemaker:us-east-1:123456789012:hub-content"

_TEXTS = (
    "aaa",
    "12K",
    "d-0123456789",
    "fs-01234567",
    "s3://bucket/key",
    ROLE,
    f"{_ARN}:training-plan/abcdefghijkl",
    f"{_ARN}:artifact/x",
    f"{_ARN}:mlflow-app/x",
    f"{_ARN}:model-package-group/x",
    f"{_ARN}:model-package/x",
    f"{_HUB}/hub/DataSet/x",
    f"{_HUB}/hub/Model/x",
    "arn:aws:lambda:us-east-1:123456789012:function:x",
)
_OFF_PATTERN = ("\n", "-", "é!", "*")

SPEC: Params = {
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}

_VALID: dict[str, Params] = {
    "CreateTrainingJob": {
        "TrainingJobName": NAME,
        "HyperParameters": {"num_round": "10"},
        **SPEC,
    },
    "CreateHyperParameterTuningJob": {
        "HyperParameterTuningJobName": NAME,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize",
                "MetricName": "validation:auc",
            },
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "IntegerParameterRanges": [
                    {"Name": "max_depth", "MinValue": "1", "MaxValue": "10"}
                ],
                "ContinuousParameterRanges": [
                    {
                        "Name": "eta",
                        "MinValue": "0.01",
                        "MaxValue": "0.5",
                        "ScalingType": "Logarithmic",
                    }
                ],
            },
        },
        "TrainingJobDefinition": {"StaticHyperParameters": {"num_round": "10"}, **SPEC},
        "Tags": [{"Key": "team", "Value": "tuning"}],
    },
}


def valid_request(operation: str) -> Params:
    """A small request that breaks no rule; for operations on a job, on the job `a-name`."""
    if operation in _VALID:
        return copy.deepcopy(_VALID[operation])
    shape = input_shape(operation)
    assert isinstance(shape, StructureShape)
    names = [name for name in shape.members if name in shape.required_members]
    return {name: _named(name, _sample(shape.members[name])) for name in names}


def full_request(operation: str) -> Params:
    """Every member at every depth, within all constraints of the model."""
    sample = _sample(input_shape(operation))
    assert isinstance(sample, dict)
    return sample


def violations(operation: str) -> Iterator[tuple[str, Params]]:
    """(What is broken, request) for each constraint of the model."""
    base = full_request(operation)
    for shape, steps in _nodes(input_shape(operation), ()):
        where = ".".join(map(str, steps)) or "the request"
        if isinstance(shape, StructureShape):
            for name in shape.required_members:
                yield f"{where} without {name}", _changed(base, (*steps, name), REMOVED)
        for what, value in _breaking(shape):
            yield f"{where} {what}", _changed(base, steps, value)


def wrong_types(operation: str) -> Iterator[tuple[str, Params]]:
    """(What is broken, request) with a value of another JSON type in each place."""
    base = full_request(operation)
    for shape, steps in _nodes(input_shape(operation), ()):
        wrong: list[Any] = [[{}]] if shape.type_name != "list" else [{"a": 1}]
        wrong.append(17 if shape.type_name in ("string", "structure", "boolean") else "seventeen")
        for value in wrong if steps else ():
            where = ".".join(map(str, steps))
            yield f"{where} as {value!r}", _changed(base, steps, value)


# ---- values ----------------------------------------------------------------------------------


def _named(name: str, value: Any) -> Any:
    if name == "ResourceArn":
        return f"{_ARN}:hyper-parameter-tuning-job/{NAME}"
    return NAME if name.endswith("JobName") else value


def _sample(shape: Shape, above: frozenset[str] = frozenset()) -> Any:
    if isinstance(shape, StructureShape):
        above |= {shape.name}
        return {name: _sample(member, above) for name, member in _members(shape, above)}
    if isinstance(shape, ListShape):
        return [_sample(shape.member, above)]
    if isinstance(shape, MapShape):
        return {_sample(shape.key): _sample(shape.value)}
    if isinstance(shape, StringShape):
        return shape.enum[0] if shape.enum else sample_text(shape)
    if shape.type_name == "boolean":
        return True
    return max(1, shape.metadata.get("min", 1))


def _members(shape: StructureShape, above: frozenset[str]) -> Iterator[tuple[str, Shape]]:
    """Without those that nest a structure in itself."""
    for name, member in shape.members.items():
        inner = member.member if isinstance(member, ListShape) else member
        if inner.name not in above:
            yield name, member


def sample_text(shape: Shape) -> str:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    for text in _TEXTS:
        if low <= len(text) <= high and _matches(shape, text):
            return text
    raise LookupError(f"no sample for {shape.name} {shape.metadata}")


def _matches(shape: Shape, text: str) -> bool:
    pattern = shape.metadata.get("pattern")
    return pattern is None or regex.fullmatch(pattern, text) is not None


def _breaking(shape: Shape) -> Iterator[tuple[str, Any]]:
    """Values of the shape's type, each outside one of its constraints."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(shape, ListShape):
        if low:
            yield f"shorter than {low}", []
        if high is not None:
            yield f"longer than {high}", [_sample(shape.member)] * (high + 1)
    elif isinstance(shape, MapShape):
        value = _sample(shape.value)
        if high is not None:
            yield f"larger than {high}", {f"k{index}": value for index in range(high + 1)}
        for what, key in _breaking(shape.key):
            yield f"key {what}", {key: value}
        for what, item in _breaking(shape.value):
            yield f"value {what}", {_sample(shape.key): item}
    elif isinstance(shape, StringShape):
        yield from _breaking_texts(shape)
    elif shape.type_name in ("integer", "long", "float", "double"):
        if low is not None:
            yield f"below {low}", low - 1
        if high is not None:
            yield f"above {high}", high + 1


def _breaking_texts(shape: StringShape) -> Iterator[tuple[str, str]]:
    if shape.enum:
        yield "outside the enum", "NoSuchValue"
        return
    if shape.metadata.get("min"):
        yield f"shorter than {shape.metadata['min']}", ""
    if "max" in shape.metadata:
        yield f"longer than {shape.metadata['max']}", "x" * (shape.metadata["max"] + 1)
    off = [text for text in _OFF_PATTERN if not _matches(shape, text)]
    if off:
        yield f"off the pattern {shape.metadata['pattern']}", off[0]


# ---- places ----------------------------------------------------------------------------------


def _nodes(
    shape: Shape, steps: Steps, above: frozenset[str] = frozenset()
) -> Iterator[tuple[Shape, Steps]]:
    yield shape, steps
    if isinstance(shape, StructureShape):
        above |= {shape.name}
        for name, member in _members(shape, above):
            yield from _nodes(member, (*steps, name), above)
    elif isinstance(shape, ListShape):
        yield from _nodes(shape.member, (*steps, 0), above)


def _changed(base: Params, steps: Steps, value: Any) -> Params:
    """A copy of the request with another value (or none) at the end of the steps."""
    request = copy.deepcopy(base)
    place: Any = request
    for step in steps[:-1]:
        place = place[step]
    if value is REMOVED:
        del place[steps[-1]]
    else:
        place[steps[-1]] = value
    return request
