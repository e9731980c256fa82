"""Training jobs of several instances where hosts cannot be given names of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import Home, changed, training, tuning
from tuner.domain.errors import ValidationException

SPEC = Path(__file__).parents[2] / "jobs" / "xgboost-two-instances.json"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
IN_GROUPS = {
    "InstanceGroups": [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
    ],
    "VolumeSizeInGB": 1,
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose backend uses no namespaces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNER_NAMESPACES", "off")
        made = Home(tmp_path_factory.mktemp("bare"))
    yield made
    made.close()


@pytest.mark.parametrize("member", ["ResourceConfig", "HyperParameterTuningResourceConfig"])
def test_a_program_of_ones_own_is_refused(bare: Home, member: str) -> None:
    spec = changed(tuning("own"), "TrainingJobDefinition.ResourceConfig", None)
    spec["TrainingJobDefinition"][member] = RESOURCES
    with pytest.raises(ValidationException, match="InstanceCount 2 cannot be run"):
        bare.call("CreateHyperParameterTuningJob", **spec)
    with pytest.raises(ValidationException, match="namespaces are switched off"):
        bare.call("CreateTrainingJob", **changed(training("own"), "ResourceConfig", RESOURCES))
    with pytest.raises(ValidationException, match="namespaces are switched off") as refused:
        bare.call("CreateTrainingJob", **changed(training("own"), "ResourceConfig", IN_GROUPS))
    assert refused.value.faults[0].path == "ResourceConfig.InstanceGroups"


@pytest.mark.parametrize("resources", [RESOURCES, IN_GROUPS], ids=["one type", "two types"])
def test_a_bundled_program_trains_on_two_instances(bare: Home, resources: dict[str, Any]) -> None:
    pytest.importorskip("xgboost", reason="needs xgboost: pip install 'amtlocal[xgboost]'")
    pytest.importorskip("sklearn", reason="needs sklearn: pip install 'amtlocal[xgboost]'")
    spec: dict[str, Any] = json.loads(SPEC.read_text())
    name = f"instances-{len(resources)}"
    definition = spec["TrainingJobDefinition"]
    definition["ResourceConfig"] = resources
    groups = [item["InstanceGroupName"] for item in resources.get("InstanceGroups", ())]
    for channel in definition["InputDataConfig"] if groups else ():
        channel["DataSource"]["S3DataSource"]["InstanceGroupNames"] = groups
    limits = "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs"
    spec["HyperParameterTuningJobName"] = name
    bare.call("CreateHyperParameterTuningJob", **changed(spec, limits, 1))
    found = bare.wait(name, seconds=300)
    assert found["TrainingJobStatusCounters"]["Completed"] == 1, found
    best = found["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert 0 < value < 0.7
    streams = bare.call(
        "Logs_20140328.DescribeLogStreams",
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=f"{best['TrainingJobName']}/",
    )["logStreams"]
    assert len(streams) == 2
