"""Records to and from JSON and table rows.

A row has columns for what is searched or sorted by; the rest of its record is JSON in `body`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from tuner.domain.definitions import (
    HyperParameterTrainingJobDefinition,
    TrainingJobRequest,
    TrainingSpec,
    TuningJobRequest,
)
from tuner.domain.jobs import MetricPoint, Scope, TrainingJob, Transition, TuningJob
from tuner.domain.statuses import SecondaryStatus

TUNING_JOB_COLUMNS = (
    "id, account, region, name, name_key, creation_time, last_modified_time, status, request, body"
)
TRAINING_JOB_COLUMNS = (
    "id, account, region, name, name_key, creation_time, last_modified_time, status, spec, body,"
    " tuning_job_id, objective_value"
)

Row = tuple[Any, ...]
Document = TuningJobRequest | TrainingSpec

_DOCUMENT_KINDS: Mapping[str, type[Document]] = {
    kind.__name__: kind
    for kind in (
        TuningJobRequest,
        TrainingSpec,
        HyperParameterTrainingJobDefinition,
        TrainingJobRequest,
    )
}

# ASCII, so that strings with lone surrogates, which JSON requests may have, can be stored.
_to_json = json.JSONEncoder(separators=(",", ":")).encode


def name_key(name: str) -> str:
    """The form of a name that uniqueness, search and order go by."""
    return name.lower()


def document_key(row: Row) -> bytes:
    """The key of the document (request or spec) that a row of either table refers to."""
    key: bytes = row[8]
    return key


# ---- documents: the immutable parts of records -----------------------------------------------


def encode_document(document: Document) -> tuple[str, str]:
    """`(kind, content)`; the same content for documents that are equal, member by member."""
    kind = type(document)
    return kind.__name__, _to_json(_converter.unstructure(document, kind))


def decode_document(kind: str, content: str) -> Document:
    return _converter.structure(json.loads(content), _DOCUMENT_KINDS[kind])


# ---- rows ------------------------------------------------------------------------------------

_MOST_DECODED = 2048
"""Some 10 MB."""

_decoded: dict[Row, TrainingJob] = {}


def tuning_job_row(job: TuningJob, request: bytes) -> Row:
    """In the order of TUNING_JOB_COLUMNS; `request` is the key of the request's document."""
    return (*_shared_columns(job), request, _to_json(_tuning_job_body(job)))


def decode_tuning_job(row: Row, request: TuningJobRequest) -> TuningJob:
    return _read_tuning_job({**json.loads(row[9]), **_shared_members(row), "request": request})


def training_job_row(job: TrainingJob, spec: bytes) -> Row:
    """In the order of TRAINING_JOB_COLUMNS; `spec` is the key of the spec's document."""
    body = _training_job_body(job)
    static = _static_hyper_parameters(job.spec)
    if static.keys() <= job.hyper_parameters.keys():
        own = {
            key: value for key, value in job.hyper_parameters.items() if static.get(key) != value
        }
        body["beside_static"] = own
    else:
        body["hyper_parameters"] = dict(job.hyper_parameters)
    return (
        *_shared_columns(job),
        spec,
        _to_json(body),
        job.tuning_job_id,
        job.objective_value,
    )


def decode_training_job(row: Row, spec: TrainingSpec) -> TrainingJob:
    """Records are immutable, so what was decoded is good for whoever asks again: pages are."""
    job = _decoded.get(row)
    if job is None:
        if len(_decoded) >= _MOST_DECODED:
            _decoded.clear()
        job = _decoded[row] = _decode_training_job(row, spec)
    return job


def _decode_training_job(row: Row, spec: TrainingSpec) -> TrainingJob:
    raw = {**json.loads(row[9]), **_shared_members(row), "spec": spec, "tuning_job_id": row[10]}
    own = raw.pop("beside_static", None)
    if own is not None:
        raw["hyper_parameters"] = {**_static_hyper_parameters(spec), **own}
    return _read_training_job(raw)


def _shared_columns(job: TuningJob | TrainingJob) -> Row:
    return (
        job.id,
        job.scope.account,
        job.scope.region,
        job.name,
        name_key(job.name),
        job.creation_time,
        job.last_modified_time,
        job.status,
    )


def _shared_members(row: Row) -> dict[str, Any]:
    job_id, account, region, name, _, creation_time, last_modified_time, status = row[:8]
    return {
        "id": job_id,
        "scope": Scope(account=account, region=region),
        "name": name,
        "creation_time": creation_time,
        "last_modified_time": last_modified_time,
        "status": status,
    }


def _static_hyper_parameters(spec: TrainingSpec) -> Mapping[str, str]:
    """What all training jobs of a spec have in common; it is stored with the spec."""
    match spec:
        case HyperParameterTrainingJobDefinition():
            return spec.static_hyper_parameters or {}
        case TrainingJobRequest():
            return spec.hyper_parameters or {}
    return {}


# ---- the converter ---------------------------------------------------------------------------


def _as_it_is(value: Any, _: Any = None) -> Any:
    return value


def _written(cls: type, *elsewhere: str, **changes: Any) -> dict[str, Any]:
    """How the members of a record are written: None is left out, and so is `elsewhere`."""
    rules = {
        item.name: override(omit=True)
        if item.name in elsewhere
        else override(omit_if_default=item.default is None)
        for item in fields(cls)
    }
    return {**rules, **changes}


def _without_nones(cls: type) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(cls, _converter, **_written(cls))


def _read_transition(raw: Any, _: type) -> Transition:
    status, start_time, message, end_time = raw
    return Transition(
        status=SecondaryStatus(status),
        start_time=start_time,
        status_message=message,
        end_time=end_time,
    )


def _read_point(raw: Any, _: type) -> MetricPoint:
    name, value, time, host = raw
    return MetricPoint(name=name, value=value, time=time, host=host)


_converter = Converter()
_converter.register_unstructure_hook_factory(is_dataclass, _without_nones)
# A training job has many of these two: they are written as lists.
_converter.register_unstructure_hook(
    Transition, lambda item: [item.status, item.start_time, item.status_message, item.end_time]
)
_converter.register_structure_hook(Transition, _read_transition)
_converter.register_unstructure_hook(
    MetricPoint, lambda item: [item.name, item.value, item.time, item.host]
)
_converter.register_structure_hook(MetricPoint, _read_point)

_IN_COLUMNS = ("id", "scope", "name", "creation_time", "last_modified_time", "status")
_JSON = override(unstruct_hook=_as_it_is)
_READY = override(struct_hook=_as_it_is)

_tuning_job_body = make_dict_unstructure_fn(
    TuningJob, _converter, **_written(TuningJob, *_IN_COLUMNS, "request")
)
_read_tuning_job: Callable[[Any], TuningJob] = make_dict_structure_fn(
    TuningJob, _converter, scope=_READY, request=_READY
)
_training_job_body = make_dict_unstructure_fn(
    TrainingJob,
    _converter,
    **_written(
        TrainingJob,
        *(*_IN_COLUMNS, "spec", "tuning_job_id", "hyper_parameters"),
        interrupted=override(omit_if_default=True),
        tuned=_JSON,
        memo=_JSON,
    ),
)
_read_training_job: Callable[[Any], TrainingJob] = make_dict_structure_fn(
    TrainingJob,
    _converter,
    scope=_READY,
    spec=_READY,
    hyper_parameters=_READY,
    tuned=_READY,
    memo=_READY,
)
