"""SM_* variables and arguments are those of sagemaker-training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_job import GROUPS, channel, instances, spec, training_job

from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import AlgorithmSpecification, InputMode, ResourceConfig
from tuner.domain.jobs import Resources
from tuner.training.containers import Container
from tuner.training.opt_ml import resource_config
from tuner.training.toolkit import (
    arguments,
    script_parameters,
    toolkit_variables,
    user_parameters,
)

OF_SDK_V2 = {
    "sagemaker_program": '"src/train.py"',
    "sagemaker_submit_directory": '"s3://b/code/sourcedir.tar.gz"',
    "sagemaker_container_log_level": "10",
    "sagemaker_job_name": '"tune"',
    "sagemaker_region": '"eu-central-1"',
    "sagemaker_estimator_class_name": '"SKLearn"',
    "sagemaker_estimator_module": '"sagemaker.sklearn.estimator"',
    "_tuning_objective_metric": "loss",
    "penalty": '"l2"',
    "lr": "0.1",
}


def variables(given: dict[str, str], host: str = "algo-1", **changes: Any) -> dict[str, str]:
    container = Container("script", Path("/c"), ("train",), Algorithm(name="s", built_in=False))
    members = {"spec": spec(resource_config=instances(2)), **changes}
    job = training_job(hyper_parameters=given, **members)
    hosts = [f"algo-{number}" for number in range(1, job.instance_count + 1)]
    resources = resource_config(job, host, hosts, "eth0")
    return toolkit_variables(job, container, resources, "/opt/ml", Resources(cpus=2, gpus=1))


def test_an_instance_knows_its_group() -> None:
    config = ResourceConfig(instance_groups=GROUPS)
    channels = (
        channel("s3://b/1", "first", groups=("a",)),
        channel("s3://b/2", "second", groups=("b",)),
    )
    distribution = {"sagemaker_distribution_instance_groups": '["b"]'}
    members = spec(resource_config=config, input_data_config=channels)
    found = variables(distribution, host="algo-3", spec=members)
    assert found["SM_CURRENT_HOST"] == "algo-3"
    assert found["SM_CURRENT_INSTANCE_TYPE"] == "ml.g5.xlarge"
    assert found["SM_CURRENT_INSTANCE_GROUP"] == "b"
    assert json.loads(found["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == ["algo-2", "algo-3"]
    assert json.loads(found["SM_INSTANCE_GROUPS"]) == ["a", "b"]
    assert json.loads(found["SM_INSTANCE_GROUPS_DICT"])["a"]["hosts"] == ["algo-1"]
    assert json.loads(found["SM_HOSTS"]) == ["algo-1", "algo-2", "algo-3"]
    assert (found["SM_IS_HETERO"], found["SM_NUM_CPUS"], found["SM_NUM_GPUS"]) == (
        "true",
        "2",
        "1",
    )
    assert found["SM_CHANNELS"] == '["second"]'
    assert "SM_CHANNEL_FIRST" not in found
    assert found["SM_DISTRIBUTION_INSTANCE_GROUPS"] == '["b"]'
    training = json.loads(found["SM_TRAINING_ENV"])
    assert training["distribution_hosts"] == ["algo-2", "algo-3"]
    assert (training["master_hostname"], training["is_master"]) == ("algo-2", False)


@pytest.mark.parametrize("groups", ["7", '"b"', "{}", "null", "[[]]"])
def test_a_distribution_over_no_groups_is_none(groups: str) -> None:
    found = variables({"sagemaker_distribution_instance_groups": groups})
    training = json.loads(found["SM_TRAINING_ENV"])
    assert (training["distribution_hosts"], training["master_hostname"]) == ([], "algo-1")


def test_script_mode_is_seen_in_the_variables() -> None:
    found = variables(OF_SDK_V2)
    assert found["SM_USER_ENTRY_POINT"] == "src/train.py"
    assert found["SM_MODULE_NAME"] == "src/train"
    assert found["SM_MODULE_DIR"] == "s3://b/code/sourcedir.tar.gz"
    assert found["SM_LOG_LEVEL"] == "10"
    assert found["SAGEMAKER_JOB_NAME"] == "tune"
    assert json.loads(found["SM_HPS"]) == {"penalty": "l2", "lr": 0.1}
    assert json.loads(found["SM_USER_ARGS"]) == ["--lr", "0.1", "--penalty", "l2"]
    assert json.loads(found["SM_FRAMEWORK_PARAMS"]) == {
        "sagemaker_estimator_class_name": "SKLearn",
        "sagemaker_estimator_module": "sagemaker.sklearn.estimator",
    }
    assert json.loads(found["SM_TRAINING_ENV"])["module_name"] == "src/train"


def test_sdk_v3_sends_the_same_raw() -> None:
    raw = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://b/code/sourcedir.tar.gz",
        "penalty": "l2",
        "lr": "0.1",
    }
    found = variables(raw)
    assert (found["SM_USER_ENTRY_POINT"], found["SM_MODULE_NAME"]) == ("train.py", "train")
    assert found["SM_MODULE_DIR"] == "s3://b/code/sourcedir.tar.gz"
    assert json.loads(found["SM_HPS"]) == {"penalty": "l2", "lr": 0.1}


def test_the_variable_goes_before_the_hyperparameter() -> None:
    given = spec(environment={"SAGEMAKER_PROGRAM": "other.py"})
    assert variables(OF_SDK_V2, spec=given)["SM_USER_ENTRY_POINT"] == "other.py"


def test_groups_of_instances_are_told() -> None:
    found = variables({})
    assert json.loads(found["SM_INSTANCE_GROUPS"]) == ["homogeneousCluster"]
    assert json.loads(found["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == ["algo-1", "algo-2"]
    assert found["SM_DISTRIBUTION_INSTANCE_GROUPS"] == "[]"
    assert found["SM_IS_HETERO"] == "false"
    assert found["SM_FRAMEWORK_MODULE"] == ""
    assert found["CURRENT_HOST"] == "algo-1"


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("true", "True"),
        ("null", ""),
        ("[1, 2]", "[1, 2]"),
        ('["a"]', "['a']"),
        ('{"b": 2, "a": "x"}', "a=x,b=2"),
        ("0.10", "0.1"),
        ("1e-3", "0.001"),
        ("007", "007"),
        ("plain text", "plain text"),
        ('"1"', "1"),
        ("", ""),
    ],
)
def test_an_argument_is_what_python_prints_of_the_json(value: str, argument: str) -> None:
    assert arguments(user_parameters({"name": value})) == ["--name", argument]


def test_arguments_are_sorted_and_keep_their_names() -> None:
    given = {"b_c": "1", "b-c": "2", "B": "3", "e": "4", "a": "5"}
    assert arguments(user_parameters(given)) == [
        *("-B", "3", "-a", "5", "--b-c", "2", "--b_c", "1", "-e", "4")
    ]


TENSORFLOW = "763104351884.dkr.ecr.us-west-2.amazonaws.com/tensorflow-training:2.12-cpu-py310"


@pytest.mark.parametrize(
    ("image", "model_dir", "tuned", "seen"),
    [
        (TENSORFLOW, '"s3://b/tune/model"', True, "s3://b/tune/model/tune-001-abcd/model"),
        (TENSORFLOW, "s3://b/tune/model", False, "s3://b/tune/model"),
        (TENSORFLOW, '"/opt/ml/model"', True, "/opt/ml/model"),
        (TENSORFLOW.replace("tensorflow", "pytorch"), "s3://b/tune", True, "s3://b/tune"),
    ],
)
def test_tuned_tensorflow_jobs_do_not_share_a_model_dir(
    image: str, model_dir: str, tuned: bool, seen: str
) -> None:
    algorithm = AlgorithmSpecification(training_input_mode=InputMode.FILE, training_image=image)
    given = {"model_dir": model_dir} | ({"_tuning_objective_metric": "loss"} if tuned else {})
    of_job = {"spec": spec(algorithm_specification=algorithm), "hyper_parameters": given}
    assert script_parameters(training_job(**of_job)) == {"model_dir": seen}
    assert variables(given, spec=of_job["spec"])["SM_HP_MODEL_DIR"] == seen
