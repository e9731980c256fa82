"""The rules of automatic model tuning, each broken alone: its place and its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shapes.violations import valid_request
from tuner.domain.algorithms import Algorithm, AlgorithmMetric
from tuner.domain.definitions import (
    ContinuousParameterRange,
    IntegerParameterRange,
    ObjectiveType,
    ParameterRanges,
    ScalingType,
    TrainingJobRequest,
    TuningJobRequest,
)
from tuner.domain.errors import Fault
from tuner.domain.ranges import SearchSpace
from tuner.domain.rules import training_job_faults, tuning_job_faults
from tuner.domain.rules_ranges import range_faults
from tuner.shapes.extensions import with_strategies
from tuner.shapes.model import structural_faults
from tuner.shapes.records import from_wire

Change = Callable[[dict[str, Any]], object]

CREATE = "CreateHyperParameterTuningJob"
CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
RANGES = f"{CONFIG}.ParameterRanges"
DEFINITION = "TrainingJobDefinition"
ANOTHER = "AStrategyThatAwsDoesNotHave"

XGBOOST = Algorithm(
    name="xgboost",
    built_in=True,
    metrics=(
        AlgorithmMetric(
            name="validation:auc", regex="auc:(.*)", objective_type=ObjectiveType.MAXIMIZE
        ),
        AlgorithmMetric(
            name="validation:rmse", regex="rmse:(.*)", objective_type=ObjectiveType.MINIMIZE
        ),
        AlgorithmMetric(name="train:auc", regex="t:(.*)"),
    ),
)


def faults(change: Change, algorithm: Algorithm | None = XGBOOST) -> list[Fault]:
    params = valid_request(CREATE)
    change(params)
    assert structural_faults(CREATE, params, with_strategies(lambda: (ANOTHER,))) == []
    request = from_wire(TuningJobRequest, params)
    return tuning_job_faults(request, [algorithm] * len(request.definitions))


def only_fault(change: Change, algorithm: Algorithm | None = XGBOOST) -> Fault:
    (fault,) = faults(change, algorithm)
    return fault


def with_config(**members: Any) -> Change:
    return lambda params: params[CONFIG].update(members)


def with_limits(**members: Any) -> Change:
    return lambda params: params[CONFIG]["ResourceLimits"].update(members)


def with_definition(**members: Any) -> Change:
    return lambda params: params[DEFINITION].update(members)


def with_ranges(**lists: Any) -> Change:
    def change(params: dict[str, Any]) -> None:
        params[CONFIG]["ParameterRanges"] = {
            f"{kind.capitalize()}ParameterRanges": items for kind, items in lists.items()
        }
        params[CONFIG]["ResourceLimits"] = {
            "MaxNumberOfTrainingJobs": 1,
            "MaxParallelTrainingJobs": 1,
        }

    return change


def numeric(low: str, high: str, scaling: str | None = None, name: str = "x") -> dict[str, Any]:
    item = {"Name": name, "MinValue": low, "MaxValue": high}
    return item if scaling is None else {**item, "ScalingType": scaling}


def categorical(*values: str, name: str = "c") -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def both(*changes: Change) -> Change:
    return lambda params: [change(params) for change in changes]


def several(count: int, **members: Any) -> Change:
    """TrainingJobDefinitions instead of one, all alike but for their names."""

    def change(params: dict[str, Any]) -> None:
        own = {
            "TuningObjective": params[CONFIG].pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": params[CONFIG].pop("ParameterRanges"),
        }
        single = params.pop(DEFINITION)
        params["TrainingJobDefinitions"] = [
            {**single, **own, "DefinitionName": f"d{index}", **members} for index in range(count)
        ]

    return change


def test_a_valid_request_breaks_no_rule() -> None:
    assert faults(lambda params: None) == []
    assert faults(several(2)) == []


# ---- ranges ----------------------------------------------------------------------------------

RANGE_CASES = [
    ("continuous", numeric("2", "1"), "MaxValue", "must be greater than its MinValue"),
    ("continuous", numeric("1", "1.0"), "MaxValue", "must be greater than its MinValue"),
    ("integer", numeric("3", "3"), "MaxValue", "must be greater than its MinValue"),
    ("continuous", numeric("a", "1"), "MinValue", "is not a finite number: [a]"),
    ("continuous", numeric("0", "inf"), "MaxValue", "is not a finite number: [inf]"),
    ("integer", numeric("0", "1.5"), "MaxValue", "is not an integer: [1.5]"),
    ("integer", numeric("", "1"), "MinValue", "is not an integer: []"),
    ("integer", numeric("0", str(2**63)), "MaxValue", "exceeds 64-bit integers"),
    ("integer", numeric("1", "9", "ReverseLogarithmic"), "ScalingType", "isn't supported for the"),
    ("integer", numeric("0", "9", "Logarithmic"), "ScalingType", "are greater than 0"),
    ("continuous", numeric("-1", "9", "Logarithmic"), "ScalingType", "are greater than 0"),
    (
        "continuous",
        numeric("0", "1", "ReverseLogarithmic"),
        "ScalingType",
        "greater than or equal to 0 and less than 1",
    ),
    ("categorical", categorical("a", "b", "a"), "Values", "must be unique; given more than once"),
]


@pytest.mark.parametrize(("kind", "item", "member", "text"), RANGE_CASES)
def test_a_range_with_a_fault_is_told_by_its_place(
    kind: str, item: dict[str, Any], member: str, text: str
) -> None:
    fault = only_fault(with_ranges(**{kind: [item]}))
    assert fault.path == f"{RANGES}.{kind.capitalize()}ParameterRanges[0].{member}"
    assert text in fault.message and item["Name"] in fault.message


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("continuous", numeric("0", "0.999", "ReverseLogarithmic")),
        ("continuous", numeric("1e-8", "1.0E1", "Logarithmic")),
        ("integer", numeric("-5", "5", "Auto")),
        ("categorical", categorical("one")),
    ],
)
def test_ranges_at_the_edge_of_the_rules_pass(kind: str, item: dict[str, Any]) -> None:
    assert faults(with_ranges(**{kind: [item]})) == []


def test_at_most_thirty_hyperparameters_are_searched_over_all_kinds() -> None:
    integers = [numeric("1", "9", name=f"i{index}") for index in range(16)]
    continuous = [numeric("1", "9", name=f"x{index}") for index in range(15)]
    fault = only_fault(with_ranges(integer=integers, continuous=continuous))
    assert fault.quota and fault.path == RANGES and "[31]" in fault.message
    assert faults(with_ranges(integer=integers, continuous=continuous[1:])) == []


def test_names_are_not_shared_between_ranges_nor_empty() -> None:
    twice = with_ranges(continuous=[numeric("0", "1")], categorical=[categorical("a", name="x")])
    assert only_fault(twice).message == "The hyperparameter [x] must have one range, not 2."
    nameless = with_ranges(continuous=[numeric("0", "1", name="")])
    assert "must not be empty" in only_fault(nameless).message


def test_something_must_be_searched() -> None:
    assert (
        only_fault(with_ranges()).message == "Provide at least one hyperparameter range to search."
    )


BOUNDS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=True).map(repr),
    st.text("0123456789+-.eE_ ab", max_size=8),
)


@given(BOUNDS, BOUNDS, st.sampled_from([None, *ScalingType]), st.booleans())
def test_ranges_without_fault_make_a_search_space_whose_every_point_is_within(
    low: str, high: str, scaling: ScalingType | None, whole: bool
) -> None:
    kind = IntegerParameterRange if whole else ContinuousParameterRange
    item = kind(name="x", min_value=low, max_value=high, scaling_type=scaling)
    ranges = (
        ParameterRanges(integer_parameter_ranges=(item,))  # type: ignore[arg-type]
        if whole
        else ParameterRanges(continuous_parameter_ranges=(item,))  # type: ignore[arg-type]
    )
    if list(range_faults(ranges, "")):
        return
    space = SearchSpace.of(ranges)
    for u in (0.0, 0.5, 1.0):
        value = float(space.decode([u])["x"])
        assert float(low) <= value <= float(high)


# ---- limits and strategies -------------------------------------------------------------------


def test_a_discrete_space_must_have_as_many_combinations_as_training_jobs() -> None:
    change = both(
        with_ranges(categorical=[categorical("a", "b", "c")]),
        with_limits(MaxNumberOfTrainingJobs=10),
    )
    assert only_fault(change) == Fault(
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "You don't have enough combinations of hyperparameter ranges. The total number of "
        "hyperparameter combinations for the provided ranges [3.0] must be equal or greater than "
        "the value of MaxNumberOfJobs, [10]. Provide additional ranges.",
    )


def test_a_continuous_range_has_combinations_without_end() -> None:
    change = both(
        with_ranges(categorical=[categorical("a")], continuous=[numeric("0", "1")]),
        with_limits(MaxNumberOfTrainingJobs=750),
    )
    assert faults(change) == []


def test_no_more_run_in_parallel_than_there_are() -> None:
    fault = only_fault(with_limits(MaxNumberOfTrainingJobs=1))
    assert fault.path == f"{LIMITS}.MaxParallelTrainingJobs"
    assert "[2], must be less than or equal to the value of MaxNumberOfTrainingJobs, [1]" in (
        fault.message
    )


@pytest.mark.parametrize(
    ("strategy", "number", "fits"),
    [
        ("Bayesian", 750, True),
        ("Bayesian", 751, False),
        ("Random", 751, True),
        ("Random", 10_000, True),
        ("Random", 10_001, False),
        (ANOTHER, 10_000, True),
        (ANOTHER, 10_001, False),
    ],
)
def test_the_number_of_training_jobs_has_a_quota(strategy: str, number: int, fits: bool) -> None:
    change = both(with_config(Strategy=strategy), with_limits(MaxNumberOfTrainingJobs=number))
    found = faults(change)
    assert [fault.quota for fault in found] == ([] if fits else [True])


def test_the_number_of_parallel_training_jobs_has_a_quota() -> None:
    limits = {"MaxNumberOfTrainingJobs": 200, "MaxParallelTrainingJobs": 101}
    fault = only_fault(with_limits(**limits))
    assert fault.quota and "is 100, with a request of 101" in fault.message


def grid(number: int | None, *ranges: dict[str, Any]) -> Change:
    def change(params: dict[str, Any]) -> None:
        limits = {"MaxParallelTrainingJobs": 1}
        if number is not None:
            limits["MaxNumberOfTrainingJobs"] = number
        params[CONFIG].update(
            Strategy="Grid",
            ResourceLimits=limits,
            ParameterRanges={"CategoricalParameterRanges": list(ranges)},
        )

    return change


def test_a_grid_is_of_categoricals_only() -> None:
    fault = only_fault(
        both(with_config(Strategy="Grid"), with_ranges(integer=[numeric("1", "3")]))
    )
    assert fault.path == f"{CONFIG}.Strategy" and "[x]" in fault.message


def test_a_grid_has_as_many_training_jobs_as_combinations() -> None:
    two, three = categorical("a", "b", name="p"), categorical("a", "b", "c", name="q")
    assert faults(grid(6, two, three)) == faults(grid(None, two, three)) == []
    fault = only_fault(grid(5, two, three))
    assert fault.path == f"{LIMITS}.MaxNumberOfTrainingJobs"
    assert "[5], must be equal to" in fault.message and "[6]" in fault.message


def test_a_grid_has_a_quota_though_its_size_is_not_given() -> None:
    values = [str(index) for index in range(28)]
    ranges = [categorical(*values, name="p"), categorical(*values, name="q")]
    assert only_fault(grid(None, *ranges)).quota


def test_strategy_config_is_for_hyperband() -> None:
    config = {"HyperbandStrategyConfig": {"MaxResource": 9}}
    fault = only_fault(with_config(StrategyConfig=config))
    assert fault.path == f"{CONFIG}.StrategyConfig"


def hyperband(**members: Any) -> Change:
    config = {"HyperbandStrategyConfig": members}
    return with_config(Strategy="Hyperband", StrategyConfig=config)


def test_hyperband_needs_a_largest_resource_or_a_number_of_epochs() -> None:
    fault = only_fault(with_config(Strategy="Hyperband"))
    assert fault.message == (
        "MaxResource parameter is not provided and could not be inferred from provided static "
        "hyperparameters of TrainingJobDefinition."
    )
    epochs = with_definition(StaticHyperParameters={"n-epochs": "20"})
    assert faults(both(hyperband(MinResource=2), epochs)) == []
    assert faults(hyperband(MaxResource=30, MinResource=30)) == []


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"MaxResource": 20_001}, "MaxResource"),
        ({"MinResource": 3, "MaxResource": 2}, "MinResource"),
    ],
)
def test_hyperbands_resources_have_limits(members: dict[str, int], member: str) -> None:
    fault = only_fault(hyperband(**members))
    assert fault.path == f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig.{member}"


def test_hyperband_stops_training_jobs_itself() -> None:
    change = both(hyperband(MaxResource=9), with_config(TrainingJobEarlyStoppingType="Auto"))
    assert only_fault(change).path == f"{CONFIG}.TrainingJobEarlyStoppingType"


# ---- objective and hyperparameters -----------------------------------------------------------


def objective(name: str, kind: str = "Maximize") -> Change:
    return with_config(HyperParameterTuningJobObjective={"Type": kind, "MetricName": name})


def own_metrics(*names: str) -> Change:
    return with_definition(
        AlgorithmSpecification={
            "TrainingImage": "own",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": "(.*)"} for name in names],
        }
    )


def test_an_objective_is_required() -> None:
    fault = only_fault(lambda params: params[CONFIG].pop("HyperParameterTuningJobObjective"))
    assert fault.path == f"{CONFIG}.HyperParameterTuningJobObjective"


def test_the_objective_must_be_among_the_metric_definitions() -> None:
    fault = only_fault(both(objective("loss"), own_metrics("other")), None)
    assert fault == Fault(
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in "
        "the metric definitions.",
    )
    assert faults(both(objective("loss"), own_metrics("other", "loss")), None) == []


def test_an_image_that_declares_its_metrics_needs_no_definitions() -> None:
    declared = Algorithm(name="own", built_in=False, metrics=XGBOOST.metrics)
    assert faults(objective("train:auc", "Minimize"), declared) == []


def test_metrics_of_built_in_algorithms_are_not_overridden() -> None:
    fault = only_fault(own_metrics("validation:auc"))
    assert fault.path == f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions"
    assert fault.message == (
        "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry "
        "the request without specifying metric definitions."
    )


@pytest.mark.parametrize("name", ["validation:nothing", "train:auc"])
def test_a_built_in_algorithm_is_tuned_by_one_of_its_metrics(name: str) -> None:
    fault = only_fault(objective(name))
    assert f"[{name}], isn't valid for the [xgboost] algorithm" in fault.message
    assert "validation:auc, validation:rmse" in fault.message


def test_the_direction_of_a_built_in_metric_is_fixed() -> None:
    fault = only_fault(objective("validation:rmse", "Maximize"))
    assert fault.path == f"{CONFIG}.HyperParameterTuningJobObjective.Type"
    assert "[Maximize]" in fault.message


def test_a_hyperparameter_is_tuned_or_static() -> None:
    fault = only_fault(with_definition(StaticHyperParameters={"eta": "0.1"}))
    assert fault.path == f"{DEFINITION}.StaticHyperParameters.eta"


def test_a_hundred_hyperparameters_are_the_most_with_the_one_that_is_added() -> None:
    names = [f"s{index}" for index in range(98)]
    assert faults(with_definition(StaticHyperParameters=dict.fromkeys(names[:97], ""))) == []
    fault = only_fault(with_definition(StaticHyperParameters=dict.fromkeys(names, "")))
    assert "[101]" in fault.message


def test_the_name_of_the_added_hyperparameter_is_reserved() -> None:
    name = "_tuning_objective_metric"
    assert faults(with_definition(StaticHyperParameters={name: "validation:auc"})) == []
    fault = only_fault(with_definition(StaticHyperParameters={name: "other"}))
    assert fault.path == f"{DEFINITION}.StaticHyperParameters.{name}"
    fault = only_fault(with_ranges(continuous=[numeric("0", "1", name=name)]))
    assert fault.message == f"The hyperparameter name {name} is reserved."


# ---- definitions -----------------------------------------------------------------------------


def test_exactly_one_kind_of_definition_is_given() -> None:
    for change in (
        lambda params: params.pop(DEFINITION),
        lambda params: params.update(TrainingJobDefinitions=[params[DEFINITION]]),
    ):
        found = faults(change)
        assert found[0].message == (
            "Provide either TrainingJobDefinition or TrainingJobDefinitions, and not both."
        )


def test_a_single_definition_does_not_contradict_the_config() -> None:
    other = {"Type": "Minimize", "MetricName": "validation:rmse"}
    fault = only_fault(with_definition(TuningObjective=other))
    assert fault.path == f"{DEFINITION}.TuningObjective"
    ranges = {"ContinuousParameterRanges": [numeric("0", "1")]}
    fault = only_fault(with_definition(HyperParameterRanges=ranges))
    assert fault.path == f"{DEFINITION}.HyperParameterRanges"


def first_definition(**members: Any) -> Change:
    return lambda params: params["TrainingJobDefinitions"][0].update(members)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (first_definition(DefinitionName="d1"), "TrainingJobDefinitions[0].DefinitionName"),
        (first_definition(DefinitionName=None), "TrainingJobDefinitions[0].DefinitionName"),
        (first_definition(HyperParameterRanges=None), "TrainingJobDefinitions[0]"),
        (first_definition(TuningObjective=None), "TrainingJobDefinitions[0].TuningObjective"),
        (
            first_definition(
                TuningObjective={"Type": "Minimize", "MetricName": "validation:rmse"}
            ),
            "TrainingJobDefinitions",
        ),
        (
            with_config(ParameterRanges={"ContinuousParameterRanges": [numeric("0", "1")]}),
            f"{CONFIG}.ParameterRanges",
        ),
        (objective("validation:auc"), f"{CONFIG}.HyperParameterTuningJobObjective"),
        (
            with_config(TrainingJobEarlyStoppingType="Auto"),
            f"{CONFIG}.TrainingJobEarlyStoppingType",
        ),
    ],
)
def test_several_definitions_have_rules_of_their_own(change: Change, path: str) -> None:
    found = faults(both(several(2), change))
    assert found and all(fault.path.startswith(("Training", CONFIG)) for fault in found)
    assert any(fault.path.startswith(path) for fault in found)


def test_environments_of_all_definitions_have_one_limit() -> None:
    def environment(count: int) -> dict[str, str]:
        return {f"E{index}": "" for index in range(count)}

    assert faults(several(2, Environment=environment(24))) == []
    fault = only_fault(several(2, Environment=environment(25)))
    assert "at most 48 environment variables" in fault.message


# ---- training jobs ---------------------------------------------------------------------------


def test_resources_are_given_once() -> None:
    fault = only_fault(lambda params: params[DEFINITION].pop("ResourceConfig"))
    assert fault.path == f"{DEFINITION}.ResourceConfig"
    plain = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    assert faults(with_definition(HyperParameterTuningResourceConfig=plain)) == []
    other = {**plain, "InstanceCount": 2}
    fault = only_fault(with_definition(HyperParameterTuningResourceConfig=other))
    assert fault.path == f"{DEFINITION}.HyperParameterTuningResourceConfig"


GROUP = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}
INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}

RESOURCE_CASES = [
    ("ResourceConfig", {"InstanceType": "ml.m5.large", "InstanceCount": 0}, ".InstanceCount"),
    ("ResourceConfig", {"InstanceCount": 1}, ".InstanceType"),
    ("ResourceConfig", {"InstanceGroups": [GROUP], "InstanceCount": 1}, ".InstanceGroups"),
    ("ResourceConfig", {"InstanceGroups": [GROUP], "InstanceType": "local"}, ".InstanceGroups"),
    (
        "ResourceConfig",
        {"InstanceGroups": [GROUP, {**GROUP, "InstanceType": "local"}]},
        ".InstanceGroups[1].InstanceGroupName",
    ),
    (
        "ResourceConfig",
        {"InstanceGroups": [{**GROUP, "InstanceCount": 0}]},
        ".InstanceGroups[0].InstanceCount",
    ),
    (
        "HyperParameterTuningResourceConfig",
        {"InstanceConfigs": [INSTANCES], "InstanceType": "ml.m5.large"},
        ".InstanceConfigs",
    ),
    (
        "HyperParameterTuningResourceConfig",
        {"InstanceType": "ml.m5.large", "AllocationStrategy": "Prioritized"},
        ".AllocationStrategy",
    ),
]


@pytest.mark.parametrize(("member", "config", "path"), RESOURCE_CASES)
def test_instances_are_given_one_way(member: str, config: dict[str, Any], path: str) -> None:
    def change(params: dict[str, Any]) -> None:
        del params[DEFINITION]["ResourceConfig"]
        params[DEFINITION][member] = config

    assert only_fault(change).path == f"{DEFINITION}.{member}{path}"


def test_instance_groups_exclude_instances_without_one() -> None:
    config = {"InstanceGroups": [GROUP], "InstanceType": "ml.m5.large", "InstanceCount": 1}
    fault = only_fault(with_definition(ResourceConfig=config))
    assert fault.message == (
        "InstanceType or InstanceCount cannot be specified with InstanceGroups"
    )


def test_instances_of_one_type_have_a_quota() -> None:
    text = (
        "The account-level service limit 'ml.m5.large for training job usage' is 20 Instances, "
        "with current utilization of 0 Instances and a request delta of {} Instances. Please use "
        "AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
        "available, contact AWS support to request an increase for this quota."
    )
    of_type = {**INSTANCES, "InstanceCount": 20}
    assert faults(with_definition(ResourceConfig=of_type)) == []
    fault = only_fault(with_definition(ResourceConfig={**of_type, "InstanceCount": 2**31 - 1}))
    member = f"{DEFINITION}.ResourceConfig"
    assert fault == Fault(f"{member}.InstanceCount", text.format(2**31 - 1), quota=True)

    def tuned(params: dict[str, Any]) -> None:
        del params[DEFINITION]["ResourceConfig"]
        config = {"InstanceType": "ml.m5.large", "InstanceCount": 21}
        params[DEFINITION]["HyperParameterTuningResourceConfig"] = config

    member = f"{DEFINITION}.HyperParameterTuningResourceConfig"
    assert only_fault(tuned) == Fault(f"{member}.InstanceCount", text.format(21), quota=True)


def test_the_quota_counts_all_groups_of_a_type() -> None:
    groups = [
        {**GROUP, "InstanceGroupName": name, "InstanceType": kind, "InstanceCount": 11}
        for name, kind in (("a", "ml.m5.large"), ("b", "ml.c5.xlarge"), ("c", "ml.m5.large"))
    ]
    config = {"InstanceGroups": groups[:2], "VolumeSizeInGB": 1}
    assert faults(with_definition(ResourceConfig=config)) == []
    fault = only_fault(with_definition(ResourceConfig={**config, "InstanceGroups": groups}))
    assert fault.path == f"{DEFINITION}.ResourceConfig.InstanceGroups" and fault.quota
    assert "'ml.m5.large for training job usage' is 20 Instances" in fault.message
    assert "a request delta of 22 Instances" in fault.message


def in_groups(*channels: dict[str, Any]) -> Change:
    groups = [GROUP, {**GROUP, "InstanceGroupName": "h", "InstanceType": "ml.c5.xlarge"}]
    config = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    return with_definition(ResourceConfig=config, InputDataConfig=[*channels])


def test_a_channel_is_for_groups_that_there_are() -> None:
    whole, first = channel("a", InstanceGroupNames=["g", "h"]), channel("b")
    assert faults(in_groups(whole)) == faults(in_groups(first)) == []
    fault = only_fault(in_groups(whole, channel("b", InstanceGroupNames=["g", "x", "y"])))
    assert fault.path == (
        f"{DEFINITION}.InputDataConfig[1].DataSource.S3DataSource.InstanceGroupNames"
    )
    assert fault.message == (
        "The channel b is for instance groups that are not among the InstanceGroups of the "
        "training job: [x, y]"
    )


def test_a_channel_is_for_no_groups_where_there_are_none() -> None:
    channels = [channel(InstanceGroupNames=["g"])]
    assert "not among" in only_fault(with_definition(InputDataConfig=channels)).message


def test_all_channels_are_for_groups_or_none_is() -> None:
    fault = only_fault(
        in_groups(channel("a"), channel("b", InstanceGroupNames=["h"]), channel("c"))
    )
    assert fault == Fault(
        f"{DEFINITION}.InputDataConfig",
        "Some channels have assigned instance groups: [b] while others not: [a, c]",
    )


def channel(name: str = "train", **source: Any) -> dict[str, Any]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in", **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}}


SPEC_CASES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"InputDataConfig": [channel(), channel()]},
        "InputDataConfig[1].ChannelName",
        "Channel names must be unique; [train] is given twice.",
    ),
    (
        {"InputDataConfig": [{"ChannelName": "train", "DataSource": {}}]},
        "InputDataConfig[0].DataSource",
        "Provide either S3DataSource or FileSystemDataSource, and not both.",
    ),
    (
        {"InputDataConfig": [channel(AttributeNames=["a"])]},
        "InputDataConfig[0].DataSource.S3DataSource.AttributeNames",
        "AttributeNames is only supported with the S3DataType AugmentedManifestFile.",
    ),
    (
        {"InputDataConfig": [channel("..")]},
        "InputDataConfig[0].ChannelName",
        "The channel name [..] can't be the name of a directory.",
    ),
    (
        {"OutputDataConfig": {"S3OutputPath": "s3://My_bucket/x"}},
        "OutputDataConfig.S3OutputPath",
        "[My_bucket] is not a legal bucket name: 3 to 63 lower-case letters, digits, periods and "
        "hyphens.",
    ),
    (
        {"OutputDataConfig": {"S3OutputPath": f"s3://bucket/{'x' * 1000}"}},
        "OutputDataConfig.S3OutputPath",
        "With what is added to it, S3OutputPath exceeds the 1024 bytes of a key.",
    ),
    (
        {"AlgorithmSpecification": {"TrainingInputMode": "File"}},
        "AlgorithmSpecification",
        "Provide either TrainingImage or AlgorithmName, and not both.",
    ),
    (
        {"StoppingCondition": {"MaxRuntimeInSeconds": 2_419_201}},
        "StoppingCondition.MaxRuntimeInSeconds",
        "MaxRuntimeInSeconds must be less than or equal to 2419200.",
    ),
    (
        {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}},
        "StoppingCondition.MaxWaitTimeInSeconds",
        "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set "
        "to true",
    ),
    (
        {
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            "EnableManagedSpotTraining": True,
        },
        "StoppingCondition.MaxWaitTimeInSeconds",
        "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
        "MaxRuntimeInSeconds",
    ),
    (
        {"StoppingCondition": {"MaxWaitTimeInSeconds": 3600}, "EnableManagedSpotTraining": True},
        "StoppingCondition.MaxWaitTimeInSeconds",
        "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
        "MaxRuntimeInSeconds",
    ),
    (
        {"CheckpointConfig": {"S3Uri": "s3://My_bucket/x"}},
        "CheckpointConfig.S3Uri",
        "[My_bucket] is not a legal bucket name: 3 to 63 lower-case letters, digits, periods and "
        "hyphens.",
    ),
    *[
        (
            {"CheckpointConfig": {"S3Uri": "s3://bucket/x", "LocalPath": path}},
            "CheckpointConfig.LocalPath",
            f"LocalPath [{path}] can't be a directory for checkpoints: it must be an absolute "
            "path without .., not /opt/ml itself, and not below /opt/ml/input.",
        )
        for path in (
            "checkpoints",
            "/",
            "/opt/ml/",
            "/opt//ml/./",
            "/opt/ml/checkpoints/../../x",
            "/opt/ml/input/data",
            "",
        )
    ],
]


@pytest.mark.parametrize("path", ["/opt/ml/checkpoints/", "/opt/ml/model", "/data/checkpoints"])
def test_checkpoints_may_lie_wherever_a_container_has_room(path: str) -> None:
    config = {"S3Uri": "s3://bucket/x", "LocalPath": path}
    assert faults(with_definition(CheckpointConfig=config)) == []


@pytest.mark.parametrize(("members", "path", "text"), SPEC_CASES)
def test_definitions_and_training_jobs_share_their_rules(
    members: dict[str, Any], path: str, text: str
) -> None:
    assert only_fault(with_definition(**members)) == Fault(f"{DEFINITION}.{path}", text)
    params = {**valid_request("CreateTrainingJob"), **members}
    assert structural_faults("CreateTrainingJob", params) == []
    request = from_wire(TrainingJobRequest, params)
    assert training_job_faults(request, XGBOOST) == [Fault(path, text)]


def test_tags_have_unique_keys_that_are_not_reserved() -> None:
    found = faults(
        lambda params: params.update(
            Tags=[{"Key": key, "Value": ""} for key in ("a", "a", "aws:b")]
        )
    )
    assert [fault.path for fault in found] == ["Tags[0].Key", "Tags[1].Key", "Tags[2].Key"]


# ---- warm start ------------------------------------------------------------------------------


def warm_start(*names: str | None) -> Change:
    parents = [{} if name is None else {"HyperParameterTuningJobName": name} for name in names]
    config = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "TransferLearning"}
    return lambda params: params.update(WarmStartConfig=config)


def test_warm_start_is_for_one_definition_and_strategies_that_learn_or_draw() -> None:
    assert faults(warm_start("a", "b")) == []
    assert len(faults(both(several(2), warm_start("a")))) == 1
    assert len(faults(both(grid(None, categorical("a", "b")), warm_start("a")))) == 1


def test_each_parent_has_a_name_and_is_given_once() -> None:
    assert len(faults(warm_start("a", "A"))) == 2
    assert only_fault(warm_start("a", None)).path.endswith("Jobs[1]")
