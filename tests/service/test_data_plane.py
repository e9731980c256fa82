"""Channels and outputs from the request to what the program reads and S3 has."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.service.service_home import Home, changed, training, tuning

READER = """#!{python}
import os, shutil
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
rows = []
for epoch in range(2):
    with open(base + "/input/data/train_%d" % epoch, "rb") as fifo:
        rows += fifo.read().split()
print("loss=%d" % len(rows))
shutil.copy(base + "/input/config/inputdataconfig.json", base + "/model/config.json")
"""


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Home]:
    place = tmp_path / "reader"
    place.mkdir()
    (place / "train").write_text(READER.format(python=sys.executable))
    (place / "train").chmod(0o755)
    home = Home(tmp_path, {"reader": str(place)})
    yield home
    home.close()


def put(home: Home, files: Mapping[str, bytes]) -> None:
    for key, content in files.items():
        home.service.context.ports.objects.put("data", key, io.BytesIO(content))


def test_a_tuning_job_streams_its_channel_to_every_training_job(reading: Home) -> None:
    home = reading
    put(home, {"rows/a.gz": gzip.compress(b"1\n2\n"), "rows/b.gz": gzip.compress(b"3\n")})
    listed = json.dumps([{"prefix": "s3://data/rows/"}, "b.gz", "a.gz"]).encode()
    put(home, {"list.manifest": listed})
    channel = {
        "ChannelName": "train",
        "DataSource": {
            "S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://data/list.manifest"}
        },
        "ContentType": "text/csv",
        "CompressionType": "Gzip",
        "ShuffleConfig": {"Seed": 1},
    }
    spec = tuning("streams", jobs=3)
    definition = spec["TrainingJobDefinition"]
    definition["AlgorithmSpecification"] |= {
        "TrainingImage": "reader",
        "TrainingInputMode": "Pipe",
    }
    definition["InputDataConfig"] = [channel]
    definition["OutputDataConfig"]["CompressionType"] = "NONE"
    home.call("CreateHyperParameterTuningJob", **spec)

    found = home.wait("streams")
    assert found["TrainingJobStatusCounters"]["Completed"] == 3
    best = found["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 6

    job = home.call("DescribeTrainingJob", TrainingJobName=best["TrainingJobName"])
    assert job["InputDataConfig"] == [{**channel, "RecordWrapperType": "None"}]
    assert job["AlgorithmSpecification"]["TrainingInputMode"] == "Pipe"
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert model == f"s3://output/models/{best['TrainingJobName']}/output/model/"
    config = f"models/{best['TrainingJobName']}/output/model/config.json"
    with home.service.context.ports.objects.open("output", config) as file:
        assert json.load(file) == {
            "train": {
                "TrainingInputMode": "Pipe",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
                "ContentType": "text/csv",
            }
        }


def test_data_that_cannot_be_streamed_fail_the_job_with_aws_s_prefix(reading: Home) -> None:
    home = reading
    put(home, {"lines.manifest": b'{"a": 1}\n{"b": 1}\n'})
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://data/lines.manifest",
        "AttributeNames": ["a"],
    }
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    spec = changed(training("lines"), "InputDataConfig", [channel])
    spec = changed(spec, "AlgorithmSpecification.TrainingInputMode", "Pipe")
    home.call("CreateTrainingJob", **spec)

    failed = home.wait_training_job("lines")
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"] == (
        'ClientError: Data download failed:Line 2 of the augmented manifest "s3://data/'
        "lines.manifest\" cannot be read: it has no attribute 'a'."
    )
