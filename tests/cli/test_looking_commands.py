"""The commands that look at jobs, for people and for programs."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.conftest import COMMAND, CommandLine
from tests.owner.homes import specification
from tuner.client import Client
from tuner.domain.errors import AwsError
from tuner.settings import Settings


def test_list_has_the_newest_first(tuner: CommandLine, done: str) -> None:
    tuner("run", tuner.spec("listed", jobs=1))
    lines = tuner("list").stdout.splitlines()
    assert lines[0].split() == ["name", "status", "strategy", "training", "jobs", "created"]
    assert lines[1].startswith("listed ")
    assert any(line.startswith("done ") and "4 of 4" in line for line in lines)
    names = [
        item["HyperParameterTuningJobName"]
        for item in tuner.json("list")["HyperParameterTuningJobSummaries"]
    ]
    assert names[0] == "listed"
    assert done in names


def test_describe_shows_a_tuning_job_with_its_best(tuner: CommandLine, done: str) -> None:
    shown = tuner("describe", done).stdout
    assert "minimize loss" in shown
    assert "4 completed, 0 failed, 0 stopped, 0 running (at most 4, 2 at a time)" in shown
    assert "model.tar.gz" in shown
    assert tuner.json("describe", done)["HyperParameterTuningJobName"] == done


def test_describe_shows_a_training_job(tuner: CommandLine, done: str) -> None:
    name = tuner.json("jobs", done)["TrainingJobSummaries"][0]["TrainingJobName"]
    shown = tuner("describe", name).stdout
    assert name in shown
    assert f"tuner logs {name}" in shown
    assert tuner.json("describe", name)["TrainingJobStatus"] == "Completed"


def test_jobs_are_sorted_and_filtered(tuner: CommandLine, done: str) -> None:
    def values(*arguments: str) -> list[float]:
        summaries = tuner.json("jobs", done, *arguments)["TrainingJobSummaries"]
        return [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in summaries]

    assert values("--sort", "objective") == sorted(values())
    assert len(values("--status", "Completed")) == 4
    assert values("--status", "Failed") == []
    rows = tuner("jobs", done, "--sort", "objective").stdout.splitlines()
    assert "best" in rows[1]
    assert "x=" in rows[1]
    assert tuner("jobs", done, "--status", "Nonsense").returncode == 1


def test_best_tells_where_the_model_is(tuner: CommandLine, done: str) -> None:
    document = tuner.json("best", done)
    assert set(document) == {"BestTrainingJob", "BestModelArtifacts"}
    shown = tuner("best", done).stdout
    assert document["BestModelArtifacts"]["LocalPath"] in shown
    assert document["BestTrainingJob"]["TunedHyperParameters"]["x"] in shown


def test_logs_of_a_tuning_job_name_the_training_job(tuner: CommandLine, done: str) -> None:
    lines = tuner("logs", done).stdout.splitlines()
    assert sum(line.endswith("host says hello") for line in lines) == 4
    names = [item["TrainingJobName"] for item in tuner.json("jobs", done)["TrainingJobSummaries"]]
    labels = [f"{name.removeprefix('done-')} algo-1 | " for name in names]
    assert lines[0].startswith(labels[0])
    alone = tuner("logs", names[0]).stdout.splitlines()
    assert alone[0] == "host says hello"
    assert tuner("logs", names[0], "--host", "algo-2").stdout == ""


def test_following_logs_ends_with_the_job(tuner: CommandLine) -> None:
    tuner("create", tuner.spec("followed", jobs=3))
    followed = tuner("logs", "-f", "followed")
    assert followed.returncode == 0
    assert followed.stdout.count("host says hello") == 3
    assert followed.stdout.count("loss=") == 3


def test_a_plain_training_job_can_be_waited_for_and_deleted(tuner: CommandLine) -> None:
    client = Client(Settings.from_environment(tuner.environ))
    definition = specification("x")["TrainingJobDefinition"]
    del definition["StaticHyperParameters"]
    name = "a-plain-training-job-with-a-name-longer-than-a-tuning-job-has"
    client.call(
        "CreateTrainingJob", TrainingJobName=name, HyperParameters={"x": "2"}, **definition
    )
    waited = tuner("wait", name)
    assert waited.returncode == 0
    assert waited.stdout.splitlines()[-1].endswith(f"{name}  Completed")
    assert "loss=4.0" in tuner("logs", name).stdout
    assert tuner("jobs", name).stderr == (
        f"tuner: {name} is a training job; this command takes a tuning job\n"
    )
    assert tuner("delete", name).stdout == f"{name} is deleted\n"
    assert tuner("describe", name).returncode == 1


def test_logs_of_several_groups_name_the_instance(tuner: CommandLine) -> None:
    client = Client(Settings.from_environment(tuner.environ))
    definition = specification("x")["TrainingJobDefinition"]
    del definition["StaticHyperParameters"]
    definition["ResourceConfig"] = {
        "InstanceGroups": [
            {"InstanceGroupName": name, "InstanceType": "local", "InstanceCount": 1}
            for name in ("a", "b")
        ]
    }
    try:
        client.call(
            "CreateTrainingJob",
            TrainingJobName="groups",
            HyperParameters={"x": "2"},
            **definition,
        )
    except AwsError as error:
        pytest.skip(f"needs namespaces: {error}")
    assert tuner("wait", "groups").returncode == 0
    lines = tuner("logs", "groups").stdout.splitlines()
    for host in ("algo-1", "algo-2"):
        assert f"{host} | host says hello" in lines


def test_a_deleted_tuning_job_is_gone(tuner: CommandLine) -> None:
    tuner("run", tuner.spec("deleted", jobs=1))
    assert tuner("delete", "deleted").returncode == 0
    gone = tuner("describe", "deleted")
    assert gone.returncode == 1
    assert gone.stderr == (
        "tuner: there is no tuning job and no training job 'deleted' in eu-north-1; "
        "tuner list shows what there is\n"
    )


@pytest.mark.parametrize(
    "verb", ["describe", "jobs", "best", "logs", "stop", "delete", "wait", "interrupt"]
)
def test_an_unknown_name_is_one_line(tuner: CommandLine, verb: str) -> None:
    for name in ("nobody", "x" * 300, "not/a/name"):
        refused = tuner(verb, name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("tuner: there is no tuning job")
        assert refused.stderr.count("\n") == 1


def test_stopping_what_has_ended_says_so(tuner: CommandLine, done: str) -> None:
    refused = tuner("stop", done)
    assert refused.returncode == 1
    assert "already in status Completed" in refused.stderr


def test_doctor_lists_its_checks(tuner: CommandLine) -> None:
    shown = tuner("doctor")
    assert shown.stdout.startswith("ok  ")
    names = {check["name"] for check in tuner.json("doctor")["checks"]}
    assert names >= {"home", "backend", "python", "skopt", "xgboost", "moto"}


def test_doctor_tells_when_the_background_process_cannot_start(tuner: CommandLine) -> None:
    shown = tuner("--home", tuner.directory / "other", "doctor", TUNER_BACKEND="nonsense")
    assert shown.returncode == 1
    assert "nonsense" in shown.stdout


def test_an_unusable_setting_is_one_line(tuner: CommandLine) -> None:
    refused = tuner("list", TUNER_CPUS="many")
    assert refused.returncode == 2
    assert refused.stderr == "tuner: TUNER_CPUS must be a whole number from 1 up, not 'many'.\n"


def test_whoever_stops_reading_is_no_error(tuner: CommandLine, done: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "logs", done],
        env=tuner.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1
    process.stderr.close()


@pytest.mark.parametrize("arguments", ["'--help'", "'list'", "'describe', 'done'"])
def test_commands_start_without_the_heavy_libraries(
    tuner: CommandLine, done: str, arguments: str
) -> None:
    source = (
        f"import sys, tuner.cli; sys.argv = ['tuner', {arguments}]\n"
        "assert tuner.cli._status() == 0\n"
        "heavy = {'numpy', 'botocore', 'pandas', 'cattrs', 'tuner.service', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    ended = subprocess.run(
        [COMMAND[0], "-c", source], env=tuner.environ, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
