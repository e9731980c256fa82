"""Hypothesis strategies of requests, from the service model, and of jobs made of them."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import strategies as st

from tests.shapes.violations import IMAGE, sample_text
from tuner.domain.definitions import TrainingJobRequest, TuningJobRequest
from tuner.domain.jobs import Counters, MetricPoint, Progress, Scope, TrainingJob, TuningJob
from tuner.domain.statuses import SecondaryStatus, TrainingJobStatus, TuningJobStatus
from tuner.shapes.records import from_wire
from tuner.shapes.service_model import input_shape
from tuner.shapes.unserved import served_members

SCOPE = Scope(account="123456789012", region="us-east-1")
NAMES = st.sampled_from(["a", "B-2", "job-2026"])
TIMES = st.floats(1e9, 2e9)
SMALL = st.integers(0, 40)
TEXTS = st.text("aé β1:/=#", max_size=8)


def wire_requests(operation: str) -> st.SearchStrategy[dict[str, Any]]:
    """Requests within the constraints of the model, of members that are served."""
    return _wire(input_shape(operation), served_members(operation))


def _wire(shape: Shape, served: frozenset[tuple[str, str]]) -> st.SearchStrategy[Any]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    if isinstance(shape, StructureShape):
        members = {
            name: _wire(member, served)
            for name, member in shape.members.items()
            if (shape.name, name) in served
        }
        required = {name: members[name] for name in shape.required_members}
        optional = {name: item for name, item in members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if isinstance(shape, ListShape):
        return st.lists(_wire(shape.member, served), min_size=low, max_size=low + 2)
    if isinstance(shape, MapShape):
        keys = st.sampled_from(["a", "B_2", "c3"])
        return st.dictionaries(keys, _wire(shape.value, served), max_size=2)
    if isinstance(shape, StringShape):
        if shape.enum:
            return st.sampled_from(list(shape.enum))
        free = shape.metadata.get("pattern", ".*") == ".*"
        return TEXTS if free and low == 0 else st.just(sample_text(shape))
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name == "float":
        return st.floats(-1e9, 1e9)
    return st.integers(low, min(high, 1 << 20))


def tuning_requests() -> st.SearchStrategy[TuningJobRequest]:
    wire = wire_requests("CreateHyperParameterTuningJob")
    return wire.map(lambda params: from_wire(TuningJobRequest, params))


def training_requests() -> st.SearchStrategy[TrainingJobRequest]:
    wire = wire_requests("CreateTrainingJob")
    complete = wire.map(
        lambda params: {
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "StoppingCondition": {},
            **params,
        }
    )
    return complete.map(lambda params: from_wire(TrainingJobRequest, params))


def training_jobs() -> st.SearchStrategy[TrainingJob]:
    """Jobs of which only a part is true to life: any status with any history."""
    point = st.builds(MetricPoint, name=TEXTS, value=st.floats(-9, 9), time=TIMES, host=TEXTS)
    return st.builds(
        TrainingJob,
        scope=st.just(SCOPE),
        name=NAMES,
        spec=training_requests(),
        creation_time=TIMES,
        last_modified_time=TIMES,
        training_start_time=st.none() | TIMES,
        training_end_time=st.none() | TIMES,
        status=st.sampled_from(TrainingJobStatus),
        secondary_status=st.sampled_from(SecondaryStatus),
        definition_name=st.none() | NAMES,
        objective_value=st.none() | st.floats(-9, 9),
        metrics=st.lists(point, max_size=50).map(tuple),
    )


def tuning_jobs() -> st.SearchStrategy[TuningJob]:
    counters = st.builds(Counters, **dict.fromkeys(Counters.__dataclass_fields__, SMALL))
    progress = st.builds(Progress, counters=counters, not_improving=SMALL)
    return st.builds(
        TuningJob,
        scope=st.just(SCOPE),
        name=NAMES,
        request=tuning_requests().filter(lambda request: bool(request.definitions)),
        creation_time=TIMES,
        last_modified_time=TIMES,
        end_time=st.none() | TIMES,
        status=st.sampled_from(TuningJobStatus),
        progress=progress,
    )
