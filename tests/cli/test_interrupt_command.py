"""`tuner interrupt`: a spot job starts again with its checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cli.conftest import CommandLine
from tests.owner.homes import specification, until
from tuner.client import Client
from tuner.settings import Settings

COUNT = """
import os, pathlib, sys, time
place = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
runs = len(list(place.iterdir())) + 1
(place / f"run-{runs}").write_text("begun")
print(f"run {runs}", flush=True)
if runs < 3:
    time.sleep(600)
"""


def create(tuner: CommandLine, name: str, spot: bool = True) -> None:
    program = Path(tuner.directory, "count.py")
    program.write_text(COUNT)
    definition = specification("x")["TrainingJobDefinition"]
    del definition["StaticHyperParameters"]
    definition["AlgorithmSpecification"]["ContainerEntrypoint"] = [sys.executable, str(program)]
    definition["CheckpointConfig"] = {"S3Uri": f"s3://checkpoints/{name}"}
    if spot:
        definition["EnableManagedSpotTraining"] = True
        definition["StoppingCondition"]["MaxWaitTimeInSeconds"] = 600
    client = Client(Settings.from_environment(tuner.environ))
    client.call("CreateTrainingJob", TrainingJobName=name, **definition)


def test_an_interrupted_job_goes_on_to_its_end(tuner: CommandLine) -> None:
    create(tuner, "spot")
    for run in ("run 1", "run 2"):
        until(lambda run=run: run in tuner("logs", "spot").stdout)  # type: ignore[misc]
        shown = tuner("interrupt", "spot")
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout == "spot is interrupted and will start again\n"
    assert tuner("wait", "spot").returncode == 0
    assert tuner("logs", "spot").stdout.splitlines() == ["run 1", "run 2", "run 3"]
    refused = tuner("interrupt", "spot")
    assert refused.returncode == 1
    assert refused.stderr == (
        "tuner: The training job spot cannot be interrupted while it is Completed: only one that "
        "is Training has instances to lose.\n"
    )


def test_what_is_no_spot_training_job_is_refused_in_a_line(tuner: CommandLine, done: str) -> None:
    create(tuner, "on-demand", spot=False)
    until(lambda: "run 1" in tuner("logs", "on-demand").stdout)
    refused = tuner("interrupt", "on-demand")
    assert refused.returncode == 1
    assert "does not run on spot instances" in refused.stderr
    tuner("stop", "on-demand")
    refused = tuner("interrupt", done)
    assert refused.returncode == 1
    assert refused.stderr == (
        "tuner: done is a tuning job; this command takes a training job: tuner jobs done lists "
        "them\n"
    )
