"""Members that AWS knows and we do not are refused, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.model import ListShape, Shape, StructureShape

from tests.shapes.violations import full_request, valid_request
from tuner.domain.errors import ValidationException
from tuner.shapes.requests import parse_training_job, parse_tuning_job
from tuner.shapes.service_model import input_shape
from tuner.shapes.unserved import (
    REASONS,
    RECORDS,
    SWITCHED_OFF,
    served_members,
    unserved_members,
)


def unheld_members(shape: Shape, served: frozenset[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Outermost members that no field of a record holds."""
    if isinstance(shape, ListShape):
        yield from unheld_members(shape.member, served)
    elif isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if (shape.name, name) in served:
                yield from unheld_members(member, served)
            else:
                yield shape.name, name


def test_each_member_of_the_model_has_a_field_or_a_reason_why_not() -> None:
    found: set[tuple[str, str]] = set()
    for operation in RECORDS:
        found |= set(unheld_members(input_shape(operation), served_members(operation)))
    assert found == set(REASONS)


def test_all_members_without_a_field_are_refused_at_their_place() -> None:
    found = {
        fault.path: fault.message
        for fault in unserved_members("CreateTrainingJob", full_request("CreateTrainingJob"))
    }
    assert (
        found["ServerlessJobConfig"] == "ServerlessJobConfig: Serverless training is not served."
    )
    assert all(path.rpartition(".")[2] in message for path, message in found.items())
    assert "InputDataConfig[0].DataSource.S3DataSource.HubAccessConfig" in found
    assert "ResourceConfig.TrainingPlanArn" in found
    assert not any(path.startswith(("RetryStrategy", "HyperParameters")) for path in found)


def test_a_refused_member_refuses_the_request() -> None:
    params = {**valid_request("CreateTrainingJob"), "ExperimentConfig": {}}
    with pytest.raises(ValidationException, match="Experiments is not served"):
        parse_training_job(params)


@pytest.mark.parametrize("key", sorted(SWITCHED_OFF))
def test_switching_off_what_is_not_there_is_no_fault(key: tuple[str, str]) -> None:
    _, name = key
    params = {**valid_request("CreateTrainingJob"), name: SWITCHED_OFF[key]}
    assert unserved_members("CreateTrainingJob", params) == []
    parse_training_job(params)


OF_SDK_V2 = {
    "DebugHookConfig": {"S3OutputPath": "s3://bucket/", "CollectionConfigurations": []},
    "ProfilerConfig": {"S3OutputPath": "s3://bucket/", "DisableProfiler": False},
}


def test_what_sdk_v2_sends_with_every_estimator_is_no_fault() -> None:
    params = {**valid_request("CreateTrainingJob"), **OF_SDK_V2}
    assert unserved_members("CreateTrainingJob", params) == []


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("DebugHookConfig", {"CollectionConfigurations": [{"CollectionName": "losses"}]}),
        ("DebugHookConfig", {"HookParameters": {"save_interval": "1"}}),
        ("ProfilerConfig", {"ProfilingIntervalInMilliseconds": 500}),
    ],
)
def test_debugging_that_is_asked_for_is_refused(name: str, more: dict[str, object]) -> None:
    params = {**valid_request("CreateTrainingJob"), name: {**OF_SDK_V2[name], **more}}
    assert [fault.path for fault in unserved_members("CreateTrainingJob", params)] == [name]


@pytest.mark.parametrize("name", ["AlgorithmSpecification", "ResourceConfig", "StoppingCondition"])
def test_members_that_only_serverless_training_omits_are_required(name: str) -> None:
    params = valid_request("CreateTrainingJob")
    del params[name]
    with pytest.raises(ValidationException, match="Member must not be null") as raised:
        parse_training_job(params)
    assert [fault.path for fault in raised.value.faults] == [name]


def test_valid_requests_become_records() -> None:
    tuning = parse_tuning_job(valid_request("CreateHyperParameterTuningJob"))
    assert tuning.hyper_parameter_tuning_job_config.strategy == "Random"
    training = parse_training_job(valid_request("CreateTrainingJob"))
    assert training.hyper_parameters == {"num_round": "10"}
