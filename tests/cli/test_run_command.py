"""`tuner run`, `create` and `wait`: what they print, and how they end."""

from __future__ import annotations

import json
import signal
import tarfile

import pytest

from tests.cli.conftest import CommandLine
from tests.owner.homes import specification


def first_line_with(text: str, part: str) -> str:
    return next(line for line in text.splitlines() if part in line)


def test_a_completed_job_ends_with_its_best_and_status_0(tuner: CommandLine) -> None:
    ended = tuner("run", tuner.spec("completes", jobs=3, parallel=2))
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert ended.stdout.count("  Completed  loss ") == 3
    assert "best so far" in ended.stdout
    assert "training jobs 3 completed" in first_line_with(ended.stdout, "completes  Completed")
    model = first_line_with(ended.stdout, str(tuner.home)).strip()
    with tarfile.open(model) as archive:
        assert archive.getnames() == ["model.txt"]
    assert not [line for line in ended.stdout.splitlines() if line != line.rstrip()]


def test_json_output_is_one_document_and_nothing_else(tuner: CommandLine) -> None:
    ended = tuner("run", tuner.spec("as-json"), "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    document = json.loads(ended.stdout)
    assert document["HyperParameterTuningJobStatus"] == "Completed"
    assert document["TrainingJobStatusCounters"]["Completed"] == 2
    assert document["CreationTime"].endswith("+00:00")
    assert document["BestModelArtifacts"]["LocalPath"].startswith(str(tuner.home))


def test_a_name_that_is_taken_gets_a_number_and_says_so(tuner: CommandLine) -> None:
    spec = tuner.spec("again-and-again-and-again-again-", jobs=1)
    document = json.loads(spec.read_text())
    document["HyperParameterTuningJobName"] = name = "again-and-again-and-again-again1"
    spec.write_text(json.dumps(document))
    assert tuner("run", spec).stderr == ""
    second, third = tuner("run", spec), tuner("run", spec)
    shortened = "again-and-again-and-again-agai"
    assert second.stderr == f"tuner: the name {name} is taken; this run is {shortened}-2\n"
    assert third.stderr == f"tuner: the name {name} is taken; this run is {shortened}-3\n"
    assert second.returncode == third.returncode == 0


def test_create_refuses_a_name_that_is_taken(tuner: CommandLine, done: str) -> None:
    refused = tuner("create", tuner.directory / "done.json")
    assert refused.returncode == 1
    assert refused.stderr == (
        "tuner: A hyperparameter tuning job with the name, done, already exists. "
        "Choose a different name. (--name gives another)\n"
    )


def test_a_created_job_can_be_waited_for(tuner: CommandLine) -> None:
    spec = tuner.spec("created")
    created = tuner("create", spec, "--name", "created-otherwise")
    assert created.returncode == 0
    assert "tuner wait created-otherwise" in created.stdout
    waited = tuner("wait", "created-otherwise")
    assert waited.returncode == 0
    assert "created-otherwise  Completed" in waited.stdout


def test_a_failed_job_tells_why_and_where_to_look(tuner: CommandLine) -> None:
    ended = tuner("run", tuner.spec("fails", jobs=6, mode="fail"))
    assert ended.returncode == 1
    assert "fails  Failed in" in ended.stdout
    assert "No training job succeeded after 5 attempts" in ended.stdout
    assert "5 training jobs failed: AlgorithmError: the moon at" in ended.stdout
    assert "  see: tuner logs fails-" in ended.stdout


def test_a_stopped_job_has_a_status_of_its_own(tuner: CommandLine) -> None:
    running = tuner.start("run", tuner.spec("stops", mode="hang"))
    assert running.stdout is not None
    while "InProgress" not in running.stdout.readline():
        pass
    stopped = tuner("stop", "stops")
    assert (stopped.returncode, stopped.stdout) == (0, "stops is stopping\n")
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 3
    assert "stops  Stopped" in out


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(tuner: CommandLine) -> None:
    running = tuner.start("run", tuner.spec("interrupted", mode="hang"))
    assert running.stdout is not None
    while "InProgress" not in running.stdout.readline():
        pass
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted goes on in the background" in said
    assert "tuner wait interrupted" in said
    assert "tuner stop interrupted" in said
    described = tuner.json("describe", "interrupted")
    assert described["HyperParameterTuningJobStatus"] == "InProgress"
    tuner("stop", "interrupted")
    assert tuner("wait", "interrupted").returncode == 3


def test_bad_json_is_told_with_its_place(tuner: CommandLine) -> None:
    path = tuner.directory / "bad.json"
    path.write_text('{\n  "HyperParameterTuningJobName": "x"\n  "more": 1\n}')
    refused = tuner("run", path)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr == (
        f"tuner: {path} has 1 fault\n  line 3, column 3: not valid JSON: Expecting ',' delimiter\n"
    )


def test_all_faults_are_told_with_path_and_line(tuner: CommandLine) -> None:
    document = specification("many-faults")
    document["HyperParameterTuningJobConfig"]["Unheard"] = 1
    document["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"] = 0
    del document["TrainingJobDefinition"]["RoleArn"]
    path = tuner.write("many-faults", document)
    lines = path.read_text().splitlines()
    for verb in ("run", "create"):
        refused = tuner(verb, path)
        assert refused.returncode == 2
        for part, anchor in (
            ("HyperParameterTuningJobConfig.Unheard", '"Unheard"'),
            (".ResourceLimits.MaxParallelTrainingJobs", '"MaxParallelTrainingJobs"'),
            ("TrainingJobDefinition.RoleArn", '"TrainingJobDefinition"'),
        ):
            told = first_line_with(refused.stderr, part)
            number = next(index for index, line in enumerate(lines, 1) if anchor in line)
            assert told.startswith(f"  line {number}, ")
    assert "many-faults" not in tuner("list").stdout


def test_rules_beyond_the_shape_are_told_too(tuner: CommandLine) -> None:
    document = specification("semantic")
    ranges = document["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["ContinuousParameterRanges"][0] |= {"MinValue": "2", "MaxValue": "1"}
    refused = tuner("run", tuner.write("semantic", document))
    assert refused.returncode == 2
    assert "ParameterRanges.ContinuousParameterRanges[0]" in refused.stderr


@pytest.mark.parametrize("arguments", [("run",), ("run", "gone.json"), ("nonsense",), ("--no",)])
def test_wrong_usage_ends_with_status_2(tuner: CommandLine, arguments: tuple[str, ...]) -> None:
    refused = tuner(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


def test_local_files_are_imported_relative_to_the_spec(tuner: CommandLine) -> None:
    (tuner.directory / "data").mkdir()
    (tuner.directory / "data" / "numbers.csv").write_text("4,5,6")
    document = specification("imports", jobs=1, mode="input", file="numbers.csv")
    source = {"S3DataType": "S3Prefix", "S3Uri": "file://data"}
    document["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    ]
    assert tuner("run", tuner.write("imports", document)).returncode == 0
    assert "4,5,6" in tuner("logs", "imports").stdout


def test_local_files_that_are_not_there_and_local_outputs_are_faults(tuner: CommandLine) -> None:
    document = specification("no-files")
    definition = document["TrainingJobDefinition"]
    definition["OutputDataConfig"]["S3OutputPath"] = "file:///tmp/out"
    source = {"S3DataType": "S3Prefix", "S3Uri": "file://nowhere"}
    definition["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    ]
    refused = tuner("run", tuner.write("no-files", document))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"tuner: {tuner.directory / 'no-files.json'} has 2 faults\n")
    assert f"There is no file or directory {tuner.directory / 'nowhere'}." in refused.stderr
    assert "give an s3:// URI" in refused.stderr


def test_a_name_given_twice_is_a_fault(tuner: CommandLine) -> None:
    path = tuner.spec("twice")
    text = path.read_text()
    path.write_text(text.replace('"RandomSeed": 1,', '"RandomSeed": 1,\n"RandomSeed": 2,'))
    refused = tuner("run", path)
    assert refused.returncode == 2
    assert "HyperParameterTuningJobConfig.RandomSeed: This name is given twice" in refused.stderr


def test_a_missing_file_hides_no_other_fault(tuner: CommandLine) -> None:
    document = specification("file-and-more")
    document["HyperParameterTuningJobConfig"]["Strategy"] = "Hyperband"
    source = {"S3DataType": "S3Prefix", "S3Uri": "file://nowhere"}
    document["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    ]
    refused = tuner("run", tuner.write("file-and-more", document))
    assert "There is no file or directory" in refused.stderr
    assert "Hyperband is not served" in refused.stderr


def test_a_directory_that_holds_the_home_is_not_copied(tuner: CommandLine) -> None:
    document = specification("all-of-it")
    source = {"S3DataType": "S3Prefix", "S3Uri": "file:///"}
    document["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    ]
    refused = tuner("run", tuner.write("all-of-it", document))
    assert refused.returncode == 2
    assert "/ holds the home" in refused.stderr


def test_no_command_at_all_shows_the_help(tuner: CommandLine) -> None:
    shown = tuner()
    assert shown.stdout + shown.stderr == tuner("--help").stdout
