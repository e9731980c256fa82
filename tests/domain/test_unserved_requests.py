"""What this version does not serve is refused in a sentence, at its place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shapes.violations import full_request, valid_request
from tuner.domain.definitions import TrainingJobRequest, TuningJobRequest
from tuner.domain.rules import unserved_faults
from tuner.shapes.model import structural_faults
from tuner.shapes.records import from_wire

CREATE = "CreateHyperParameterTuningJob"


def merged(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: merged(base.get(key), item) for key, item in change.items()}}
    return change


def channel(**members: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}
    return {"InputDataConfig": [merged({"ChannelName": "c", "DataSource": source}, members)]}


def source(**members: Any) -> dict[str, Any]:
    return channel(DataSource={"S3DataSource": members})


SPEC_CASES: list[tuple[dict[str, Any], str]] = [
    ({"AlgorithmSpecification": {"AlgorithmName": "a"}}, "AlgorithmSpecification.AlgorithmName"),
    (source(S3DataType="Converse"), "InputDataConfig[0].DataSource.S3DataSource.S3DataType"),
    (source(S3Uri="https://bucket/in"), "InputDataConfig[0].DataSource.S3DataSource.S3Uri"),
    (
        channel(
            DataSource={
                "S3DataSource": None,
                "FileSystemDataSource": {
                    "FileSystemId": "fs-01234567",
                    "FileSystemAccessMode": "ro",
                    "FileSystemType": "EFS",
                    "DirectoryPath": "/",
                },
            }
        ),
        "InputDataConfig[0].DataSource.FileSystemDataSource",
    ),
    ({"OutputDataConfig": {"S3OutputPath": "https://b/o"}}, "OutputDataConfig.S3OutputPath"),
    ({"CheckpointConfig": {"S3Uri": "https://bucket/c"}}, "CheckpointConfig.S3Uri"),
    (
        {"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}},
        "ResourceConfig.KeepAlivePeriodInSeconds",
    ),
]


@pytest.mark.parametrize(("members", "path"), SPEC_CASES)
def test_a_spec_that_asks_for_more_is_refused_wherever_it_stands(
    members: dict[str, Any], path: str
) -> None:
    params = merged(valid_request("CreateTrainingJob"), members)
    assert structural_faults("CreateTrainingJob", params) == []
    (fault,) = unserved_faults(from_wire(TrainingJobRequest, params))
    assert fault.path == path and fault.message.endswith((".", "]"))
    params = merged(valid_request(CREATE), {"TrainingJobDefinition": members})
    (fault,) = unserved_faults(from_wire(TuningJobRequest, params))
    assert fault.path == f"TrainingJobDefinition.{path}"


CONFIG = "HyperParameterTuningJobConfig"
JOB_CASES: list[tuple[dict[str, Any], str]] = [
    (
        {CONFIG: {"TrainingJobEarlyStoppingType": "Auto"}},
        f"{CONFIG}.TrainingJobEarlyStoppingType",
    ),
    (
        {CONFIG: {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.9}}},
        f"{CONFIG}.TuningJobCompletionCriteria",
    ),
    (
        {CONFIG: {"ParameterRanges": {"AutoParameters": [{"Name": "a", "ValueHint": "1"}]}}},
        f"{CONFIG}.ParameterRanges.AutoParameters",
    ),
    (
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}],
                "WarmStartType": "TransferLearning",
            }
        },
        "WarmStartConfig",
    ),
    ({"Autotune": {"Mode": "Enabled"}}, "Autotune"),
]


@pytest.mark.parametrize(("members", "path"), JOB_CASES)
def test_a_tuning_job_that_asks_for_more_is_refused(members: dict[str, Any], path: str) -> None:
    params = merged(valid_request(CREATE), members)
    assert structural_faults(CREATE, params) == []
    (fault,) = unserved_faults(from_wire(TuningJobRequest, params))
    assert fault.path == path and fault.message.endswith(".")


def test_what_is_served_or_only_echoed_is_not_refused() -> None:
    served = {
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": True,
        "RetryStrategy": {"MaximumRetryAttempts": 3},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": 60,
            "MaxWaitTimeInSeconds": 60,
            "MaxPendingTimeInSeconds": 1800,
        },
        "CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/checkpoints"},
        "Environment": {"A": "b"},
        "OutputDataConfig": {"KmsKeyId": "key", "CompressionType": "NONE"},
        "AlgorithmSpecification": {"TrainingInputMode": "Pipe"},
        **channel(CompressionType="Gzip", RecordWrapperType="RecordIO", ShuffleConfig={"Seed": 1}),
    }
    limits = {"ResourceLimits": {"MaxRuntimeInSeconds": 600}}
    config = {**limits, "TrainingJobEarlyStoppingType": "Off", "TuningJobCompletionCriteria": {}}
    params = merged(valid_request(CREATE), {"TrainingJobDefinition": served, CONFIG: config})
    assert structural_faults(CREATE, params) == []
    assert unserved_faults(from_wire(TuningJobRequest, params)) == []


def test_several_definitions_are_refused_and_one_in_a_list_is_not() -> None:
    params = valid_request(CREATE)
    definition = params.pop("TrainingJobDefinition")
    one = from_wire(TuningJobRequest, {**params, "TrainingJobDefinitions": [definition]})
    assert unserved_faults(one) == []
    two = from_wire(TuningJobRequest, {**params, "TrainingJobDefinitions": [definition] * 2})
    assert [fault.path for fault in unserved_faults(two)] == ["TrainingJobDefinitions"]


def test_a_request_with_everything_is_refused_for_each_thing() -> None:
    request = from_wire(TuningJobRequest, full_request(CREATE))
    paths = [fault.path for fault in unserved_faults(request)]
    assert len(paths) == len(set(paths)) > 5
    member = "AlgorithmSpecification.AlgorithmName"
    assert f"TrainingJobDefinitions[0].{member}" not in paths
    assert f"TrainingJobDefinition.{member}" in paths
