"""Bad requests: AWS's error shape and words, the member named, nothing stored."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.service.service_home import REGION, Home, changed, training, tuning
from tests.shapes.violations import violations, wrong_types
from tuner.domain.errors import (
    AwsError,
    ResourceInUse,
    ResourceLimitExceeded,
    ResourceNotFound,
    SerializationException,
    UnknownOperationException,
    ValidationException,
)
from tuner.domain.ports import Page
from tuner.service import SAGEMAKER
from tuner.service.paging import next_token, query_of

CONFIG = "HyperParameterTuningJobConfig"
RANGES = f"{CONFIG}.ParameterRanges"
DEFINITION = "TrainingJobDefinition"


@pytest.mark.parametrize("operation", sorted(SAGEMAKER))
def test_whatever_breaks_the_service_model_is_refused_as_aws_does(
    home: Home, operation: str
) -> None:
    before, seen = home.stored(), 0
    for broken, params in violations(operation):
        with pytest.raises(ValidationException) as refused:
            home.call(operation, **params)
        text = refused.value.message
        assert "validation error" in text and "failed to satisfy constraint" in text, broken
        assert refused.value.faults, broken
        seen += 1
    assert seen > 0
    assert home.stored() == before


@pytest.mark.parametrize("operation", sorted(SAGEMAKER))
def test_json_of_a_wrong_type_is_a_serialization_exception(home: Home, operation: str) -> None:
    for broken, params in wrong_types(operation):
        with pytest.raises(AwsError) as refused:
            home.call(operation, **params)
        assert isinstance(refused.value, SerializationException), (broken, refused.value)


def _ranges(**lists: list[dict[str, Any]]) -> dict[str, Any]:
    return {f"{kind}ParameterRanges": items for kind, items in lists.items()}


def _number(low: str, high: str, scaling: str | None = None, name: str = "x") -> dict[str, Any]:
    found = {"Name": name, "MinValue": low, "MaxValue": high}
    return found if scaling is None else found | {"ScalingType": scaling}


SEMANTIC: list[tuple[str, str, Any, str]] = [
    ("min above max", RANGES, _ranges(Continuous=[_number("2", "1")]), "x"),
    ("min equal to max", RANGES, _ranges(Integer=[_number("2", "2")]), "x"),
    ("bounds that are no numbers", RANGES, _ranges(Integer=[_number("a", "2")]), "x"),
    ("an integer range with fractions", RANGES, _ranges(Integer=[_number("0.5", "2")]), "x"),
    (
        "a logarithmic range that reaches zero",
        RANGES,
        _ranges(Continuous=[_number("0", "1", "Logarithmic")]),
        "Logarithmic",
    ),
    (
        "a reverse logarithmic range that reaches one",
        RANGES,
        _ranges(Continuous=[_number("0", "1", "ReverseLogarithmic")]),
        "ReverseLogarithmic",
    ),
    (
        "reverse logarithmic integers",
        RANGES,
        _ranges(Integer=[_number("0", "9", "ReverseLogarithmic")]),
        "ReverseLogarithmic",
    ),
    (
        "duplicate categorical values",
        RANGES,
        _ranges(Categorical=[{"Name": "x", "Values": ["a", "a", "b", "c"]}]),
        "x",
    ),
    (
        "one name in two ranges",
        RANGES,
        _ranges(Continuous=[_number("0", "1")], Integer=[_number("0", "9")]),
        "x",
    ),
    (
        "too few combinations",
        RANGES,
        _ranges(Categorical=[{"Name": "x", "Values": ["a", "b"]}]),
        "You don't have enough combinations of hyperparameter ranges. The total number of "
        "hyperparameter combinations for the provided ranges [2.0] must be equal or greater than "
        "the value of MaxNumberOfJobs, [3]. Provide additional ranges.",
    ),
    (
        "more than thirty ranges",
        RANGES,
        _ranges(
            Continuous=[_number("0", "1", name=f"c{i}") for i in range(20)],
            Integer=[_number("0", "9", name=f"i{i}") for i in range(11)],
        ),
        "30",
    ),
    ("a name both tunable and static", f"{DEFINITION}.StaticHyperParameters", {"x": "1"}, "x"),
    (
        "no metric of the objective's name",
        f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions",
        [{"Name": "other", "Regex": "other=(.*)"}],
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in "
        "the metric definitions.",
    ),
    (
        "metric definitions for a built-in algorithm",
        f"{DEFINITION}.AlgorithmSpecification.TrainingImage",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry "
        "the request without specifying metric definitions.",
    ),
    (
        "a regex that does not compile",
        f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions.0.Regex",
        "loss=(",
        "regular expression",
    ),
    (
        "an image nobody knows",
        f"{DEFINITION}.AlgorithmSpecification.TrainingImage",
        "nobody/knows:this",
        "TUNER_IMAGE_MAP",
    ),
    (
        "more parallel than there are jobs",
        f"{CONFIG}.ResourceLimits.MaxParallelTrainingJobs",
        4,
        "MaxParallelTrainingJobs",
    ),
    ("no objective", f"{CONFIG}.HyperParameterTuningJobObjective", None, "objective"),
    ("no definition", DEFINITION, None, "TrainingJobDefinition"),
    (
        "no instances",
        f"{DEFINITION}.ResourceConfig.InstanceCount",
        0,
        "InstanceCount",
    ),
    (
        "no objects under an input prefix",
        f"{DEFINITION}.InputDataConfig",
        [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://nowhere/at/all"}
                },
            }
        ],
        'No S3 objects found under S3 URL "s3://nowhere/at/all" given in input data source.',
    ),
    (
        "a strategy config for another strategy",
        f"{CONFIG}.StrategyConfig",
        {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
        "Hyperband",
    ),
    ("an unknown strategy", f"{CONFIG}.Strategy", "Guess", "enum value set"),
    ("a strategy not served yet", f"{CONFIG}.Strategy", "Hyperband", "Hyperband"),
    (
        "early stopping",
        f"{CONFIG}.TrainingJobEarlyStoppingType",
        "Auto",
        "TrainingJobEarlyStoppingType",
    ),
    (
        "completion criteria",
        f"{CONFIG}.TuningJobCompletionCriteria",
        {"TargetObjectiveMetricValue": 0.5},
        "TuningJobCompletionCriteria",
    ),
    ("autotune", "Autotune", {"Mode": "Enabled"}, "Autotune"),
    (
        "warm start",
        "WarmStartConfig",
        {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}],
            "WarmStartType": "TransferLearning",
        },
        "WarmStartConfig",
    ),
    (
        "spot training",
        f"{DEFINITION}.EnableManagedSpotTraining",
        True,
        "MaxWaitTimeInSeconds",
    ),
    ("network isolation", f"{DEFINITION}.EnableNetworkIsolation", True, "EnableNetworkIsolation"),
    (
        "gzip in file mode",
        f"{DEFINITION}.InputDataConfig",
        [
            {
                "ChannelName": "train",
                "CompressionType": "Gzip",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/x"}},
            }
        ],
        "Invalid compression type for channel train: File mode only supports NONE, got Gzip",
    ),
    (
        "a manifest that is not there",
        f"{DEFINITION}.InputDataConfig",
        [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://nowhere/list"}
                },
            }
        ],
        'No S3 objects found under S3 URL "s3://nowhere/list" given in input data source.',
    ),
    (
        "checkpoints",
        f"{DEFINITION}.CheckpointConfig",
        {"S3Uri": "s3://bucket/checkpoints", "LocalPath": "/opt/ml/input/data"},
        "LocalPath",
    ),
    ("grid over numbers", f"{CONFIG}.Strategy", "Grid", "categorical"),
]


@pytest.mark.parametrize(
    ("path", "value", "text"), [pytest.param(*row[1:], id=row[0]) for row in SEMANTIC]
)
def test_a_request_that_breaks_a_rule_is_refused(
    home: Home, path: str, value: Any, text: str
) -> None:
    before = home.stored()
    with pytest.raises((ValidationException, ResourceLimitExceeded)) as refused:
        home.call("CreateHyperParameterTuningJob", **changed(tuning("refused"), path, value))
    assert text.lower() in refused.value.message.lower(), refused.value.message
    faults = home.call("Tuner.ValidateTuningJob", **changed(tuning("refused"), path, value))
    assert any(text.lower() in fault["Message"].lower() for fault in faults["Faults"])
    assert home.stored() == before


@pytest.mark.parametrize(
    ("create", "spec", "path"),
    [
        ("CreateTrainingJob", training("refused"), "ResourceConfig"),
        ("CreateHyperParameterTuningJob", tuning("refused"), f"{DEFINITION}.ResourceConfig"),
    ],
)
def test_more_instances_than_can_be_had_exceed_a_quota(
    home: Home, create: str, spec: dict[str, Any], path: str
) -> None:
    before = home.stored()
    group = {"InstanceGroupName": "g", "InstanceType": "ml.m5.large", "InstanceCount": 2**31 - 1}
    for config in (
        {"InstanceType": "ml.m5.large", "InstanceCount": 2**31 - 1, "VolumeSizeInGB": 1},
        {"InstanceGroups": [group], "VolumeSizeInGB": 1},
    ):
        with pytest.raises(ResourceLimitExceeded, match="a request delta of 2147483647 Instances"):
            home.call(create, **changed(spec, path, config))
    assert home.stored() == before


def test_all_faults_are_reported_together_to_the_command_line(home: Home) -> None:
    spec = changed(tuning("x"), RANGES, _ranges(Continuous=[_number("2", "1")]))
    spec = changed(spec, f"{DEFINITION}.EnableManagedSpotTraining", True)
    spec = changed(spec, f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions.0.Regex", "(")
    found = home.call("Tuner.ValidateTuningJob", **spec)["Faults"]
    assert len(found) >= 3
    paths = [fault["Path"] for fault in found]
    assert "TrainingJobDefinition.StoppingCondition.MaxWaitTimeInSeconds" in paths
    assert any(path.endswith("MetricDefinitions[0].Regex") for path in paths)


def test_an_unknown_member_is_a_fault_for_the_command_line(home: Home) -> None:
    spec = changed(tuning("x"), f"{CONFIG}.Stratgy", "Random")
    found = home.call("Tuner.ValidateTuningJob", **spec)["Faults"]
    assert [fault["Path"] for fault in found] == [f"{CONFIG}.Stratgy"]


def test_a_valid_spec_has_no_faults_and_validating_stores_nothing(home: Home) -> None:
    before = home.stored()
    assert home.call("Tuner.ValidateTuningJob", **tuning("fine")) == {"Faults": []}
    assert home.stored() == before


def test_operations_on_what_is_not_there_answer_as_aws(home: Home) -> None:
    for operation in ("Describe{}", "Stop{}", "Delete{}", "ListTrainingJobsFor{}"):
        with pytest.raises(ResourceNotFound, match="can't find a tuning job called nobody"):
            home.call(
                operation.format("HyperParameterTuningJob"), HyperParameterTuningJobName="nobody"
            )
    for operation in ("DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob"):
        with pytest.raises(ValidationException, match="Requested resource not found"):
            home.call(operation, TrainingJobName="nobody")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/nobody"
    with pytest.raises(ResourceNotFound):
        home.call("ListTags", ResourceArn=arn)


def test_an_operation_nobody_serves_is_named(home: Home) -> None:
    with pytest.raises(UnknownOperationException, match="CreateModel"):
        home.call("CreateModel", ModelName="m")


@pytest.mark.parametrize(
    "token", ["x", "!!!", "bnVsbA==", "WzEsMiwzXQ==", "eyJhIjogMX0=", "W10=", "\u00e9", "WyJhIl0="]
)
def test_a_token_of_another_query_or_of_nobody_is_refused(home: Home, token: str) -> None:
    for operation in ("ListHyperParameterTuningJobs", "ListTrainingJobs"):
        with pytest.raises(ValidationException, match="NextToken"):
            home.call(operation, NextToken=token)


@pytest.mark.parametrize(
    ("sort_by", "value", "job_id"),
    [
        ("Name", ["a"], 1),
        ("Name", {"a": 1}, 1),
        ("Name", 5, 1),
        ("Name", None, 1),
        ("Name", "\ud800", 1),
        ("Name", "a", "1"),
        ("Name", "a", 10**30),
        ("Name", "a", True),
        ("CreationTime", 10**400, 1),
        ("CreationTime", "a", 1),
        ("CreationTime", float("nan"), 1),
    ],
)
def test_a_forged_cursor_is_refused(home: Home, sort_by: str, value: Any, job_id: Any) -> None:
    query = query_of({"SortBy": sort_by}, home.service.context.scope(REGION), sort_by)
    forged = next_token(query, Page((), (value, job_id)))["NextToken"]
    for operation in ("ListHyperParameterTuningJobs", "ListTrainingJobs"):
        with pytest.raises(ValidationException, match="NextToken"):
            home.call(operation, SortBy=sort_by, NextToken=forged)


@pytest.mark.parametrize("body", [b"[" * 6000, b"[1]", b"\xff", b"[" * 5 + b"]" * 5])
def test_a_token_of_any_bytes_is_refused(home: Home, body: bytes) -> None:
    with pytest.raises(ValidationException, match="NextToken"):
        home.call("ListTrainingJobs", NextToken=base64.b64encode(body).decode())


@pytest.mark.parametrize(
    "filters",
    [
        {"WarmPoolStatusEquals": "Available"},
        {"TrainingPlanArnEquals": "arn:aws:sagemaker:us-east-1:123456789012:training-plan/abcdef"},
    ],
)
def test_no_training_job_has_a_warm_pool_or_a_training_plan(
    home: Home, filters: dict[str, str]
) -> None:
    home.call("CreateTrainingJob", **training(f"plain-{next(iter(filters))}"[:20]))
    assert home.call("ListTrainingJobs", **filters) == {"TrainingJobSummaries": []}


def test_names_are_taken_in_any_case(home: Home) -> None:
    home.call("CreateTrainingJob", **training("Taken-Once"))
    with pytest.raises(ResourceInUse, match="must be unique within an AWS account and region"):
        home.call("CreateTrainingJob", **training("taken-once"))
    home.call("CreateHyperParameterTuningJob", **tuning("Taken", jobs=1, parallel=1))
    with pytest.raises(ResourceInUse, match="with the name, Taken, already exists"):
        home.call("CreateHyperParameterTuningJob", **tuning("TAKEN", jobs=1, parallel=1))
    home.wait("Taken")
    home.wait_training_job("Taken-Once")


def test_an_unknown_image_is_named_before_what_follows_from_it(home: Home) -> None:
    request = changed(
        tuning("refused"), f"{DEFINITION}.AlgorithmSpecification.TrainingImage", "nobody/knows"
    )
    del request[DEFINITION]["AlgorithmSpecification"]["MetricDefinitions"]
    with pytest.raises(ValidationException, match=r"^No local container .*nobody/knows"):
        home.call("CreateHyperParameterTuningJob", **request)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Autotune", {"Mode": "Enabled"}),
        (
            "WarmStartConfig",
            {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
                "WarmStartType": "TransferLearning",
            },
        ),
    ],
)
def test_a_feature_that_is_not_served_is_named_before_what_clients_leave_out_with_it(
    home: Home, member: str, value: dict[str, Any]
) -> None:
    request = {**tuning("refused"), member: value}
    del request[DEFINITION]["AlgorithmSpecification"]["MetricDefinitions"]
    with pytest.raises(ValidationException, match=rf"^{member}.* is not served yet"):
        home.call("CreateHyperParameterTuningJob", **request)
