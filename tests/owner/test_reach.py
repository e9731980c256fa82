"""Training programs reach the endpoint of their home, and only while they run."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends.docker_stage import build
from tests.conformance.backends.docker_stage import client as engine
from tests.owner import signing
from tests.owner.homes import alive, owned, owner_pid, specification, until
from tests.owner.signing import request
from tuner.client import Client
from tuner.settings import Settings

BUCKET = "mine"
PROGRAM = f"""{Path(signing.__file__).read_text()}
import json, os

names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
reach = [os.environ[name] for name in names]
print("put", request(*reach, "PUT", "/{BUCKET}/from-the-job", b"hello"), flush=True)
print("stranger", request(reach[0], "AMTJOB00000000010001", "x", "GET", "/{BUCKET}/a"), flush=True)
print("reach=" + json.dumps(reach), flush=True)
print("loss=1.0", flush=True)
open(os.path.join(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "model/m"), "w").close()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with owned(tmp_path / "home") as home:
        yield home


def a_process(tmp_path: Path) -> tuple[Settings, str]:

    train = tmp_path / "train"
    train.write_text(f"#!{sys.executable}\n{PROGRAM}")
    train.chmod(0o755)
    settings = Settings(
        home=tmp_path / "home", region="eu-north-1", image_map={"program": str(train)}
    )
    return settings, "program"


def a_container(tmp_path: Path) -> tuple[Settings, str]:
    engine()
    image = build(
        'FROM python:3.11-slim\nCOPY train /train\nENTRYPOINT ["python3", "/train"]\n',
        {"train": PROGRAM.encode()},
    )
    return Settings(home=tmp_path / "home", region="eu-north-1", backend="docker"), image


def lines_of(client: Client, name: str) -> list[str]:
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    (stream,) = client.call("Logs_20140328.DescribeLogStreams", logStreamNamePrefix=name, **group)[
        "logStreams"
    ]
    events = client.call(
        "Logs_20140328.GetLogEvents", logStreamName=stream["logStreamName"], **group
    )["events"]
    return [str(event["message"]) for event in events]


def ran(client: Client, image: str) -> list[str]:
    """What a training job with the program printed."""
    client.call("Tuner.ImportFiles", Source=__file__, Bucket=BUCKET, Prefix="any")
    definition = specification("unused")["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = image
    definition.pop("StaticHyperParameters")
    client.call("CreateTrainingJob", TrainingJobName="reach", **definition)

    def status() -> Any:
        return client.call("DescribeTrainingJob", TrainingJobName="reach")["TrainingJobStatus"]

    until(lambda: status() != "InProgress")
    assert status() == "Completed"
    return lines_of(client, "reach")


@pytest.mark.parametrize("kind", [a_process, a_container])
def test_a_program_reaches_its_home_while_it_runs(home: Path, tmp_path: Path, kind: Any) -> None:
    settings, image = kind(tmp_path)
    client = Client(settings)
    put, stranger, reach, *_ = ran(client, image)
    assert put == "put 200"
    found = client.call("Tuner.GetObject", S3Uri=f"s3://{BUCKET}/from-the-job")
    assert Path(found["Path"]).read_text() == "hello"
    url, identity, secret = json.loads(reach.removeprefix("reach="))
    if kind is a_container:
        assert stranger == "stranger 403"
        assert request(url, identity, secret, "PUT", f"/{BUCKET}/later", b"x") == 403


def test_the_port_of_training_jobs_survives_their_owner(home: Path, tmp_path: Path) -> None:
    settings, image = a_process(tmp_path)
    client = Client(settings)
    ran(client, image)
    before = (home / "jobs-ports.json").read_text()
    pid = owner_pid(home)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    client.call("Tuner.Doctor")
    assert (home / "jobs-ports.json").read_text() == before
    (port,) = json.loads(before).values()

    def answered() -> bool:
        try:
            return bool(request(f"http://127.0.0.1:{port}", "a", "b", "GET", f"/{BUCKET}/none"))
        except OSError:
            return False

    until(answered)
