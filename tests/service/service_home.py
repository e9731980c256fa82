"""A real service on a home of its own, with small programs as its images."""

from __future__ import annotations

import copy
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.service import Service
from tuner.settings import Settings

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
PROGRAM = """#!{python}
import json, os, socket, sys, time
base = os.environ["SAGEMAKER_BASE_DIR"] if "SAGEMAKER_BASE_DIR" in os.environ else "/opt/ml"
given = json.load(open(base + "/input/config/hyperparameters.json"))
mode, x = given.get("mode", ""), float(given.get("x", 1))
if mode == "fail":
    open(base + "/output/failure", "w").write("the moon was wrong")
    sys.exit(3)
if mode == "silent":
    print("validation loss is 0.5")
    sys.exit(0)
for epoch in range(3):
    print("\\tepoch %d loss=%r" % (epoch, x + 2 - epoch), flush=True)
open(base + "/model/weights", "w").write(str(x))
open(base + "/output/data/extra", "w").write("more")
if mode == "hang":
    time.sleep(600)
if mode == "slow":
    time.sleep(1)
"""


class Home:
    """The service and what a client would do with it."""

    def __init__(
        self,
        directory: Path,
        images: Mapping[str, str] | None = None,
        interruption_rate: float = 0.0,
    ) -> None:
        image = directory / "program"
        image.mkdir()
        (image / "train").write_text(PROGRAM.format(python=sys.executable))
        (image / "train").chmod(0o755)
        self.settings = Settings(
            home=directory / "home",
            cpus=4,
            backend="process",  # whatever images this machine's engine has
            image_map={"program": str(image), **(images or {})},
            interruption_rate=interruption_rate,
        )
        self.service = Service(self.settings)
        self.service.start()

    def replace_service(self) -> None:
        """As when the owner ends and another one begins."""
        self.service.close()
        self.service = Service(self.settings)
        self.service.start()

    def close(self) -> None:
        """Let go of the service, and end its keeper, which takes all programs along."""
        self.service.close()
        lock = self.settings.home / "keeper.lock"
        pid = int(lock.read_text()) if lock.exists() else None
        if pid is None or not _alive(pid):
            return
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while _alive(pid):
            assert time.monotonic() < deadline, f"the keeper {pid} still runs"
            time.sleep(0.02)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        target = operation if "." in operation else f"SageMaker.{operation}"
        return self.service.call(target, params, REGION)

    def tuning_job(self, name: str) -> dict[str, Any]:
        return self.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)

    def wait(self, name: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.tuning_job(name)
            if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {found['HyperParameterTuningJobStatus']}")

    def wait_training_job(self, name: str, *until: str, seconds: float = 60) -> dict[str, Any]:
        wanted = until or ("Completed", "Failed", "Stopped")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.call("DescribeTrainingJob", TrainingJobName=name)
            if found["TrainingJobStatus"] in wanted or found["SecondaryStatus"] in wanted:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {found['SecondaryStatus']}")

    def stored(self) -> tuple[int, int]:
        """How many tuning and training jobs there are."""
        tuning = self.call("ListHyperParameterTuningJobs", MaxResults=100)
        training = self.call("ListTrainingJobs", MaxResults=100)
        return len(tuning["HyperParameterTuningJobSummaries"]), len(
            training["TrainingJobSummaries"]
        )


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


_TUNING: dict[str, Any] = {
    "HyperParameterTuningJobName": "job",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "RandomSeed": 3,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
        },
    },
    "TrainingJobDefinition": {
        "StaticHyperParameters": {"epochs": "3"},
        "AlgorithmSpecification": {
            "TrainingImage": "program",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([-0-9.e]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://output/models/"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
}


def tuning(name: str, jobs: int = 3, parallel: int = 2, **static: str) -> dict[str, Any]:
    spec = copy.deepcopy(_TUNING)
    spec["HyperParameterTuningJobName"] = name
    limits = spec["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits |= {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}
    spec["TrainingJobDefinition"]["StaticHyperParameters"] |= static
    return spec


def training(name: str, **hyper_parameters: str) -> dict[str, Any]:
    spec = copy.deepcopy(_TUNING["TrainingJobDefinition"])
    del spec["StaticHyperParameters"]
    return {"TrainingJobName": name, "HyperParameters": hyper_parameters, **spec}


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the member at a dotted path set; a number is an index, None removes it."""
    spec = copy.deepcopy(spec)
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    place: Any = spec
    for step in steps:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    return spec
