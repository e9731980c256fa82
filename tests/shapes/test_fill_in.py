"""What the service fills into requests."""

from __future__ import annotations

import copy
from typing import Any

from tests.shapes.test_responses import XGBOOST
from tests.shapes.violations import valid_request
from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import EarlyStoppingType, TuningJobRequest
from tuner.domain.rules import tuning_job_faults
from tuner.shapes.fill_in import filled_in, filled_in_training_job
from tuner.shapes.records import to_wire
from tuner.shapes.requests import parse_training_job, parse_tuning_job

CREATE = "CreateHyperParameterTuningJob"


def filled(params: dict[str, Any], algorithm: Algorithm | None = XGBOOST) -> TuningJobRequest:
    request = parse_tuning_job(params)
    assert tuning_job_faults(request, [algorithm] * len(request.definitions)) == []
    return filled_in(request, [algorithm] * len(request.definitions))


def test_nothing_that_was_given_is_lost() -> None:
    params = valid_request(CREATE)
    wire = to_wire(filled(params))

    def within(given: Any, found: Any) -> bool:
        if isinstance(given, dict):
            return all(within(value, found[key]) for key, value in given.items())
        return given == found

    assert within(params, wire)


def test_filling_in_again_changes_nothing() -> None:
    once = filled(valid_request(CREATE))
    assert filled_in(once, [XGBOOST]) == once


def test_early_stopping_is_off_and_flags_are_false() -> None:
    request = filled(valid_request(CREATE))
    config, definition = request.hyper_parameter_tuning_job_config, request.definitions[0]
    assert config.training_job_early_stopping_type is EarlyStoppingType.OFF
    assert definition.enable_network_isolation is False
    assert definition.enable_inter_container_traffic_encryption is False
    assert definition.enable_managed_spot_training is False
    assert definition.output_data_config.kms_key_id == ""


def test_the_number_of_training_jobs_is_all_combinations_up_to_the_quota() -> None:
    params = valid_request(CREATE)
    config = params["HyperParameterTuningJobConfig"]
    del config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    limits = filled(params).hyper_parameter_tuning_job_config.resource_limits
    assert limits.max_number_of_training_jobs == 750
    del config["ParameterRanges"]["ContinuousParameterRanges"]
    limits = filled(params).hyper_parameter_tuning_job_config.resource_limits
    assert limits.max_number_of_training_jobs == 10


def test_a_grid_has_as_many_training_jobs_as_combinations() -> None:
    params = valid_request(CREATE)
    config = params["HyperParameterTuningJobConfig"]
    del config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    config["Strategy"] = "Grid"
    config["ParameterRanges"] = {
        "CategoricalParameterRanges": [
            {"Name": "booster", "Values": ["gbtree", "dart"]},
            {"Name": "max_depth", "Values": ["2", "4", "8"]},
        ]
    }
    limits = filled(params).hyper_parameter_tuning_job_config.resource_limits
    assert limits.max_number_of_training_jobs == 6


def test_a_tuning_resource_config_is_answered_as_resource_config_too() -> None:
    params = valid_request(CREATE)
    definition = params["TrainingJobDefinition"]
    definition["HyperParameterTuningResourceConfig"] = definition.pop("ResourceConfig")
    wire = to_wire(filled(params))["TrainingJobDefinition"]
    assert wire["ResourceConfig"] == wire["HyperParameterTuningResourceConfig"]


def test_what_describe_answers_can_be_created_again_but_for_built_in_metrics() -> None:
    wire = to_wire(filled(valid_request(CREATE)))
    del wire["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert to_wire(filled(copy.deepcopy(wire))) == to_wire(filled(valid_request(CREATE)))


def test_own_metric_definitions_stay_and_the_objectives_is_repeated() -> None:
    params = valid_request(CREATE)
    definitions = [{"Name": "other", "Regex": "o=(.*)"}, {"Name": "validation:auc", "Regex": "x"}]
    params["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    specification = filled(params, algorithm=None).definitions[0].algorithm_specification
    metrics = specification.metric_definitions or ()
    assert [(item.name, item.regex) for item in metrics] == [
        ("other", "o=(.*)"),
        ("validation:auc", "x"),
        ("ObjectiveMetric", "x"),
    ]


def test_channels_say_that_they_are_neither_compressed_nor_wrapped() -> None:
    params = valid_request(CREATE)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}
    params["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": source}
    ]
    (channel,) = filled(params).definitions[0].input_data_config or ()
    assert (channel.compression_type, channel.record_wrapper_type) == ("None", "None")


def test_a_single_definition_may_carry_ranges_and_objective_itself() -> None:
    params = valid_request(CREATE)
    config, definition = params["HyperParameterTuningJobConfig"], params["TrainingJobDefinition"]
    definition["TuningObjective"] = config.pop("HyperParameterTuningJobObjective")
    definition["HyperParameterRanges"] = config.pop("ParameterRanges")
    request = filled(params)
    found = request.hyper_parameter_tuning_job_config
    assert found.parameter_ranges == request.definitions[0].hyper_parameter_ranges
    assert found.hyper_parameter_tuning_job_objective == request.definitions[0].tuning_objective


def test_a_list_of_definitions_stays_a_list() -> None:
    params = valid_request(CREATE)
    config, definition = params["HyperParameterTuningJobConfig"], params["TrainingJobDefinition"]
    del params["TrainingJobDefinition"]
    params["TrainingJobDefinitions"] = [
        {
            **definition,
            "DefinitionName": "one",
            "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": config.pop("ParameterRanges"),
        }
    ]
    wire = to_wire(filled(params))
    assert "TrainingJobDefinition" not in wire
    assert "ParameterRanges" not in wire["HyperParameterTuningJobConfig"]
    (found,) = wire["TrainingJobDefinitions"]
    assert found["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:auc"
    assert found["HyperParameterRanges"]["CategoricalParameterRanges"] == []


def test_instance_groups_get_no_count_beside_them() -> None:
    params = valid_request("CreateTrainingJob")
    group = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "g"}
    params["ResourceConfig"] = {"InstanceGroups": [group]}
    request = filled_in_training_job(parse_training_job(params), XGBOOST)
    assert to_wire(request)["ResourceConfig"] == {"InstanceGroups": [group], "VolumeSizeInGB": 30}


def test_a_training_job_is_filled_in_likewise() -> None:
    params = valid_request("CreateTrainingJob")
    params["StoppingCondition"] = {}
    params["ResourceConfig"] = {"InstanceType": "local"}
    request = filled_in_training_job(parse_training_job(params), XGBOOST)
    wire = to_wire(request)
    assert wire["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert wire["ResourceConfig"] == {
        "InstanceType": "local",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
    }
    specification = wire["AlgorithmSpecification"]
    assert specification["EnableSageMakerMetricsTimeSeries"] is True
    assert [item["Name"] for item in specification["MetricDefinitions"]] == ["validation:auc"]
    assert wire["HyperParameters"] == {"num_round": "10"}
    assert filled_in_training_job(request, XGBOOST) == request
