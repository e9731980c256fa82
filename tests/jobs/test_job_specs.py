from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tuner.store.samples import BUCKET, SAMPLES

ROOT = Path(__file__).resolve().parents[2]
JOBS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "jobs").glob("*.json"))}
MANIFEST = json.loads((ROOT / "containers" / "xgboost" / "container.json").read_text())


@pytest.fixture(scope="module")
def request_shape() -> Any:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateHyperParameterTuningJob").input_shape


def configuration(name: str) -> dict[str, Any]:
    return JOBS[name]["HyperParameterTuningJobConfig"]


@pytest.mark.parametrize("name", JOBS)
def test_every_job_is_a_request_that_botocore_accepts(name: str, request_shape: Any) -> None:
    report = ParamValidator().validate(JOBS[name], request_shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", JOBS)
def test_every_job_is_named_as_its_file_and_writes_to_a_prefix_of_its_own(name: str) -> None:
    output = JOBS[name]["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    assert JOBS[name]["HyperParameterTuningJobName"] == name
    assert output == f"s3://amtlocal-output/{name}"


@pytest.mark.parametrize("name", JOBS)
def test_every_channel_reads_sample_data_that_exists(name: str) -> None:
    for channel in JOBS[name]["TrainingJobDefinition"]["InputDataConfig"]:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, sample, part = uri.removeprefix("s3://").rstrip("/").split("/")
        assert bucket == BUCKET
        assert sample in SAMPLES
        assert part == channel["ChannelName"]


@pytest.mark.parametrize("name", JOBS)
def test_the_objective_is_one_of_the_image_with_its_direction(name: str) -> None:
    objective = configuration(name)["HyperParameterTuningJobObjective"]
    directions = {item["Name"]: item["Objective"] for item in MANIFEST["metrics"]}
    assert directions[objective["MetricName"]] == objective["Type"]


@pytest.mark.parametrize("name", JOBS)
def test_only_hyperparameters_that_may_be_are_tuned_and_none_is_static_too(name: str) -> None:
    declared = {item["Name"]: item for item in MANIFEST["hyperparameters"]}
    ranges = configuration(name)["ParameterRanges"]
    numeric = [*ranges["IntegerParameterRanges"], *ranges["ContinuousParameterRanges"]]
    static = JOBS[name]["TrainingJobDefinition"]["StaticHyperParameters"]
    assert all(declared[item["Name"]]["Tunable"] for item in numeric)
    tuned = [item["Name"] for item in (*numeric, *ranges["CategoricalParameterRanges"])]
    assert not set(tuned) & set(static)
    assert {*tuned, *static} <= set(declared)


def test_the_grid_has_exactly_as_many_training_jobs_as_combinations() -> None:
    config = configuration("xgboost-breast-cancer-grid")
    ranges = config["ParameterRanges"]
    assert not ranges["IntegerParameterRanges"] and not ranges["ContinuousParameterRanges"]
    product = math.prod(len(item["Values"]) for item in ranges["CategoricalParameterRanges"])
    assert config["ResourceLimits"]["MaxNumberOfTrainingJobs"] == product


def test_the_jobs_cover_three_strategies_and_two_instances() -> None:
    strategies = {configuration(name)["Strategy"] for name in JOBS}
    counts = {
        job["TrainingJobDefinition"]["ResourceConfig"]["InstanceCount"] for job in JOBS.values()
    }
    assert strategies == {"Bayesian", "Random", "Grid"}
    assert counts == {1, 2}


def test_a_job_is_written_as_its_author_would_read_it() -> None:
    for path in (ROOT / "jobs").glob("*.json"):
        assert max(map(len, io.StringIO(path.read_text()))) <= 100, path.name
