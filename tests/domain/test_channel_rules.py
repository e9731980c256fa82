"""What a channel may ask for depends on its input mode."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shapes.violations import valid_request
from tuner.domain.definitions import TrainingJobRequest
from tuner.domain.rules_channels import channel_faults
from tuner.shapes.model import structural_faults
from tuner.shapes.records import from_wire

SOURCE = "C[0].DataSource.S3DataSource"
LIST = "s3://bucket/a.manifest"
AUGMENTED = {"S3DataType": "AugmentedManifestFile", "S3Uri": LIST, "AttributeNames": ["a"]}


def channel(name: str = "train", source: dict[str, Any] | None = None, **more: Any) -> Any:
    s3 = source or {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}, **more}


def faults(*channels: dict[str, Any], mode: str = "File") -> list[tuple[str, str]]:
    params = valid_request("CreateTrainingJob")
    params["AlgorithmSpecification"]["TrainingInputMode"] = mode
    params["InputDataConfig"] = list(channels)
    assert structural_faults("CreateTrainingJob", params) == []
    found = channel_faults(from_wire(TrainingJobRequest, params), "C")
    return [(fault.path, fault.message) for fault in found]


CASES = [
    (
        {"CompressionType": "Gzip"},
        "C[0].CompressionType",
        "Invalid compression type for channel train: File mode only supports NONE, got Gzip "
        "instead",
    ),
    (
        {"CompressionType": "Gzip", "InputMode": "FastFile"},
        "C[0].CompressionType",
        "Invalid compression type for channel train: FastFile mode only supports NONE, got Gzip "
        "instead",
    ),
    (
        {"RecordWrapperType": "RecordIO"},
        "C[0].RecordWrapperType",
        "Invalid record wrapper type for channel train: File mode only supports NONE, got "
        "RecordIO instead",
    ),
    (
        {"source": AUGMENTED},
        f"{SOURCE}.S3DataType",
        "AugmentedManifestFile can only be used if the Channel's input mode is Pipe; that of "
        "channel train is File.",
    ),
    (
        {"source": {**AUGMENTED, "AttributeNames": []}, "InputMode": "Pipe"},
        f"{SOURCE}.AttributeNames",
        "AttributeNames is required with the S3DataType AugmentedManifestFile.",
    ),
    (
        {"source": {"S3DataType": "ManifestFile", "S3Uri": LIST}, "InputMode": "FastFile"},
        f"{SOURCE}.S3DataType",
        "The input mode FastFile of channel train supports the S3DataType S3Prefix, not "
        "ManifestFile.",
    ),
]


@pytest.mark.parametrize(("members", "path", "message"), CASES)
def test_what_an_input_mode_does_not_have_is_refused(
    members: dict[str, Any], path: str, message: str
) -> None:
    assert faults(channel(**members)) == [(path, message)]


FEATURES = [
    {"CompressionType": "Gzip", "RecordWrapperType": "RecordIO", "ShuffleConfig": {"Seed": 1}},
    {"source": AUGMENTED},
    {"source": {"S3DataType": "ManifestFile", "S3Uri": LIST}},
]


@pytest.mark.parametrize("members", FEATURES)
def test_pipe_mode_has_them_whoever_asks_for_it(members: dict[str, Any]) -> None:
    assert faults(channel(**members), mode="Pipe") == []
    assert faults(channel(**members, InputMode="Pipe")) == []


def test_the_mode_of_a_channel_goes_before_that_of_the_job() -> None:
    assert faults(channel(CompressionType="Gzip", InputMode="File"), mode="Pipe")


def test_a_channel_cannot_have_the_name_of_an_epoch_of_another() -> None:
    named = [channel("train"), channel("train_0", InputMode="File"), channel("train_x")]
    assert faults(*named, mode="Pipe") == [
        (
            "C[1].ChannelName",
            "The channel name [train_0] is taken by an epoch of the Pipe channel [train].",
        )
    ]
    assert faults(*named) == []
