"""Checkpoints and interruptions of real programs, from request to Describe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import REGION, Home, training, tuning
from tuner.domain.errors import ValidationException
from tuner.service.metrics import MetricSource
from tuner.training import checkpoints

COUNT = """
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
name, limit, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
place = base / sys.argv[4] / name.format(**os.environ)
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
count = int(place.read_text()) if place.exists() else 0
while count < limit and not leaving:
    count += 1
    draft = place.with_suffix(".sagemaker-ignore")
    draft.write_text(str(count))
    draft.replace(place)
    print(f"loss={count}", flush=True)
    time.sleep(pause)
if count < limit:
    sys.exit(5)
"""


@pytest.fixture
def count(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A training job that counts to a limit, a step for each line that it prints."""
    program = tmp_path / "count.py"
    program.write_text(COUNT)

    def make(
        name: str,
        limit: int = 1_000_000,
        *,
        file: str = "count",
        pause: float = 0.02,
        place: str = "checkpoints",
        spot: bool = False,
        instances: int = 1,
        **config: str,
    ) -> dict[str, Any]:
        spec = training(name)
        algorithm = spec["AlgorithmSpecification"]
        words = [str(program), file, str(limit), str(pause), place]
        algorithm["ContainerEntrypoint"] = [sys.executable, *words]
        spec["ResourceConfig"]["InstanceCount"] = instances
        spec["CheckpointConfig"] = {"S3Uri": f"s3://checkpoints/{name}", **config}
        if spot:
            spec["EnableManagedSpotTraining"] = True
            spec["StoppingCondition"] = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
        return spec

    return make


def stored(home: Home, prefix: str) -> dict[str, str]:
    objects = home.service.context.ports.objects
    return {
        info.key.removeprefix(f"{prefix}/"): objects.open("checkpoints", info.key).read().decode()
        for info in objects.list("checkpoints", f"{prefix}/")
    }


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.02)


def lines(home: Home, name: str) -> list[str]:
    answer = home.call(
        "Logs_20140328.FilterLogEvents",
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=f"{name}/",
    )
    return [event["message"] for event in answer["events"]]


def statuses(described: dict[str, Any]) -> list[str]:
    return [item["Status"] for item in described["SecondaryStatusTransitions"]]


def test_a_job_that_is_interrupted_twice_counts_to_the_end(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    home.call("CreateTrainingJob", **count("twice", 60, spot=True))
    for steps in (10, 30):
        until(lambda steps=steps: len(lines(home, "twice")) >= steps)  # type: ignore[misc]
        home.call("Tuner.Interrupt", TrainingJobName="twice")
    ended = home.wait_training_job("twice")
    training = ["Starting", "Downloading", "Training"]
    assert statuses(ended) == [
        *("Starting", "Pending"),
        *(*training, "Interrupted") * 2,
        *(*training, "Uploading", "Completed"),
    ]
    assert stored(home, "twice") == {"count": "60"}
    assert lines(home, "twice") == [f"loss={number}" for number in range(1, 61)]
    assert ended["FinalMetricDataList"][0]["Value"] == 60
    source = MetricSource(home.service.context.ports.records, "123456789012")
    points = source.points(REGION, "twice", "loss")
    assert [point.value for point in points] == list(range(1, 61))
    assert ended["EnableManagedSpotTraining"] is True
    assert 1 <= ended["BillableTimeInSeconds"] <= ended["TrainingTimeInSeconds"]


def test_each_run_has_a_log_stream_of_its_own(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    home.call("CreateTrainingJob", **count("streams", 60, spot=True))
    until(lambda: len(lines(home, "streams")) >= 10)
    home.call("Tuner.Interrupt", TrainingJobName="streams")
    home.wait_training_job("streams")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    found = home.call("Logs_20140328.DescribeLogStreams", logStreamNamePrefix="streams/", **group)[
        "logStreams"
    ]
    names = [item["logStreamName"] for item in found]
    assert len(set(names)) == 2
    told = [
        home.call("Logs_20140328.GetLogEvents", logStreamName=name, startFromHead=True, **group)
        for name in names
    ]
    first, second = [[event["message"] for event in page["events"]] for page in told]
    assert first + second == [f"loss={number}" for number in range(1, 61)]
    assert len(first) >= 10
    assert second
    paged: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = home.call(
            "Logs_20140328.FilterLogEvents",
            logStreamNamePrefix="streams/",
            limit=7,
            **group,
            **token,
        )
        paged += [event["message"] for event in page["events"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert paged == first + second
    one = home.call("Logs_20140328.FilterLogEvents", logStreamNames=names[1:], **group)
    assert [event["message"] for event in one["events"]] == second


def test_what_cannot_be_interrupted_is_told_why(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    home.call("CreateTrainingJob", **count("on-demand"))
    home.wait_training_job("on-demand", "Training")
    with pytest.raises(ValidationException, match="does not run on spot instances"):
        home.call("Tuner.Interrupt", TrainingJobName="on-demand")
    home.call("StopTrainingJob", TrainingJobName="on-demand")
    home.call("CreateTrainingJob", **count("short", 1, spot=True))
    home.wait_training_job("short")
    with pytest.raises(ValidationException, match="while it is Completed"):
        home.call("Tuner.Interrupt", TrainingJobName="short")
    with pytest.raises(ValidationException, match="not found"):
        home.call("Tuner.Interrupt", TrainingJobName="nobody")
    for params in ({}, {"TrainingJobName": 3}):
        with pytest.raises(ValidationException, match="required"):
            home.call("Tuner.Interrupt", **params)
    home.wait_training_job("on-demand")


def test_checkpoints_are_stored_while_the_program_runs_and_at_its_stop(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    home.call("CreateTrainingJob", **count("stopped", 5, pause=3))
    until(lambda: stored(home, "stopped") == {"count": "1"})
    home.call("StopTrainingJob", TrainingJobName="stopped")
    ended = home.wait_training_job("stopped")
    last = lines(home, "stopped")[-1]
    assert ended["TrainingJobStatus"] == "Stopped"
    assert stored(home, "stopped") == {"count": last.removeprefix("loss=")}


def test_a_later_job_goes_on_from_the_checkpoints_of_a_failed_one(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    spec = count("failed", pause=0.01)
    spec["AlgorithmSpecification"]["ContainerEntrypoint"] = [
        "/bin/sh",
        "-c",
        "echo 41 > $SAGEMAKER_BASE_DIR/checkpoints/count; exit 3",
    ]
    home.call("CreateTrainingJob", **spec)
    assert home.wait_training_job("failed")["TrainingJobStatus"] == "Failed"
    assert stored(home, "failed") == {"count": "41\n"}
    again = count("again", 45)
    again["CheckpointConfig"] = spec["CheckpointConfig"]
    home.call("CreateTrainingJob", **again)
    assert home.wait_training_job("again")["TrainingJobStatus"] == "Completed"
    assert lines(home, "again") == [f"loss={number}" for number in range(42, 46)]
    assert stored(home, "failed") == {"count": "45"}


def test_instances_keep_their_own_files_below_one_prefix(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    if not home.service.context.ports.backend.capabilities().multiple_instances:
        pytest.skip("needs namespaces")
    home.call(
        "CreateTrainingJob", **count("gang", 25, file="{SM_CURRENT_HOST}", instances=2, spot=True)
    )
    until(lambda: len(lines(home, "gang")) >= 10)
    home.call("Tuner.Interrupt", TrainingJobName="gang")
    assert home.wait_training_job("gang")["TrainingJobStatus"] == "Completed"
    assert stored(home, "gang") == {"algo-1": "25", "algo-2": "25"}


def test_another_directory_within_opt_ml_is_followed(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    if not home.service.context.ports.backend.capabilities().private_opt_ml:
        pytest.skip("needs namespaces")
    home.call(
        "CreateTrainingJob", **count("elsewhere", 3, place="my/own", LocalPath="/opt/ml/my/own/")
    )
    assert home.wait_training_job("elsewhere")["TrainingJobStatus"] == "Completed"
    assert stored(home, "elsewhere") == {"count": "3"}


def test_a_directory_of_the_machine_is_refused(
    home: Home, count: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(ValidationException, match="lie below /opt/ml, not in /tmp/x"):
        home.call("CreateTrainingJob", **count("host", LocalPath="/tmp/x"))


def test_without_a_private_opt_ml_only_the_default_directory_is_served(
    tmp_path: Path, count: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_NAMESPACES", "off")
    (tmp_path / "place").mkdir()
    home = Home(tmp_path / "place")
    try:
        with pytest.raises(ValidationException, match="namespaces are switched off"):
            home.call("CreateTrainingJob", **count("own", LocalPath="/opt/ml/own"))
        home.call("CreateTrainingJob", **count("default", 3, LocalPath="/opt/ml/checkpoints/"))
        assert home.wait_training_job("default")["TrainingJobStatus"] == "Completed"
        assert stored(home, "default") == {"count": "3"}
    finally:
        home.close()


def test_a_new_owner_goes_on_storing(
    home: Home, count: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOOK_EVERY", 0.05)
    home.call("CreateTrainingJob", **count("adopted", pause=0.3, spot=True))
    until(lambda: stored(home, "adopted") != {})
    home.replace_service()
    seen = int(stored(home, "adopted")["count"])
    until(lambda: int(stored(home, "adopted")["count"]) > seen + 1)
    home.call("Tuner.Interrupt", TrainingJobName="adopted")
    until(lambda: statuses(home.wait_training_job("adopted", "Training")).count("Training") == 2)
    home.call("StopTrainingJob", TrainingJobName="adopted")
    home.wait_training_job("adopted")
    told = lines(home, "adopted")
    assert told == [f"loss={number}" for number in range(1, len(told) + 1)]
    assert stored(home, "adopted") == {"count": str(len(told))}


def test_a_tuning_job_on_spot_instances_reaches_its_budget(tmp_path: Path) -> None:
    """Every training job is interrupted by chance, some more than once."""
    program = tmp_path / "program-of-spot"
    program.mkdir()
    arguments = ["count.py", "{TRAINING_JOB_NAME}", "40", "0.02", "checkpoints"]
    (program / "train").write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv = {arguments!r}\n{COUNT}"
    )
    (program / "train").chmod(0o755)
    (tmp_path / "place").mkdir()
    home = Home(tmp_path / "place", images={"spot": str(program)}, interruption_rate=7200.0)
    try:
        spec = tuning("chance", jobs=6, parallel=3)
        spec["TrainingJobDefinition"] |= {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
            "CheckpointConfig": {"S3Uri": "s3://checkpoints/chance"},
        }
        spec["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "spot"
        home.call("CreateHyperParameterTuningJob", **spec)
        ended = home.wait("chance")
        assert ended["HyperParameterTuningJobStatus"] == "Completed"
        assert ended["TrainingJobStatusCounters"]["Completed"] == 6
        assert ended["ObjectiveStatusCounters"]["Succeeded"] == 6
        names = [
            item["TrainingJobName"]
            for item in home.call("ListTrainingJobs")["TrainingJobSummaries"]
        ]
        assert stored(home, "chance") == dict.fromkeys(names, "40")
        told = [home.call("DescribeTrainingJob", TrainingJobName=name) for name in names]
        assert sum(statuses(item).count("Interrupted") for item in told) >= 3
        for name in names:
            assert lines(home, name) == [f"loss={number}" for number in range(1, 41)]
    finally:
        home.close()
