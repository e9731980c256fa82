"""An owner in a process of its own that can be told to die at a certain place.

    python -m tests.crash.owner HOME [PLACE N]

It creates (or finds) one tuning job in HOME, works until it has ended, and prints its Describe.
With PLACE and N it kills itself with SIGKILL at the N-th time it comes to that place: the ports
are wrapped, the product has no hooks. With CRASH_SPOT training jobs run on spot instances, which
are taken away several times a second, and keep checkpoints.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from tuner.domain.errors import ResourceInUse
from tuner.domain.ports import ObjectInfo
from tuner.service import Service
from tuner.service.ports import open_ports
from tuner.settings import Settings
from tuner.store.objects import FileObjects

NAME = "crash"
JOBS = 12
PARALLEL = 3
ACTS = ("prepare", "launch", "collect", "release")
PLACES = (
    "before-commit",
    "after-commit",
    *(f"{when}-{act}" for act in ACTS for when in ("before", "after")),
)


SPOT_ACTS = (*ACTS, "stop")
CHECKPOINTS = "checkpoints"
SPOT_PLACES = (
    "before-commit",
    "after-commit",
    *(f"{when}-{act}" for act in (*SPOT_ACTS, "checkpoint") for when in ("before", "after")),
)
INTERRUPTIONS_PER_HOUR = 12_000.0


def specification(
    image: str, jobs: int = JOBS, retries: int = 0, spot: bool = False
) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
        "OutputDataConfig": {"S3OutputPath": "s3://amtlocal-output/crash"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    if retries:
        definition["RetryStrategy"] = {"MaximumRetryAttempts": retries}
    if spot:
        definition["EnableManagedSpotTraining"] = True
        definition["StoppingCondition"]["MaxWaitTimeInSeconds"] = 600
        definition["CheckpointConfig"] = {"S3Uri": f"s3://{CHECKPOINTS}/crash"}
    return {
        "HyperParameterTuningJobName": NAME,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": jobs,
                "MaxParallelTrainingJobs": PARALLEL,
            },
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": definition,
    }


class Death:
    """Kills this process the N-th time `at` is called for the chosen place."""

    def __init__(self, place: str | None, count: int) -> None:
        self._place, self._left = place, count

    def at(self, place: str) -> None:
        if place == self._place:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Wrapped:
    """Passes everything on to `inner`, but for the attributes given."""

    def __init__(self, inner: object, **instead: Callable[..., Any]) -> None:
        self._inner = inner
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def dying_records(records: Any, death: Death) -> Any:
    @contextlib.contextmanager
    def transaction() -> Iterator[None]:
        with records.transaction():
            yield
            death.at("before-commit")
        death.at("after-commit")

    return Wrapped(records, transaction=transaction)


def dying_backend(backend: Any, death: Death) -> Any:
    def dying(act: str) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            death.at(f"before-{act}")
            getattr(backend, act)(*arguments)
            death.at(f"after-{act}")

        return run

    return Wrapped(backend, **{act: dying(act) for act in SPOT_ACTS})


def die_at_checkpoints(death: Death) -> None:
    """The backend has the object store from inside, so it is the class that is wrapped."""
    put = FileObjects.put

    def dying(objects: FileObjects, bucket: str, key: str, source: BinaryIO) -> ObjectInfo:
        if bucket != CHECKPOINTS:
            return put(objects, bucket, key, source)
        death.at("before-checkpoint")
        info = put(objects, bucket, key, source)
        death.at("after-checkpoint")
        return info

    FileObjects.put = dying  # type: ignore[method-assign]


def main() -> None:
    home, *where = sys.argv[1:]
    death = Death(where[0], int(where[1])) if where else Death(None, 0)
    image = os.environ["CRASH_IMAGE"]
    spot = "CRASH_SPOT" in os.environ
    settings = Settings(
        home=Path(home),
        image_map={"crash": image},
        cpus=PARALLEL,
        interruption_rate=INTERRUPTIONS_PER_HOUR if spot else 0.0,
    )
    die_at_checkpoints(death)
    ports = open_ports(settings)
    ports = replace(
        ports,
        records=dying_records(ports.records, death),
        backend=dying_backend(ports.backend, death),
    )
    service = Service(settings, ports)
    service.start()
    jobs = int(os.environ.get("CRASH_JOBS", JOBS))
    retries = int(os.environ.get("CRASH_RETRIES", 0))
    region = settings.region
    with contextlib.suppress(ResourceInUse):
        spec = specification("crash", jobs, retries, spot)
        service.call("SageMaker.CreateHyperParameterTuningJob", spec, region)
    request = {"HyperParameterTuningJobName": NAME}
    while True:
        found = service.call("SageMaker.DescribeHyperParameterTuningJob", request, region)
        if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            break
        time.sleep(0.02)
    service.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
