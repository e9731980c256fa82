"""Example records, and hypothesis strategies for arbitrary ones."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from tuner.domain.definitions import (
    AlgorithmSpecification,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningJobConfig,
    InputMode,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    ResourceLimits,
    StoppingCondition,
    TrainingJobRequest,
    TrainingSpec,
    TuningJobRequest,
)
from tuner.domain.jobs import (
    Failure,
    MetricPoint,
    Progress,
    Resources,
    Scope,
    TrainingJob,
    Transition,
    TuningJob,
)
from tuner.domain.statuses import FailureKind, SecondaryStatus

SCOPE = Scope(account="123456789012", region="us-west-2")
ELSEWHERE = Scope(account="123456789012", region="eu-central-1")

DEFINITION = HyperParameterTrainingJobDefinition(
    algorithm_specification=AlgorithmSpecification(
        training_input_mode=InputMode.FILE,
        training_image="image",
        metric_definitions=(MetricDefinition(name="loss", regex="loss=(.*)"),),
    ),
    role_arn="arn:aws:iam::123456789012:role/Role",
    output_data_config=OutputDataConfig(s3_output_path="s3://bucket/out"),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
    resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1),
    static_hyper_parameters={"_tuning_objective_metric": "loss", "epochs": "3"},
    environment={"A": "1"},
)


def tuning_job(job_id: int, name: str, **changes: Any) -> TuningJob:
    request = TuningJobRequest(
        hyper_parameter_tuning_job_name=name,
        hyper_parameter_tuning_job_config=HyperParameterTuningJobConfig(
            strategy="Random", resource_limits=ResourceLimits(max_parallel_training_jobs=2)
        ),
        training_job_definition=DEFINITION,
    )
    job = TuningJob(
        id=job_id,
        scope=SCOPE,
        name=name,
        request=request,
        seed=7,
        resources=Resources(),
        creation_time=1000.5,
        last_modified_time=1000.5,
    )
    return replace(job, **changes)


def training_job(job_id: int, name: str, **changes: Any) -> TrainingJob:
    """As it is while it runs."""
    job = TrainingJob(
        id=job_id,
        scope=SCOPE,
        name=name,
        spec=DEFINITION,
        hyper_parameters={"_tuning_objective_metric": "loss", "epochs": "3", "x": "0.25"},
        tuned={"x": "0.25"},
        memo={"kernel": [0.1, 1e-300], "note": None},
        resources=Resources(cpus=2),
        creation_time=1000.1,
        last_modified_time=1003.7,
        secondary_status=SecondaryStatus.TRAINING,
        transitions=(
            Transition(
                status=SecondaryStatus.STARTING,
                start_time=1000.1,
                status_message="Starting the training job",
                end_time=1001.25,
            ),
            Transition(
                status=SecondaryStatus.TRAINING, start_time=1001.25, status_message="Training"
            ),
        ),
        metrics=(MetricPoint(name="loss", value=0.1, time=1002.0, host="algo-1"),),
        failure=Failure(kind=FailureKind.ALGORITHM, text="exit code 1"),
        objective_value=0.1,
    )
    return replace(job, **changes)


# ---- arbitrary records -----------------------------------------------------------------------

IDS = st.integers(1, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)

Kind = TypeVar("Kind")


def anything(kind: type[Kind], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Kind]:
    """Any instance of a dataclass, every member varied; `given` are members drawn otherwise."""
    hints = get_type_hints(kind)
    varied = {name: _values(hint) for name, hint in hints.items() if name not in given}
    members: dict[str, st.SearchStrategy[Any]] = {**varied, **given}
    return st.builds(kind, **members)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of(*(_values(item) for item in arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        value = JSON if arguments[1] is Any else _values(arguments[1])
        return st.dictionaries(_values(arguments[0]), value, max_size=3)
    if hint is TrainingSpec:
        return st.one_of(
            *(anything(item) for item in (HyperParameterTrainingJobDefinition, TrainingJobRequest))
        )
    if is_dataclass(hint):
        return st.deferred(lambda: anything(hint))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        str: st.text(max_size=4),
        bool: st.booleans(),
        type(None): st.none(),
    }
    if issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    return simple[hint]


TUNING_JOBS = anything(TuningJob, id=IDS)
TRAINING_JOBS = anything(TrainingJob, id=IDS, tuning_job_id=st.none() | IDS)
PROGRESS = anything(Progress)
POINTS = anything(MetricPoint)
