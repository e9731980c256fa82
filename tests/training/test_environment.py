from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_job import channel, spec, training_job

from tuner.domain.algorithms import Algorithm
from tuner.domain.jobs import Resources, TrainingJob
from tuner.training.containers import Container
from tuner.training.environment import program_environment


def environment_of(job: TrainingJob, tmp_path: Path, **options: Any) -> dict[str, str]:
    container = Container(
        "mine", tmp_path, ("/bin/train",), Algorithm(name="mine", built_in=False)
    )
    members: dict[str, Any] = {
        "private_opt_ml": True,
        "scratch": tmp_path / "scratch",
        "endpoint": {},
        "given": Resources(cpus=2),
        **options,
    }
    return program_environment(
        job, container, "algo-1", ["algo-1", "algo-2"], tmp_path / "ml", **members
    )


def test_nothing_of_the_user_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "MY_SECRET"):
        monkeypatch.setenv(name, "the user's")
    monkeypatch.setenv("TZ", "Europe/Berlin")

    environment = environment_of(training_job(), tmp_path)

    assert "the user's" not in environment.values()
    assert environment["HOME"] == str(tmp_path / "scratch" / "home")
    assert Path(environment["HOME"]).is_dir()
    assert Path(environment["TMPDIR"]).is_dir()
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert environment["TZ"] == "Europe/Berlin"
    assert "AWS_ENDPOINT_URL" not in environment


def test_the_job_is_named(tmp_path: Path) -> None:
    environment = environment_of(
        training_job(), tmp_path, endpoint={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    )

    assert environment["TRAINING_JOB_NAME"] == "tune-001-abcd"
    assert environment["TRAINING_JOB_ARN"] == (
        "arn:aws:sagemaker:eu-central-1:123456789012:training-job/tune-001-abcd"
    )
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


def test_the_toolkit_s_variables_are_set(tmp_path: Path) -> None:
    job = training_job(
        spec=spec(input_data_config=(channel("s3://b/t", "train"), channel("s3://b/v", "val"))),
        hyper_parameters={
            "eta": "0.1",
            "name": "adam",
            "quoted": '"text"',
            "layers": "[1, 2]",
            "x": "1",
            "sagemaker_program": "train.py",
            "_tuning_objective_metric": "loss",
        },
    )

    environment = environment_of(job, tmp_path)

    parameters = {"eta": 0.1, "name": "adam", "quoted": "text", "layers": [1, 2], "x": 1}
    assert json.loads(environment["SM_HPS"]) == parameters
    assert environment["SM_HP_ETA"] == "0.1"
    assert environment["SM_HP_QUOTED"] == "text"
    assert environment["SM_HP_LAYERS"] == "[1,2]"
    assert json.loads(environment["SM_USER_ARGS"]) == [
        *("--eta", "0.1", "--layers", "[1, 2]", "--name", "adam", "--quoted", "text", "-x", "1")
    ]
    assert json.loads(environment["SM_CHANNELS"]) == ["train", "val"]
    assert environment["SM_CHANNEL_VAL"] == "/opt/ml/input/data/val"
    assert environment["SM_MODEL_DIR"] == "/opt/ml/model"
    assert environment["SM_OUTPUT_DATA_DIR"] == "/opt/ml/output/data"
    assert json.loads(environment["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert environment["SM_CURRENT_HOST"] == "algo-1"
    assert environment["SM_NUM_CPUS"] == "2"
    assert environment["SM_NUM_GPUS"] == "0"
    assert json.loads(environment["SM_TRAINING_ENV"])["hyperparameters"] == parameters


def test_a_program_of_the_user_has_a_python_with_our_packages_that_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    information = "mine-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "mine-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("only_here.py", "")
        wheel.writestr(
            f"{information}/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"
        )
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    environment = environment_of(training_job(), tmp_path)
    again = environment_of(training_job(), tmp_path)
    assert again == environment
    script = (
        "pip install -q mine && python3 -m pip --version && "
        "python -c 'import only_here, numpy; print(only_here.__file__, numpy.__file__)'"
    )
    shown = subprocess.check_output(["/bin/sh", "-c", script], env=environment, text=True)
    assert f"{tmp_path}/scratch/python/lib/" in shown
    assert numpy.__file__ in shown
    assert importlib.util.find_spec("only_here") is None


def test_a_program_of_ours_is_started_by_our_own_python(tmp_path: Path) -> None:
    ours = Container("xgboost", tmp_path, ("train",), Algorithm(name="xgboost", built_in=True))
    options = {"private_opt_ml": True, "scratch": tmp_path, "endpoint": {}, "given": Resources()}
    found = program_environment(training_job(), ours, "algo-1", ["algo-1"], tmp_path, **options)
    assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert not (tmp_path / "python").exists()


def test_a_container_for_users_code_is_told_what_to_run_and_where_packages_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    job = training_job(spec=spec(environment={"TUNER_SCRIPT": "/else"}))
    options = {"private_opt_ml": True, "scratch": tmp_path, "endpoint": {}, "given": Resources()}
    algorithm = Algorithm(name="script", built_in=False)
    script = Container("script", tmp_path, ("/bin/train",), algorithm, runs_user_code=True)
    told = tmp_path / "script.json"

    environment = program_environment(
        job, script, "algo-1", ["algo-1"], tmp_path, instructions=told, **options
    )

    assert environment["TUNER_SCRIPT"] == str(told)
    assert environment["PIP_FIND_LINKS"] == "/wheels"


def test_without_a_private_opt_ml_paths_are_below_the_tree(tmp_path: Path) -> None:
    environment = environment_of(training_job(), tmp_path, private_opt_ml=False)

    assert environment["SAGEMAKER_BASE_DIR"] == str(tmp_path / "ml")
    assert environment["SM_MODEL_DIR"] == str(tmp_path / "ml" / "model")


def test_the_spec_s_environment_wins(tmp_path: Path) -> None:
    own = {"AWS_ACCESS_KEY_ID": "given on purpose", "OMP_NUM_THREADS": "7"}

    environment = environment_of(training_job(spec=spec(environment=own)), tmp_path)

    assert environment["AWS_ACCESS_KEY_ID"] == "given on purpose"
    assert environment["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    "parameters",
    [
        {"a=b": "1", "": "2"},
        {"nul": "a\0b"},
        {"nested": "[" * 1200 + "]" * 1200, "almost": "[" * 199 + "]" * 199},
        {"digits": "9" * 2500, "infinite": "1e999", "nan": "NaN"},
        {"surrogate": "\ud800"},
        {f"long{number}": "x" * 2500 for number in range(100)},
    ],
)
def test_a_program_can_be_started_whatever_the_hyperparameters_are(
    tmp_path: Path, parameters: dict[str, str]
) -> None:
    environment = environment_of(training_job(hyper_parameters=parameters), tmp_path)

    subprocess.run([sys.executable, "-c", ""], env=environment, check=True, timeout=30)
