"""`tuner serve`: the port, who comes through it, its end, and a new owner in between."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from tests.cli.conftest import COMMAND, CommandLine, opens, replace_owner
from tests.owner.homes import IMAGE, owned, specification, until, write_program
from tuner.exec.lease import LEASE_SECONDS


@contextmanager
def serving(tuner: CommandLine, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the URL it printed; ended with SIGTERM if it still runs."""
    process = tuner.start("serve", "--port", "0", *options)
    assert process.stdout is not None
    try:
        word, url = process.stdout.readline().split()
        assert word == "serving"
        assert process.stdout.readline().rstrip().endswith('eval "$(tuner env)"')
        yield process, url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def client(service: str, url: str) -> Any:
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(service, endpoint_url=url, region_name="eu-north-1", **keys)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_it_is_told_to_stop(tuner: CommandLine, number: signal.Signals) -> None:
    with serving(tuner) as (process, url):
        assert client("sagemaker", url).list_training_jobs(MaxResults=1)
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert "SageMaker.ListTrainingJobs" in out
    assert "running jobs go on" in out.splitlines()[-1]
    assert (errors, process.returncode) == ("", 0)
    until(lambda: not opens(url))


def test_a_stop_that_comes_twice_at_once_is_one(tuner: CommandLine) -> None:
    with serving(tuner) as (process, url):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        out, errors = process.communicate(timeout=30)
    assert "running jobs go on" in out
    assert (errors, process.returncode) == ("", 0)
    until(lambda: not opens(url))


def test_each_request_is_shown(tuner: CommandLine) -> None:
    with serving(tuner) as (process, url):
        client("s3", url).list_buckets()
        assert process.stdout is not None
        assert "GET" in process.stdout.readline()


def test_it_serves_and_ends_though_nobody_reads_what_it_prints(tuner: CommandLine) -> None:
    with serving(tuner) as (process, url):
        key = "k" * 1000
        s3 = client("s3", url)
        s3.create_bucket(Bucket="mine")
        for _ in range(150):  # a pipe takes 64 KiB
            s3.list_objects_v2(Bucket="mine", Prefix=key)
        time.sleep(LEASE_SECONDS + 1)
        assert opens(url)
        process.terminate()
        assert process.wait(10) == 0
    until(lambda: not opens(url))


def test_jobs_go_on_after_it_stopped(tuner: CommandLine) -> None:
    with serving(tuner) as (process, url):
        sagemaker = client("sagemaker", url)
        sagemaker.create_hyper_parameter_tuning_job(**specification("beyond", jobs=3))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert tuner("wait", "beyond").returncode == 0


def test_a_new_owner_serves_the_same_port(tuner: CommandLine) -> None:
    with serving(tuner) as (process, url):
        replace_owner(tuner.home, url)
        assert process.stderr is not None
        assert url in process.stderr.readline()
        assert client("sagemaker", url).list_training_jobs(MaxResults=1)


def test_a_port_in_use_is_one_sentence(tuner: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = tuner("serve", "--port", port)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert (len(done.stderr.splitlines()), done.stdout) == (1, "")


def test_an_address_that_others_reach_needs_auth(tuner: CommandLine) -> None:
    done = tuner("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "--auth" in done.stderr


def test_the_hint_names_the_home_it_was_given(tuner: CommandLine) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--home", str(tuner.home), "serve", "--port", "0"],
        env={**tuner.environ, "TUNER_HOME": "/nowhere"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    hint = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    assert f"tuner --home {tuner.home} env" in hint


def test_the_port_is_given_back_when_nobody_reads_the_output(tuner: CommandLine) -> None:
    process = tuner.start("serve", "--port", "0")
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    process.stdout.readline()
    process.stdout.close()
    client("s3", url).list_buckets()
    assert process.wait(30) == 1
    until(lambda: not opens(url))
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_an_image_of_the_option_runs(tuner: CommandLine, tmp_path: Any) -> None:
    program = write_program(tmp_path)
    environ = {name: value for name, value in tuner.environ.items() if name != "TUNER_IMAGE_MAP"}
    with owned(tmp_path / "home") as home:
        command = CommandLine(home, tmp_path, {**environ, "TUNER_HOME": str(home)})
        command("list")  # an owner that knows no such image
        with serving(command, "--image-map", f"{IMAGE}={program}") as (_, url):
            sagemaker = client("sagemaker", url)
            sagemaker.create_hyper_parameter_tuning_job(**specification("mapped", jobs=1))
            assert command("wait", "mapped").returncode == 0


@pytest.mark.parametrize("pair", ["image", "=place", "image=", "a=b,c=d"])
def test_a_faulty_image_map_is_refused(tuner: CommandLine, pair: str) -> None:
    done = tuner("serve", "--image-map", pair)
    assert done.returncode == 2
    assert "IMAGE=LOCAL" in done.stderr
