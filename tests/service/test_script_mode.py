"""Users' scripts in AWS's framework images, as both SDKs ask for them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import Home, changed, training, tuning
from tests.service.user_scripts import (
    CODE,
    DRIVER,
    SKLEARN,
    XGBOOST,
    archive,
    encoded,
    run_by_driver,
)
from tuner.domain.errors import ValidationException

IMAGE = "AlgorithmSpecification.TrainingImage"
STATIC = "TrainingJobDefinition.StaticHyperParameters"
SCRIPT = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
parser.add_argument("--penalty")
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
assert json.loads(os.environ["SM_HPS"])["penalty"] == given.penalty
if given.x > 10:
    raise ValueError("x is too large")
print(f"{given.penalty} loss={given.x + given.epochs}")
with open(os.environ["SM_MODEL_DIR"] + "/weights", "w") as stream:
    stream.write(str(given.x))
"""


def upload(home: Home, uri: str, files: Mapping[str, str]) -> None:
    """As the SDK does: a code archive in S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    home.service.context.ports.objects.put(bucket, key, io.BytesIO(archive(files)))


def put(home: Home, uri: str, text: str) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    home.service.context.ports.objects.put(bucket, key, io.BytesIO(text.encode()))


def of_sdk_v2(**more: Any) -> dict[str, str]:
    return encoded(
        {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": CODE,
            "sagemaker_container_log_level": 20,
            "sagemaker_job_name": "tune",
            "sagemaker_region": "us-east-1",
            **more,
        }
    )


def script_job(name: str, image: str = SKLEARN, **parameters: str) -> dict[str, Any]:
    return changed(training(name, **parameters), IMAGE, image)


def needs_private_opt_ml(home: Home) -> None:
    able = home.service.context.ports.backend.capabilities()
    if not able.private_opt_ml:
        pytest.skip(f"needs namespaces: {able.note}")


def search(name: str, static: Mapping[str, str], *penalties: str) -> dict[str, Any]:
    spec = changed(tuning(name, jobs=4), f"TrainingJobDefinition.{IMAGE}", XGBOOST)
    spec = changed(spec, STATIC, dict(static))
    ranges = "HyperParameterTuningJobConfig.ParameterRanges.CategoricalParameterRanges"
    return changed(spec, ranges, [{"Name": "penalty", "Values": list(penalties)}])


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_script_is_tuned_in_the_image_of_the_built_in_algorithm(home: Home, sdk: str) -> None:
    upload(home, CODE, {"train.py": SCRIPT})
    if sdk == "v2":
        spec = search("script-v2", of_sdk_v2(epochs=3), '"l1"', '"l2"')
    else:
        raw = {"sagemaker_program": "train.py", "sagemaker_submit_directory": CODE}
        spec = search("script-v3", raw | {"epochs": "3"}, "l1", "l2")
    home.call("CreateHyperParameterTuningJob", **spec)
    found = home.wait(f"script-{sdk}")
    assert found["TrainingJobStatusCounters"]["Completed"] == 4, found.get("FailureReason")
    best = found["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert value == pytest.approx(float(best["TunedHyperParameters"]["x"]) + 3, abs=1e-5)


def test_a_script_that_fails_tells_its_exception(home: Home) -> None:
    upload(home, CODE, {"train.py": SCRIPT})
    parameters = of_sdk_v2(epochs=1, x=11, penalty="l2")
    home.call("CreateTrainingJob", **script_job("script-fails", **parameters))
    found = home.wait_training_job("script-fails")
    assert found["FailureReason"] == (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
        'ErrorMessage "ValueError: x is too large"\n'
        'Command "python train.py --epochs 1 --penalty l2 -x 11", exit code: 1'
    )


def test_new_code_at_the_same_place_is_run(home: Home) -> None:
    uri = "s3://code/changing/sourcedir.tar.gz"
    for number in (1, 2):
        upload(home, uri, {"train.py": f"print('loss={number}')"})
        parameters = of_sdk_v2(sagemaker_submit_directory=uri)
        home.call("CreateTrainingJob", **script_job(f"changing-{number}", **parameters))
        found = home.wait_training_job(f"changing-{number}")
        assert found["FinalMetricDataList"][0]["Value"] == number


def test_each_instance_runs_the_script(home: Home) -> None:
    needs_private_opt_ml(home)
    uri = "s3://code/hosts/sourcedir.tar.gz"
    script = (
        "import os\nopen(os.environ['SM_MODEL_DIR'] + '/' + os.environ['SM_CURRENT_HOST'], 'w')"
    )
    upload(home, uri, {"train.py": script})
    spec = script_job("two-hosts", **of_sdk_v2(sagemaker_submit_directory=uri))
    home.call("CreateTrainingJob", **changed(spec, "ResourceConfig.InstanceCount", 2))
    assert home.wait_training_job("two-hosts")["TrainingJobStatus"] == "Completed"
    model = "models/two-hosts/output/model.tar.gz"
    with (
        home.service.context.ports.objects.open("output", model) as stream,
        tarfile.open(fileobj=stream) as archive,
    ):
        assert sorted(archive.getnames()) == ["algo-1", "algo-2"]


TRAIN = """
#!/bin/bash
set -e
trap 'echo failed >> /opt/ml/output/failure' ERR
SM_PYTHON_CMD=$(command -v python3)
SM_PIP_CMD=$(command -v pip3)
$SM_PYTHON_CMD /opt/ml/input/data/sm_drivers/scripts/environment.py
source /opt/ml/input/sm_training.env
cd /opt/ml/input/data/code
$SM_PIP_CMD --version
$SM_PYTHON_CMD train.py
"""


def test_the_entry_point_of_a_model_trainer_runs_with_our_python(home: Home) -> None:
    needs_private_opt_ml(home)
    put(home, "s3://code/drivers/sm_train.sh", TRAIN)
    driver = "open('/opt/ml/input/sm_training.env', 'w').write(\"export SM_X='0.5'\")"
    put(home, "s3://code/drivers/scripts/environment.py", driver)
    put(
        home, "s3://code/trainer/train.py", "import os, numpy\nprint('loss=' + os.environ['SM_X'])"
    )
    channels = {"code": "s3://code/trainer/", "sm_drivers": "s3://code/drivers/"}
    spec = run_by_driver(script_job("trainer"), channels)
    home.call("CreateTrainingJob", **spec)
    found = home.wait_training_job("trainer")
    assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    assert found["FinalMetricDataList"][0]["Value"] == 0.5


def test_an_entry_point_below_opt_ml_is_refused_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_NAMESPACES", "off")
    home = Home(tmp_path)
    try:
        spec = script_job("no-opt-ml", SKLEARN)
        entrypoint = "AlgorithmSpecification.ContainerEntrypoint"
        with pytest.raises(ValidationException, match="which training jobs cannot have"):
            home.call("CreateTrainingJob", **changed(spec, entrypoint, [DRIVER]))
        shell = ["/bin/sh", "-c", "python -c 'import numpy'; echo loss=2"]
        home.call("CreateTrainingJob", **changed(spec, entrypoint, shell))
        found = home.wait_training_job("no-opt-ml")
        assert found["FinalMetricDataList"][0]["Value"] == 2
    finally:
        home.close()


REFUSED: list[tuple[str, dict[str, str], str]] = [
    (
        "code that is not there",
        of_sdk_v2(sagemaker_submit_directory="s3://code/none.tar.gz"),
        'No S3 objects found under S3 URL "s3://code/none.tar.gz" given in input data source',
    ),
    (
        "code on the client's disk",
        of_sdk_v2(sagemaker_submit_directory="file:///home/me/code"),
        "has to be an archive in S3",
    ),
    ("no code", {"sagemaker_program": "train.py"}, "sagemaker_submit_directory is not given"),
    ("no program", {}, "hyperparameters sagemaker_program and sagemaker_submit_directory"),
    (
        "a program outside the code",
        of_sdk_v2(sagemaker_program="../train.py"),
        "a path within the source code",
    ),
    (
        "a launcher of several processes",
        of_sdk_v2(sagemaker_mpi_enabled=True),
        "sagemaker_mpi_enabled asks for a distributed launcher",
    ),
]


@pytest.mark.parametrize(("parameters", "text"), [case[1:] for case in REFUSED],
                         ids=[case[0] for case in REFUSED])  # fmt: skip
def test_a_script_that_cannot_be_run_is_refused(
    home: Home, parameters: dict[str, str], text: str
) -> None:
    upload(home, CODE, {"train.py": SCRIPT})
    before = home.stored()
    with pytest.raises(ValidationException, match=text.replace("[", r"\[")):
        home.call("CreateTrainingJob", **script_job("refused", **parameters))
    spec = search("refused", parameters, "l2")
    spec = changed(spec, f"TrainingJobDefinition.{IMAGE}", SKLEARN)
    with pytest.raises(ValidationException, match=text.replace("[", r"\[")):
        home.call("CreateHyperParameterTuningJob", **spec)
    assert home.stored() == before


def test_a_launcher_that_is_switched_off_is_no_fault(home: Home) -> None:
    uri = "s3://code/plain/sourcedir.tar.gz"
    upload(home, uri, {"train.py": "print('loss=1')"})
    parameters = of_sdk_v2(sagemaker_submit_directory=uri, sagemaker_mpi_enabled=False)
    home.call("CreateTrainingJob", **script_job("no-launcher", **parameters))
    assert home.wait_training_job("no-launcher")["TrainingJobStatus"] == "Completed"


def test_an_image_that_nobody_knows_is_refused_with_the_way_to_map_it(home: Home) -> None:
    with pytest.raises(ValidationException, match=r"`tuner images`.*TUNER_IMAGE_MAP") as refused:
        home.call("CreateTrainingJob", **script_job("unknown", "registry.example.com/me/mine:1"))
    assert "registry.example.com/me/mine:1" in refused.value.message


def test_metrics_of_a_script_come_from_the_user(home: Home) -> None:
    upload(home, CODE, {"train.py": SCRIPT})
    spec = search("no-metric", of_sdk_v2(epochs=1), '"l2"')
    spec = changed(spec, "TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions", None)
    with pytest.raises(ValidationException, match="A metric is required"):
        home.call("CreateHyperParameterTuningJob", **spec)
