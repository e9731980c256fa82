"""Homes with real owners, and jobs whose program is a small script."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.client import Client
from tuner.settings import Settings

PATIENCE = 30.0
IMAGE = "program"
PROGRAM = """#!{python}
import json, os, sys, time
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
parameters = json.load(open(base + "/input/config/hyperparameters.json"))
x = float(parameters["x"])
if parameters.get("mode") == "fail":
    open(base + "/output/failure", "w").write("the moon at %d was wrong" % (time.time() * 1000))
    sys.exit(1)
if parameters.get("mode") == "input":
    print(open(base + "/input/data/train/" + parameters["file"]).read(), flush=True)
print("host says hello", flush=True)
print("loss=%r" % (x * x), flush=True)
open(base + "/model/model.txt", "w").write("a model")
if parameters.get("mode") == "hang":
    time.sleep(600)
"""


def write_program(directory: Path) -> Path:
    """A container that minimises x squared; its `mode` is none, fail, hang or input."""
    train = directory / "train"
    train.write_text(PROGRAM.format(python=sys.executable))
    train.chmod(0o755)
    return directory


def specification(name: str, jobs: int = 2, parallel: int = 1, **static: str) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "RandomSeed": 1,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": jobs,
                    "MaxParallelTrainingJobs": parallel,
                },
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
                },
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": static,
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([-0-9.e]+)"}],
                },
                "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
                "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            },
        }
    )


def environment(home: Path, program: Path, idle_seconds: int = 60) -> dict[str, str]:
    """Variables for a process that works on this home."""
    return os.environ | {
        "TUNER_HOME": str(home),
        "TUNER_IMAGE_MAP": f"{IMAGE}={program}",
        "TUNER_IDLE_SECONDS": str(idle_seconds),
        "TUNER_CPUS": "4",
        "AWS_REGION": "eu-north-1",
    }


def settings_of(environ: Mapping[str, str]) -> Settings:
    return Settings.from_environment(environ)


def owner_pid(home: Path) -> int:
    return int((home / "owner.lock").read_text())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def owned(home: Path) -> Iterator[Path]:
    """The home; at the end its jobs are stopped and its owner is ended."""
    try:
        yield home
    finally:
        if (home / "owner.lock").exists() and alive(owner_pid(home)):
            client = Client(Settings(home=home, region="eu-north-1"))
            page = client.call("ListHyperParameterTuningJobs", StatusEquals="InProgress")
            for item in page["HyperParameterTuningJobSummaries"]:
                name = item["HyperParameterTuningJobName"]
                with contextlib.suppress(Exception):
                    client.call("StopHyperParameterTuningJob", HyperParameterTuningJobName=name)
            until(
                lambda: all(
                    not client.call("ListHyperParameterTuningJobs", StatusEquals=status)[
                        "HyperParameterTuningJobSummaries"
                    ]
                    for status in ("InProgress", "Stopping")
                )
            )
            pid = owner_pid(home)  # perhaps another by now
            os.kill(pid, signal.SIGTERM)
            until(lambda: not alive(pid))
