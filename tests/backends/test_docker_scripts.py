"""Users' scripts in AWS's framework images, in containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.backends.docker_stage import BASE, build
from tests.owner.bundled_images import (
    BUILD_SECONDS,
    built,
    run,
    run_training_job,
    upload,
    values,
)
from tests.owner.homes import environment, owned, settings_of, specification
from tests.service.user_scripts import CODE, SKLEARN, XGBOOST, archive, encoded, run_by_driver
from tuner.client import Client

SCRIPT = """
import argparse, json, os
import boto3, numpy, sklearn.linear_model
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
parser.add_argument("--penalty")
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
assert json.loads(os.environ["SM_HPS"])["penalty"] == given.penalty
assert os.path.exists("/.dockerenv")
if given.penalty == "none":
    raise ValueError("there must be a penalty")
bucket = boto3.client("s3").list_objects_v2(Bucket="code")
assert [item["Key"] for item in bucket["Contents"]] == ["job/sourcedir.tar.gz"]
print(f"{given.penalty} loss={given.x + given.epochs};", flush=True)
with open(os.environ["SM_MODEL_DIR"] + "/weights", "w") as stream:
    stream.write(str(given.x))
"""
OF_XGBOOST = """
import os
from sagemaker_containers.beta.framework import env
from sagemaker_training.environment import Environment
from sagemaker_xgboost_container.data_utils import get_dmatrix
with open("rows.csv", "w") as stream:
    stream.write("1,2,3\\n0,4,5\\n")
matrix = get_dmatrix("rows.csv", "text/csv")
print(f"loss={matrix.num_row() + Environment().hyperparameters['epochs']};", flush=True)
"""
TOOLKIT = f"""
FROM {BASE} AS toolkit
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels 'sagemaker-training>=5.1,<6'
FROM {BASE}
COPY --from=toolkit /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl
COPY tune.py /opt/ml/code/tune.py
ENV SAGEMAKER_PROGRAM tune.py
"""
TUNED = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
print(f"loss={given.x + given.epochs};", flush=True)
open(os.environ["SM_MODEL_DIR"] + "/weights", "w").write("x")
"""
SHELL = f"""
FROM {BASE}
COPY train /usr/local/bin/train
"""
SHELL_SCRIPT = r"""#!/bin/sh
set -e
x=$(sed 's/.*"x": "\([^"]*\)".*/\1/' /opt/ml/input/config/hyperparameters.json)
echo "loss=$x;"
echo "$x" > /opt/ml/model/weights
"""

DRIVER_SCRIPT = """#!/bin/bash
set -e
echo "export SM_EPOCHS=3" > /opt/ml/input/sm_training.env
source /opt/ml/input/sm_training.env
cd /opt/ml/input/data/code
echo "import os, numpy; print('loss=' + os.environ['SM_EPOCHS'] + ';')" > made.py
chmod +x train.sh
./train.sh
"""

pytestmark = pytest.mark.timeout(BUILD_SECONDS)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    built("script")
    with owned(tmp_path_factory.mktemp("scripts") / "home") as home:
        client = Client(settings_of(environment(home, home) | {"TUNER_BACKEND": "docker"}))
        upload(client, CODE, archive({"train.py": SCRIPT, "of_xgboost.py": OF_XGBOOST}))
        yield client


def spec(name: str, image: str, jobs: int, **static: Any) -> dict[str, Any]:
    made = specification(name, jobs, jobs, **static)
    algorithm = made["TrainingJobDefinition"]["AlgorithmSpecification"]
    algorithm["TrainingImage"] = image
    algorithm["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=([-0-9.e]+);"}]
    return made


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_script_is_tuned_in_the_image_of_a_framework(client: Client, sdk: str) -> None:
    given = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": CODE,
        "epochs": 3,
        "penalty": "l2",
    }
    raw = {name: str(value) for name, value in given.items()}
    static = encoded(given) if sdk == "v2" else raw
    jobs = run(client, spec(f"script-{sdk}", SKLEARN, 2, **static))
    for tuned, value in values(jobs):
        assert value == pytest.approx(float(tuned["x"]) + 3)
    model = client.call("DescribeTrainingJob", TrainingJobName=jobs[0]["TrainingJobName"])
    assert model["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")


def test_a_script_that_fails_tells_its_exception(client: Client) -> None:
    given = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": CODE,
        "epochs": 3,
        "penalty": "none",
    }
    (job,) = run(client, spec("script-fails", SKLEARN, 1, **encoded(given)))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1")
    assert "train.py --epochs 3 --penalty none -x" in job["FailureReason"]


def test_a_script_finds_what_the_image_of_xgboost_has(client: Client) -> None:
    given = {
        "sagemaker_program": "of_xgboost.py",
        "sagemaker_submit_directory": CODE,
        "epochs": 3,
    }
    jobs = run(client, spec("script-xgboost", XGBOOST, 1, **encoded(given)))
    assert [value for _, value in values(jobs)] == [5]


def test_the_drivers_of_a_model_trainer_may_write_to_their_input(client: Client) -> None:
    upload(client, "s3://drivers/sm_drivers/sm_train.sh", DRIVER_SCRIPT)
    upload(client, "s3://drivers/code/train.sh", "#!/bin/sh\npython made.py\n")
    made = spec("trainer", SKLEARN, 1)["TrainingJobDefinition"]
    del made["StaticHyperParameters"]
    channels = {"code": "s3://drivers/code/", "sm_drivers": "s3://drivers/sm_drivers/"}
    made = run_by_driver(made, channels)
    found = run_training_job(client, {"TrainingJobName": "trainer", **made})
    assert found["TrainingJobStatus"] == "Completed", found["FailureReason"]
    assert found["FinalMetricDataList"][0]["Value"] == 3


def test_an_image_with_nothing_but_the_toolkit_is_tuned(client: Client) -> None:
    image = build(TOOLKIT, {"tune.py": TUNED.encode()})
    for tuned, value in values(run(client, spec("toolkit", image, 2, epochs="3"))):
        assert value == pytest.approx(float(tuned["x"]) + 3)


def test_an_image_whose_train_is_a_shell_script_is_tuned(client: Client) -> None:
    image = build(SHELL, {"train": SHELL_SCRIPT.encode()})
    for tuned, value in values(run(client, spec("shell", image, 2))):
        assert value == pytest.approx(float(tuned["x"]))
