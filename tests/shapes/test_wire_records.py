"""Records of the domain to and from AWS's JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shapes.generated import wire_requests
from tests.shapes.violations import valid_request
from tuner.domain import definitions
from tuner.domain.definitions import ParameterRanges, TrainingJobRequest, TuningJobRequest
from tuner.shapes.model import structural_faults
from tuner.shapes.records import from_wire, to_wire, wire_name
from tuner.shapes.unserved import RECORDS, served_members, unserved_members

LARGE = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)


@pytest.mark.parametrize("kind", [TuningJobRequest, TrainingJobRequest])
@LARGE
@given(data=st.data())
def test_a_record_comes_back_from_the_wire_as_it_went(
    kind: type[Any], data: st.DataObject
) -> None:
    record = data.draw(st.from_type(kind))
    wire = json.loads(json.dumps(to_wire(record)))
    assert from_wire(kind, wire) == record


@pytest.mark.parametrize("operation", sorted(RECORDS))
@LARGE
@given(data=st.data())
def test_a_request_comes_back_from_its_record_as_it_was_sent(
    operation: str, data: st.DataObject
) -> None:
    params = data.draw(wire_requests(operation))
    assert structural_faults(operation, params) == []
    assert unserved_members(operation, params) == []
    if operation == "CreateTrainingJob":
        spec = {"AlgorithmSpecification": {"TrainingInputMode": "File"}, "StoppingCondition": {}}
        params = {**spec, **params}
    record = from_wire(RECORDS[operation], params)
    assert to_wire(record) == _with_all_lists_of_ranges(params)


def _with_all_lists_of_ranges(value: Any) -> Any:
    """An absent list of ranges cannot be told from an empty one."""
    if isinstance(value, list):
        return [_with_all_lists_of_ranges(item) for item in value]
    if not isinstance(value, dict):
        return value
    lists = {f"{kind}ParameterRanges": [] for kind in ("Integer", "Continuous", "Categorical")}
    return {
        key: {**lists, **item}
        if key in ("ParameterRanges", "HyperParameterRanges")
        else _with_all_lists_of_ranges(item)
        for key, item in value.items()
    }


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("volume_size_in_gb", "VolumeSizeInGB"),
        ("s3_uri", "S3Uri"),
        ("kms_key_id", "KmsKeyId"),
        ("enable_sage_maker_metrics_time_series", "EnableSageMakerMetricsTimeSeries"),
        ("max_runtime_in_seconds", "MaxRuntimeInSeconds"),
    ],
)
def test_names_are_those_of_the_service(field: str, name: str) -> None:
    assert wire_name(field) == name


def test_every_field_of_every_record_is_a_member_of_the_model() -> None:
    names = {name for operation in RECORDS for _, name in served_members(operation)}
    for kind in vars(definitions).values():
        if dataclasses.is_dataclass(kind):
            fields = {wire_name(item.name) for item in dataclasses.fields(kind)}
            assert fields <= names, kind


def test_empty_maps_and_lists_that_were_given_stay() -> None:
    params = valid_request("CreateHyperParameterTuningJob")
    params["TrainingJobDefinition"]["StaticHyperParameters"] = {}
    params["Tags"] = []
    wire = to_wire(from_wire(TuningJobRequest, params))
    assert wire["TrainingJobDefinition"]["StaticHyperParameters"] == {}
    assert wire["Tags"] == []


def test_ranges_always_have_all_three_lists() -> None:
    assert to_wire(ParameterRanges()) == {
        "IntegerParameterRanges": [],
        "ContinuousParameterRanges": [],
        "CategoricalParameterRanges": [],
    }


def test_null_members_count_as_absent() -> None:
    params = {**valid_request("CreateHyperParameterTuningJob"), "WarmStartConfig": None}
    params["HyperParameterTuningJobConfig"]["ParameterRanges"]["CategoricalParameterRanges"] = None
    record = from_wire(TuningJobRequest, params)
    assert record.warm_start_config is None
    ranges = record.hyper_parameter_tuning_job_config.parameter_ranges
    assert ranges is not None and ranges.categorical_parameter_ranges == ()
