"""Homes whose training jobs run in containers, and the images of the bundled containers."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.conformance.backends.docker_stage import client as engine
from tests.owner.homes import environment, owned
from tuner.client import Client

BUILD_SECONDS = 600
"""Where nothing is in the engine's cache; a test that needs an image may take that long."""
_LOCK = Path(tempfile.gettempdir()) / "amtlocal-test-images.lock"
_PATIENCE = 120.0


@cache
def built(name: str) -> str:
    """Build the image of a bundled container; skips the test where there is no engine."""
    engine()
    with _LOCK.open("w") as lock, tempfile.TemporaryDirectory() as directory:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second finds everything in the engine's cache
        with owned(Path(directory) / "home") as home:
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "from tuner.cli import main; main()",
                    "images",
                    "build",
                    name,
                ],
                env=environment(home, home, idle_seconds=1),
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
    assert done.returncode == 0, done.stdout + done.stderr
    return f"amtlocal/{name}"


def upload(client: Client, uri: str, content: bytes | str) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    prefix, _, name = key.rpartition("/")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        client.call("Tuner.ImportFiles", Source=str(path), Bucket=bucket, Prefix=prefix)


def run_training_job(client: Client, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Run one to its end; its description."""
    name = spec["TrainingJobName"]
    client.call("CreateTrainingJob", **spec)
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = client.call("DescribeTrainingJob", TrainingJobName=name)
        if found["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def run(client: Client, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a tuning job to its end; its training jobs in the order of their hyperparameters."""
    name = spec["HyperParameterTuningJobName"]
    client.call("CreateHyperParameterTuningJob", **spec)
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
        if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    jobs = client.call(
        "ListTrainingJobsForHyperParameterTuningJob",
        HyperParameterTuningJobName=name,
        SortBy="Name",
        MaxResults=100,
    )["TrainingJobSummaries"]
    return sorted(jobs, key=lambda job: sorted(job["TunedHyperParameters"].items()))


def values(jobs: list[dict[str, Any]]) -> list[tuple[dict[str, str], float]]:
    """The hyperparameters and the objective of training jobs that have completed."""
    assert {job["TrainingJobStatus"] for job in jobs} == {"Completed"}, jobs
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    return [(job["TunedHyperParameters"], job[metric]["Value"]) for job in jobs]
