"""Jobs from request to result through the operations, with real processes."""

from __future__ import annotations

import io
import tarfile
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.service.service_home import Home, changed, training, tuning
from tuner.domain.errors import AwsError, ResourceInUse, ResourceNotFound, ValidationException


def _summaries(home: Home, name: str, **query: Any) -> list[dict[str, Any]]:
    answer = home.call(
        "ListTrainingJobsForHyperParameterTuningJob", HyperParameterTuningJobName=name, **query
    )
    return list(answer["TrainingJobSummaries"])


def _object(home: Home, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with home.service.context.ports.objects.open(bucket, key) as stream:
        return stream.read()


def test_a_tuning_job_runs_and_everything_about_it_can_be_read(home: Home) -> None:
    answer = home.call("CreateHyperParameterTuningJob", **tuning("Journey", jobs=4))
    arn = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/journey"
    assert answer == {"HyperParameterTuningJobArn": arn}
    found = home.wait("Journey")
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 4
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    best = found["BestTrainingJob"]
    summaries = _summaries(home, "Journey", SortBy="FinalObjectiveMetricValue")
    assert best["TrainingJobName"] == summaries[0]["TrainingJobName"]
    described = home.call("DescribeTrainingJob", TrainingJobName=best["TrainingJobName"])
    assert described["TuningJobArn"] == arn
    given = described["HyperParameters"]
    assert given["_tuning_objective_metric"] == "loss"
    assert given["epochs"] == "3"
    assert {"x": given["x"]} == best["TunedHyperParameters"]
    expected = float(given["x"])
    assert described["FinalMetricDataList"][0]["Value"] == pytest.approx(expected, abs=1e-6)
    model = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert model == f"s3://output/models/{best['TrainingJobName']}/output/model.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(_object(home, model))) as archive:
        weights = archive.extractfile("weights")
        assert weights is not None
        assert weights.read().decode() == str(expected)
    extra = _object(home, model.replace("model.tar.gz", "output.tar.gz"))
    with tarfile.open(fileobj=io.BytesIO(extra)) as archive:
        assert archive.getnames() == ["extra"]


def test_one_seed_gives_one_set_of_configurations(home: Home) -> None:
    for name in ("seed-a", "seed-b"):
        home.call("CreateHyperParameterTuningJob", **tuning(name, jobs=5, parallel=3))
    for name in ("seed-a", "seed-b"):
        home.wait(name)
    first, second = (
        [item["TunedHyperParameters"] for item in _summaries(home, name)]
        for name in ("seed-a", "seed-b")
    )
    assert first == second


def test_pages_go_through_all_jobs_once(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("paged", jobs=7, parallel=4))
    home.wait("paged")
    for sort in ("Name", "CreationTime", "Status", "FinalObjectiveMetricValue"):
        for order in ("Ascending", "Descending"):
            names, token = [], None
            while True:
                query: dict[str, Any] = {"SortBy": sort, "SortOrder": order, "MaxResults": 3}
                if token:
                    query["NextToken"] = token
                answer = home.call(
                    "ListTrainingJobsForHyperParameterTuningJob",
                    HyperParameterTuningJobName="paged",
                    **query,
                )
                names += [item["TrainingJobName"] for item in answer["TrainingJobSummaries"]]
                token = answer.get("NextToken")
                if token is None:
                    break
            assert len(names) == len(set(names)) == 7
    first = home.call(
        "ListTrainingJobsForHyperParameterTuningJob",
        HyperParameterTuningJobName="paged",
        MaxResults=3,
    )
    with pytest.raises(ValidationException, match="another query"):
        home.call("ListTrainingJobs", NextToken=first["NextToken"])


def test_a_stopped_job_keeps_its_models_and_its_best(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("stopped", jobs=9, mode="hang"))
    while home.tuning_job("stopped")["TrainingJobStatusCounters"]["InProgress"] < 2:
        pass
    for item in _summaries(home, "stopped"):
        home.wait_training_job(item["TrainingJobName"], "Training")
    while not _printed(home, _summaries(home, "stopped")[0]["TrainingJobName"]):
        pass
    home.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="stopped")
    found = home.wait("stopped")
    assert found["HyperParameterTuningJobStatus"] == "Stopped"
    assert found["TrainingJobStatusCounters"]["Stopped"] == 2
    first = home.call(
        "DescribeTrainingJob", TrainingJobName=_summaries(home, "stopped")[0]["TrainingJobName"]
    )
    assert first["SecondaryStatus"] == "Stopped"
    assert _object(home, first["ModelArtifacts"]["S3ModelArtifacts"])
    assert "BestTrainingJob" in found
    with pytest.raises(ValidationException, match="already"):
        home.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="stopped")


def _printed(home: Home, name: str) -> list[Any]:
    found = home.call("DescribeTrainingJob", TrainingJobName=name)
    return list(found.get("FinalMetricDataList", []))


def test_failed_programs_tell_why_in_aws_words(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("failing", jobs=9, mode="fail"))
    found = home.wait("failing")
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert "No training job succeeded after" in found["FailureReason"]
    summary = _summaries(home, "failing")[0]
    assert summary["FailureReason"] == "AlgorithmError: the moon was wrong, exit code: 3"
    assert summary["ObjectiveStatus"] == "Failed"


def test_a_regex_that_matches_nothing_is_explained_with_the_nearest_lines(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("silent", jobs=9, mode="silent"))
    found = home.wait("silent")
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    reason = found["FailureReason"]
    assert reason.startswith("No objective metrics found after running")
    assert "loss=([-0-9.e]+)" in reason
    assert "validation loss is 0.5" in reason


def test_a_plain_training_job_runs_by_itself(home: Home) -> None:
    home.call("CreateTrainingJob", **training("plain", x="0.25"))
    found = home.wait_training_job("plain")
    assert found["TrainingJobStatus"] == "Completed"
    assert "TuningJobArn" not in found
    seen = [item["Status"] for item in found["SecondaryStatusTransitions"]]
    assert seen == ["Starting", "Pending", "Starting", "Downloading", "Training", "Uploading",
                    "Completed"]  # fmt: skip
    assert found["FinalMetricDataList"][0]["Value"] == 0.25


def test_entry_point_and_arguments_replace_the_program(home: Home) -> None:
    spec = changed(
        training("entry"), "AlgorithmSpecification.ContainerEntrypoint", ["/bin/sh", "-c"]
    )
    spec = changed(spec, "AlgorithmSpecification.ContainerArguments", ["echo loss=0.125"])
    home.call("CreateTrainingJob", **spec)
    found = home.wait_training_job("entry")
    assert found["FinalMetricDataList"][0]["Value"] == 0.125


def test_stopping_a_training_job_by_name(home: Home) -> None:
    home.call("CreateTrainingJob", **training("stop-me", mode="hang"))
    home.wait_training_job("stop-me", "Training")
    home.call("StopTrainingJob", TrainingJobName="stop-me")
    assert home.wait_training_job("stop-me")["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ValidationException, match="the training job is in status Stopped"):
        home.call("StopTrainingJob", TrainingJobName="stop-me")


def test_max_runtime_stops_a_training_job(home: Home) -> None:
    spec = changed(training("long", mode="hang"), "StoppingCondition.MaxRuntimeInSeconds", 1)
    home.call("CreateTrainingJob", **spec)
    found = home.wait_training_job("long")
    assert found["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert found["TrainingJobStatus"] == "Stopped"


def test_delete_forgets_the_tuning_job_but_not_its_training_jobs(home: Home) -> None:
    home.call("CreateHyperParameterTuningJob", **tuning("gone", jobs=1, parallel=1, mode="hang"))
    with pytest.raises(ValidationException, match="not in a terminal state"):
        home.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="gone")
    (training_job,) = _first(home, "gone")
    with pytest.raises(AwsError):
        home.call("DeleteTrainingJob", TrainingJobName=training_job["TrainingJobName"])
    home.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="gone")
    home.wait("gone")
    home.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="gone")
    with pytest.raises(ResourceNotFound):
        home.tuning_job("gone")
    name = training_job["TrainingJobName"]
    assert home.call("DescribeTrainingJob", TrainingJobName=name)
    home.call("DeleteTrainingJob", TrainingJobName=name)
    with pytest.raises(ValidationException, match="Requested resource not found"):
        home.call("DescribeTrainingJob", TrainingJobName=name)
    home.call("CreateHyperParameterTuningJob", **tuning("gone", jobs=1, parallel=1))
    assert home.wait("gone")["HyperParameterTuningJobStatus"] == "Completed"


def _first(home: Home, name: str) -> list[dict[str, Any]]:
    while not (found := _summaries(home, name)):
        pass
    return found


def test_tags_travel_to_training_jobs_and_can_be_changed(home: Home) -> None:
    spec = tuning("tagged", jobs=1, parallel=1)
    spec["Tags"] = [{"Key": "team", "Value": "équipe"}, {"Key": "cost", "Value": "1"}]
    arn = home.call("CreateHyperParameterTuningJob", **spec)["HyperParameterTuningJobArn"]
    home.wait("tagged")
    added = home.call("AddTags", ResourceArn=arn, Tags=[{"Key": "cost", "Value": "2"}])
    assert {"Key": "cost", "Value": "2"} in added["Tags"]
    home.call("DeleteTags", ResourceArn=arn, TagKeys=["team"])
    assert home.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "cost", "Value": "2"}]
    training_arn = _summaries(home, "tagged")[0]["TrainingJobArn"]
    assert home.call("ListTags", ResourceArn=training_arn)["Tags"] == spec["Tags"]


def test_logs_come_one_stream_per_instance_in_order(home: Home) -> None:
    home.call("CreateTrainingJob", **training("logged", x="0.5"))
    home.wait_training_job("logged")
    group = "/aws/sagemaker/TrainingJobs"
    streams = home.call(
        "Logs_20140328.DescribeLogStreams", logGroupName=group, logStreamNamePrefix="logged/"
    )["logStreams"]
    (stream,) = [item["logStreamName"] for item in streams]
    request = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    page = home.call("Logs_20140328.GetLogEvents", **request, limit=2)
    rest = home.call("Logs_20140328.GetLogEvents", **request, nextToken=page["nextForwardToken"])
    messages = [item["message"] for item in page["events"] + rest["events"]]
    assert messages == [f"\tepoch {epoch} loss={0.5 + 2 - epoch}" for epoch in range(3)]
    end = home.call("Logs_20140328.GetLogEvents", **request, nextToken=rest["nextForwardToken"])
    assert end["events"] == []
    assert end["nextForwardToken"] == rest["nextForwardToken"]


def test_tags_reserved_by_aws_and_tags_of_nobody_are_refused(home: Home) -> None:
    home.call("CreateTrainingJob", **training("reserved"))
    arn = home.wait_training_job("reserved")["TrainingJobArn"]
    with pytest.raises(ValidationException, match="reserved for the use of AWS"):
        home.call("AddTags", ResourceArn=arn, Tags=[{"Key": "aws:mine", "Value": "1"}])
    with pytest.raises(ValidationException, match="NextToken"):
        home.call("ListTags", ResourceArn=arn, NextToken="more")
    assert home.call("ListTags", ResourceArn=arn, MaxResults=50, NextToken="") == {"Tags": []}
    home.call("DeleteTrainingJob", TrainingJobName="reserved")
    requests: list[tuple[str, dict[str, Any]]] = [
        ("AddTags", {"Tags": [{"Key": "mine", "Value": "1"}]}),
        ("DeleteTags", {"TagKeys": ["mine"]}),
        ("ListTags", {}),
    ]
    for operation, members in requests:
        with pytest.raises(ResourceNotFound):
            home.call(operation, ResourceArn=arn, **members)


def test_deleting_a_training_job_removes_the_logs_of_all_its_attempts(home: Home) -> None:
    home.call("CreateTrainingJob", **training("retried"))
    home.wait_training_job("retried")
    context = home.service.context
    found = context.ports.records.find_training_job(context.scope("us-east-1"), "retried")
    assert found is not None
    second = replace(found, attempt=2)
    context.in_turn(lambda: context.ports.records.put_training_job(second))
    directories = [context.ports.logs.directory(job.key) for job in (found, second)]
    directories[1].mkdir()
    assert all(directory.exists() for directory in directories)
    home.call("DeleteTrainingJob", TrainingJobName="retried")
    assert not any(directory.exists() for directory in directories)
    with pytest.raises(ValidationException, match="Requested resource not found"):
        home.call("DeleteTrainingJob", TrainingJobName="retried")


def test_a_job_larger_than_the_machine_is_warned_of(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    if not home.service.context.ports.backend.capabilities().multiple_instances:
        pytest.skip("needs namespaces: hosts that can be named")
    home.call("CreateTrainingJob", **training("fits"))
    spec = changed(training("huge"), "ResourceConfig.InstanceCount", 5)
    home.call("CreateTrainingJob", **spec)
    (warned,) = [item.getMessage() for item in caplog.records if item.name == "tuner.service"]
    assert warned.startswith("huge: a training job needs 5 CPUs") and "are 4 CPUs" in warned
    home.wait_training_job("huge")


def test_of_many_creates_of_one_name_exactly_one_wins(home: Home) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            home.call("CreateHyperParameterTuningJob", **tuning("race", jobs=1, parallel=1))
            outcomes.append("made")
        except ResourceInUse:
            outcomes.append("taken")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] + ["taken"] * 7
    home.wait("race")
