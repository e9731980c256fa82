"""Requests against the service model: what AWS says of each fault."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, StructureShape

from tests.shapes.violations import full_request, valid_request, violations, wrong_types
from tuner.domain.errors import (
    InvalidParameterException,
    SerializationException,
    ValidationException,
)
from tuner.shapes.extensions import EXTRA_ENUM_VALUES, with_strategies
from tuner.shapes.model import check, structural_faults, unknown_members
from tuner.shapes.service_model import input_shape, service_model

OPERATIONS = [
    "CreateHyperParameterTuningJob",
    "DescribeHyperParameterTuningJob",
    "ListHyperParameterTuningJobs",
    "ListTrainingJobsForHyperParameterTuningJob",
    "StopHyperParameterTuningJob",
    "DeleteHyperParameterTuningJob",
    "CreateTrainingJob",
    "DescribeTrainingJob",
    "ListTrainingJobs",
    "StopTrainingJob",
    "DeleteTrainingJob",
    "AddTags",
    "ListTags",
    "DeleteTags",
]
CREATE = "CreateHyperParameterTuningJob"
SENTENCE = re.compile(
    r"(1 validation error|\d+ validation errors) detected: "
    r"Value .* at '[a-z].*' failed to satisfy constraint: (Member|Map) .*",
    re.DOTALL,
)


def faults_of(**changes: object) -> dict[str, list[str]]:
    """Path to messages for the valid request with some members replaced."""
    found: dict[str, list[str]] = {}
    for fault in structural_faults(CREATE, {**valid_request(CREATE), **changes}):
        found.setdefault(fault.path, []).append(fault.message)
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
def test_requests_with_the_fewest_and_with_all_members_pass(operation: str) -> None:
    check(operation, valid_request(operation))
    check(operation, full_request(operation))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_broken_constraint_is_a_validation_exception_that_names_the_place(
    operation: str,
) -> None:
    for what, params in violations(operation):
        with pytest.raises(ValidationException) as raised:
            check(operation, params)
        assert SENTENCE.fullmatch(raised.value.message), what
        assert raised.value.faults, what


@pytest.mark.parametrize("operation", OPERATIONS)
def test_json_of_another_type_is_a_serialization_exception(operation: str) -> None:
    for what, params in wrong_types(operation):
        with pytest.raises(SerializationException) as raised:
            check(operation, params)
        assert raised.value.faults[0].path, what


def test_violations_reach_every_constraint_of_the_create_operations() -> None:
    for operation in ("CreateHyperParameterTuningJob", "CreateTrainingJob"):
        found = [what for what, _ in violations(operation)]
        for kind in ("without", "outside the enum", "off the pattern", "longer than", "below"):
            assert sum(kind in what for what in found) >= 10, (operation, kind)


@pytest.mark.parametrize("params", [None, [], "text", 3])
def test_a_request_that_is_no_object_is_refused(params: object) -> None:
    with pytest.raises(SerializationException):
        check(CREATE, params)


def test_all_faults_of_a_request_are_told_together() -> None:
    params = valid_request(CREATE)
    params["HyperParameterTuningJobConfig"]["Strategy"] = "TPE"
    params["HyperParameterTuningJobName"] = "a_name"
    with pytest.raises(ValidationException) as raised:
        check(CREATE, params)
    assert raised.value.message == (
        "2 validation errors detected: Value 'a_name' at 'hyperParameterTuningJobName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: "
        "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}; Value 'TPE' at "
        "'hyperParameterTuningJobConfig.strategy' failed to satisfy constraint: Member must "
        "satisfy enum value set: [Bayesian, Random, Hyperband, Grid]"
    )


def test_a_missing_member_is_null() -> None:
    params = valid_request(CREATE)
    del params["TrainingJobDefinition"]["RoleArn"]
    with pytest.raises(ValidationException) as raised:
        check(CREATE, params)
    assert raised.value.message == (
        "1 validation error detected: Value null at 'trainingJobDefinition.roleArn' failed to "
        "satisfy constraint: Member must not be null"
    )
    assert raised.value.faults[0].path == "TrainingJobDefinition.RoleArn"


def test_null_counts_as_absent() -> None:
    assert faults_of(Tags=None, WarmStartConfig=None) == {}
    assert list(faults_of(HyperParameterTuningJobName=None)) == ["HyperParameterTuningJobName"]


def test_items_of_lists_are_numbered_as_the_user_counts_and_as_the_service_does() -> None:
    found = faults_of(Tags=[{"Key": "a", "Value": "b"}, {"Key": "a"}, None])
    assert found == {
        "Tags[1].Value": [
            "Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be "
            "null"
        ],
        "Tags[2]": [
            "Value null at 'tags.3.member' failed to satisfy constraint: Member must not be null"
        ],
    }


def test_values_of_a_map_make_one_fault_that_lists_their_constraints() -> None:
    definition = {
        **valid_request(CREATE)["TrainingJobDefinition"],
        "StaticHyperParameters": {"short": "x", "long": "y" * 2501, "longer": "z" * 2502},
    }
    found = faults_of(TrainingJobDefinition=definition)
    ((path, (message,)),) = found.items()
    assert path == "TrainingJobDefinition.StaticHyperParameters.long"
    assert message.startswith("Value '{short=x, long=yyy")
    assert message.endswith(
        "...' at 'trainingJobDefinition.staticHyperParameters' failed to satisfy constraint: Map "
        "value must satisfy constraint: [Member must have length less than or equal to 2500, "
        "Member must have length greater than or equal to 0, Member must satisfy regular "
        "expression pattern: .*]"
    )


def test_map_entries_of_another_type_or_null_are_told_by_their_key() -> None:
    definition = {
        **valid_request(CREATE)["TrainingJobDefinition"],
        "Environment": {"A": 1, "B": None},
    }
    assert list(faults_of(TrainingJobDefinition=definition)) == [
        "TrainingJobDefinition.Environment.A",
        "TrainingJobDefinition.Environment.B",
    ]


def test_tags_may_be_in_any_script() -> None:
    assert faults_of(Tags=[{"Key": "Ключ ü", "Value": "値"}]) == {}
    assert list(faults_of(Tags=[{"Key": "a*", "Value": "b"}])) == ["Tags[0].Key"]


def test_patterns_must_match_the_whole_value() -> None:
    assert list(faults_of(HyperParameterTuningJobName="a-name\n")) == [
        "HyperParameterTuningJobName"
    ]


@pytest.mark.parametrize("seed", [2**31, -(2**40), 1.0, 1.5, "1", True])
def test_integers_are_integers_of_their_size(seed: object) -> None:
    params = valid_request(CREATE)
    params["HyperParameterTuningJobConfig"]["RandomSeed"] = seed
    with pytest.raises(SerializationException, match="randomSeed"):
        check(CREATE, params)


@pytest.mark.parametrize("time", [float("nan"), float("inf"), "yesterday", 10**30])
def test_times_are_finite_numbers(time: object) -> None:
    with pytest.raises(SerializationException, match="a Timestamp"):
        check("ListTrainingJobs", {"CreationTimeAfter": time})


def test_the_instance_type_local_is_accepted_beyond_aws() -> None:
    params = valid_request(CREATE)
    params["TrainingJobDefinition"]["ResourceConfig"]["InstanceType"] = "local"
    check(CREATE, params)


def with_strategy(name: str) -> dict[str, Any]:
    params = valid_request(CREATE)
    params["HyperParameterTuningJobConfig"]["Strategy"] = name
    return params


def test_strategies_beyond_aws_are_those_that_the_caller_names() -> None:
    extra = with_strategies(lambda: ("Bayesian", "Ours", "Random"))
    check(CREATE, with_strategy("Ours"), extra=extra)
    with pytest.raises(ValidationException, match=r"\[Bayesian, Random, Hyperband, Grid\]$"):
        check(CREATE, with_strategy("Ours"))


def test_an_unknown_strategy_is_told_of_aws_values_and_then_of_the_others() -> None:
    (fault,) = structural_faults(
        CREATE, with_strategy("Guess"), with_strategies(lambda: ("Bayesian", "Ours", "Random"))
    )
    assert fault.path == "HyperParameterTuningJobConfig.Strategy"
    assert fault.message == (
        "Value 'Guess' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Bayesian, Random, Hyperband, Grid, Ours]"
    )


def test_the_names_of_strategies_are_looked_up_for_no_value_of_aws() -> None:
    def names() -> tuple[str, ...]:
        raise AssertionError("they were looked up")

    check(CREATE, with_strategy("Random"), extra=with_strategies(names))


def test_the_table_of_extensions_names_enums_of_the_model_and_nothing_that_aws_has() -> None:
    for name, values in EXTRA_ENUM_VALUES.items():
        assert not set(values) & set(service_model().shape_for(name).enum)


def test_unknown_members_are_ignored_on_the_wire_and_can_be_asked_for() -> None:
    params = valid_request(CREATE)
    limits = params["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxParalelTrainingJobs"] = 3
    params["TrainingJobDefinition"]["Zzz"] = {}
    check(CREATE, params)
    near, far = unknown_members(CREATE, params)
    assert near.path == "HyperParameterTuningJobConfig.ResourceLimits.MaxParalelTrainingJobs"
    assert near.message == (
        "There is no member MaxParalelTrainingJobs here; did you mean MaxParallelTrainingJobs?"
    )
    assert far.path == "TrainingJobDefinition.Zzz"
    assert "known are DefinitionName" in far.message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_member_of_the_model_is_unknown(operation: str) -> None:
    assert unknown_members(operation, full_request(operation)) == []


def test_shapes_that_requests_can_reach_are_of_kinds_that_are_checked() -> None:
    known = {"structure", "list", "map", "string", "boolean", "timestamp"}
    known |= {"integer", "long", "float", "double"}

    def kinds(shape: object) -> set[str]:
        if isinstance(shape, StructureShape):
            return set().union({"structure"}, *map(kinds, shape.members.values()))
        if isinstance(shape, ListShape):
            return {"list"} | kinds(shape.member)
        if isinstance(shape, MapShape):
            return {"map"} | kinds(shape.key) | kinds(shape.value)
        return {shape.type_name}  # type: ignore[attr-defined]

    for operation in OPERATIONS:
        assert kinds(input_shape(operation)) <= known


LONE = "\ud800"


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("Tags[0].Value", {"Tags": [{"Key": "a", "Value": LONE}]}),
        ("NobodyKnows.member", {"NobodyKnows": {"member": f"x{LONE}"}}),
        ("NobodyKnows", {"NobodyKnows": {LONE: 1}}),
    ],
)
def test_text_that_is_not_valid_utf8_is_refused_wherever_it_stands(
    place: str, changes: dict[str, object]
) -> None:
    with pytest.raises(SerializationException, match="not valid UTF-8") as raised:
        check(CREATE, {**valid_request(CREATE), **changes})
    assert [fault.path for fault in raised.value.faults] == [place]


def test_a_request_nested_without_end_is_refused() -> None:
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(SerializationException, match="nested more than"):
        check(CREATE, {**valid_request(CREATE), "NobodyKnows": deep})


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_other_services_refuse_in_their_own_words(limit: int) -> None:
    with pytest.raises(InvalidParameterException, match="at 'limit' failed to satisfy"):
        check("GetLogEvents", {"logStreamName": "a", "limit": limit}, "logs")
    with pytest.raises(SerializationException, match="'limit'"):
        check("GetLogEvents", {"logStreamName": "a", "limit": "abc"}, "logs")


def test_the_model_is_loaded_when_it_is_first_asked_for() -> None:
    program = (
        "import tuner.shapes.requests, tuner.shapes.responses, tuner.shapes.service_model as m;"
        "assert m.service_model.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
