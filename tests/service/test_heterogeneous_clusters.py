"""Training jobs of several instance groups, from request to Describe."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import Home, changed, training, tuning
from tuner.domain.errors import ValidationException

GROUPS = [
    {"InstanceGroupName": "data", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
    {"InstanceGroupName": "train", "InstanceType": "ml.m5.large", "InstanceCount": 2},
]
CONFIG = {"InstanceGroups": GROUPS, "VolumeSizeInGB": 1}
LOGS = "/aws/sagemaker/TrainingJobs"
PROGRAM = """
import json, os, sys, time
group = os.environ["SM_CURRENT_INSTANCE_GROUP"]
place = os.environ["SM_CURRENT_HOST"], group, os.environ["SM_CHANNELS"], os.environ["SM_NUM_CPUS"]
print(*place, flush=True)
if json.loads(os.environ["SM_HPS"]).get("mode") == "fail":
    if group == "train":
        sys.exit(3)
    time.sleep(600)
if group == "train":
    print(f"loss={json.loads(os.environ['SM_HPS']).get('x', 1)}", flush=True)
"""


def channel(name: str, *groups: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://inputs/{name}"}
    if groups:
        source["InstanceGroupNames"] = [*groups]  # type: ignore[assignment]
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


@pytest.fixture
def groups(home: Home, tmp_path: Path) -> dict[str, Any]:
    """Members of a spec whose program tells what it is, in two groups of instances."""
    able = home.service.context.ports.backend.capabilities()
    if not able.multiple_instances:
        pytest.skip(f"needs namespaces: {able.note}")
    for name in ("raw", "labels"):
        home.service.context.ports.objects.put("inputs", f"{name}/1.csv", io.BytesIO(b"1"))
    program = tmp_path / "tell.py"
    program.write_text(PROGRAM)
    algorithm = training("any")["AlgorithmSpecification"]
    return {
        "AlgorithmSpecification": {
            **algorithm,
            "ContainerEntrypoint": [sys.executable, str(program)],
        },
        "ResourceConfig": CONFIG,
        "InputDataConfig": [channel("raw", "data"), channel("labels", "train", "data")],
    }


def lines(home: Home, name: str) -> list[tuple[str, str]]:
    found = home.call(
        "Logs_20140328.FilterLogEvents", logGroupName=LOGS, logStreamNamePrefix=f"{name}/"
    )["events"]
    return sorted((event["logStreamName"].split("/")[1][:6], event["message"]) for event in found)


def test_groups_run_together_and_are_described_as_they_were_sent(
    home: Home, groups: dict[str, Any]
) -> None:
    home.call("CreateTrainingJob", **{**training("both"), **groups})
    ended = home.wait_training_job("both")
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert ended["ResourceConfig"] == CONFIG
    sent = [item["DataSource"] for item in groups["InputDataConfig"]]
    assert [item["DataSource"] for item in ended["InputDataConfig"]] == sent
    assert ended["BillableTimeInSeconds"] == ended["TrainingTimeInSeconds"] < 60
    assert lines(home, "both") == [
        ("algo-1", 'algo-1 data ["labels","raw"] 1'),
        ("algo-2", 'algo-2 train ["labels"] 1'),
        ("algo-2", "loss=1"),
        ("algo-3", 'algo-3 train ["labels"] 1'),
        ("algo-3", "loss=1"),
    ]
    condition = {"Name": "ResourceConfig.InstanceGroups.InstanceType", "Operator": "Equals"}
    found = home.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression={"Filters": [{**condition, "Value": "ml.c5.xlarge"}]},
    )
    assert [item["TrainingJob"]["TrainingJobName"] for item in found["Results"]] == ["both"]


def test_a_failure_in_one_group_ends_the_others(home: Home, groups: dict[str, Any]) -> None:
    began = time.monotonic()
    home.call("CreateTrainingJob", **{**training("one", mode="fail"), **groups})
    ended = home.wait_training_job("one")
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"].endswith("exit code: 3")
    assert time.monotonic() - began < 60


def test_a_tuning_job_tunes_what_its_groups_print(home: Home, groups: dict[str, Any]) -> None:
    spec = tuning("tuned", jobs=2, parallel=1)
    algorithm = {**groups["AlgorithmSpecification"]}
    del algorithm["ContainerEntrypoint"]  # which tuning jobs do not have
    definition = {**groups, "AlgorithmSpecification": algorithm}
    spec["TrainingJobDefinition"] |= definition
    home.call("CreateHyperParameterTuningJob", **spec)
    found = home.wait("tuned")
    assert found["TrainingJobStatusCounters"]["Completed"] == 2, found
    assert found["TrainingJobDefinition"]["ResourceConfig"] == CONFIG
    best = found["BestTrainingJob"]["TrainingJobName"]
    described = home.call("DescribeTrainingJob", TrainingJobName=best)
    assert described["ResourceConfig"] == CONFIG
    streams = home.call(
        "Logs_20140328.DescribeLogStreams", logGroupName=LOGS, logStreamNamePrefix=f"{best}/"
    )["logStreams"]
    assert len(streams) == 3


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (
            "ResourceConfig",
            {**CONFIG, "InstanceType": "ml.m5.large", "InstanceCount": 1},
            "InstanceType or InstanceCount cannot be specified with InstanceGroups",
        ),
        (
            "InputDataConfig",
            [channel("raw", "data"), channel("labels")],
            "Some channels have assigned instance groups: [raw] while others not: [labels]",
        ),
        (
            "ResourceConfig.InstanceGroups",
            [{**GROUPS[0], "InstanceGroupName": f"g{number}"} for number in range(6)],
            "' at 'resourceConfig.instanceGroups' failed to satisfy constraint: Member must have "
            "length less than or equal to 5",
        ),
    ],
)
def test_what_groups_exclude_is_refused_in_aws_s_words(
    home: Home, groups: dict[str, Any], path: str, value: Any, text: str
) -> None:
    with pytest.raises(ValidationException) as refused:
        home.call("CreateTrainingJob", **changed({**training("bad"), **groups}, path, value))
    assert refused.value.message.endswith(text)
