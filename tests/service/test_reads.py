"""Reads of resources that cannot exist here: empty lists, and not found."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from botocore import xform_name
from moto.sagemaker.responses import SageMakerResponse

from tests.service.service_home import Home
from tuner.domain.errors import AwsError, ResourceNotFound, ValidationException
from tuner.service import SAGEMAKER
from tuner.service.reads import DESCRIPTIONS, LISTS, OPERATIONS
from tuner.shapes.service_model import service_model


@pytest.mark.parametrize("operation", sorted(LISTS))
def test_a_list_of_what_cannot_exist_is_empty(home: Home, operation: str) -> None:
    answer = home.call(operation)
    shape: Any = service_model().operation_model(operation).output_shape
    assert [(name, shape.members[name].type_name) for name in answer] == [
        (LISTS[operation], "list")
    ]
    assert answer[LISTS[operation]] == []
    with pytest.raises(AwsError):
        home.call(operation, MaxResults=-1)


@pytest.mark.parametrize(
    ("operation", "request_members", "error"),
    [
        ("DescribeAlgorithm", {"AlgorithmName": "mine"}, ValidationException),
        (
            "DescribeTrainingPlan",
            {"TrainingPlanName": "mine"},
            ResourceNotFound,
        ),
    ],
)
def test_what_cannot_exist_is_not_found(
    home: Home, operation: str, request_members: dict[str, str], error: type[AwsError]
) -> None:
    with pytest.raises(error, match="not found"):
        home.call(operation, **request_members)
    with pytest.raises(ValidationException, match="must not be null"):
        home.call(operation)


def test_nobody_in_this_process_can_make_what_is_said_not_to_exist() -> None:
    served = {*SAGEMAKER} - {*OPERATIONS}
    elsewhere = {name for name, _ in inspect.getmembers(SageMakerResponse, inspect.isfunction)}
    nouns = {name.removeprefix("Describe") for name in DESCRIPTIONS}
    nouns |= {name.removeprefix("List").removesuffix("s") for name in LISTS}
    for operation in [*OPERATIONS, *(f"Create{noun}" for noun in nouns)]:
        assert operation not in served
        assert xform_name(operation) not in elsewhere
