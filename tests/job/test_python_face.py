"""`import tuner`: submit, wait, best, dataframe."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuner
from tests.owner.homes import environment, owned, specification, write_program
from tuner.domain.errors import ResourceInUse, ResourceNotFound


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = write_program(tmp_path_factory.mktemp("program"))
    directory = tmp_path_factory.mktemp("place")
    with owned(directory / "home") as home, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(home, program).items():
            patch.setenv(name, value)
        yield directory


@pytest.fixture(scope="module")
def done(place: Path) -> tuner.Job:
    job = tuner.submit(specification("done", jobs=3, parallel=2, label="a"))
    assert job.wait(timeout=60, poll=0.05) == "Completed"
    return job


def test_the_package_imports_nothing_at_first() -> None:
    source = "import sys; old = set(sys.modules); import tuner; print(set(sys.modules) - old)"
    out = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=30
    )
    assert out.stdout == "{'tuner'}\n"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tuner.nonsense  # noqa: B018


def test_the_best_is_the_lowest_and_has_its_model(done: tuner.Job) -> None:
    best = done.best
    assert best is not None
    values = [
        item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for item in done.training_jobs()
    ]
    assert len(values) == 3
    assert best.value == min(values)
    assert best.metric_name == "loss"
    assert float(best.hyperparameters["x"]) ** 2 == pytest.approx(best.value, rel=1e-4)
    assert best.model_uri == f"s3://out/models/{best.training_job_name}/output/model.tar.gz"
    assert best.model_path is not None
    with tarfile.open(best.model_path) as archive:
        assert archive.getnames() == ["model.txt"]


def test_the_data_frame_has_sagemakers_columns(done: tuner.Job) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install 'amtlocal[pandas]'")
    frame = done.dataframe()
    assert list(frame.columns) == [
        "x",
        "TrainingJobName",
        "TrainingJobStatus",
        "FinalObjectiveValue",
        "TrainingStartTime",
        "TrainingEndTime",
        "TrainingElapsedTimeSeconds",
    ]
    assert len(frame) == 3
    assert frame["x"].dtype == float
    assert set(frame["TrainingJobStatus"]) == {"Completed"}
    elapsed = (frame["TrainingEndTime"] - frame["TrainingStartTime"]).dt.total_seconds()
    assert list(elapsed) == pytest.approx(list(frame["TrainingElapsedTimeSeconds"]), abs=1e-5)


def test_without_pandas_a_sentence_names_the_extra(
    done: tuner.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'amtlocal\[pandas\]'"):
        done.dataframe()


def test_logs_are_the_lines_of_the_program(done: tuner.Job) -> None:
    name = done.training_jobs()[0]["TrainingJobName"]
    lines = list(done.logs(name))
    assert lines[0] == "host says hello"
    assert lines[1].startswith("loss=")


def test_a_job_is_found_again_by_name(done: tuner.Job) -> None:
    assert tuner.load("done").status == "Completed"
    with pytest.raises(ResourceNotFound):
        tuner.load("never")


def test_a_taken_name_is_refused_and_another_can_be_given(done: tuner.Job) -> None:
    with pytest.raises(ResourceInUse):
        tuner.submit(specification("done"))
    other = tuner.submit(specification("done", jobs=1), name="done-otherwise")
    assert other.name == "done-otherwise"
    other.wait(timeout=60)


def test_a_failed_job_raises_its_reason(place: Path) -> None:
    job = tuner.submit(specification("fails", mode="fail"))
    with pytest.raises(tuner.TuningJobFailed, match="No training job succeeded"):
        job.wait(timeout=60)
    assert job.best is None


def test_a_stopped_job_raises_nothing(place: Path) -> None:
    job = tuner.submit(specification("stops", mode="hang"))
    with pytest.raises(TimeoutError, match="stops has not ended"):
        job.wait(timeout=0.2, poll=0.1)
    job.stop()
    assert job.wait(timeout=60) == "Stopped"


def test_all_faults_of_a_dict_are_told(place: Path) -> None:
    spec = specification("faulty")
    spec["Nonsense"] = 1
    del spec["TrainingJobDefinition"]["RoleArn"]
    with pytest.raises(tuner.FaultySpec) as caught:
        tuner.submit(spec)
    assert {fault.path for fault in caught.value.faults} >= {
        "Nonsense",
        "TrainingJobDefinition.RoleArn",
    }


def test_local_files_are_imported(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "numbers.csv").write_text("1,2,3")
    spec = specification("reads", jobs=1, mode="input", file="numbers.csv")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"file://{place}/data"}
    spec["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    ]
    job = tuner.submit(spec)
    assert source["S3Uri"].startswith("file://"), "the caller's dict stays as it was"
    job.wait(timeout=60)
    assert "1,2,3" in list(job.logs(job.training_jobs()[0]["TrainingJobName"]))
    described = job.describe()["TrainingJobDefinition"]["InputDataConfig"][0]
    assert described["DataSource"]["S3DataSource"]["S3Uri"].startswith("s3://amtlocal-imports/")
