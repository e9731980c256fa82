"""The TCP port of a home: opened on request, kept while it is renewed, gone afterwards."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.owner.homes import (
    alive,
    environment,
    owned,
    owner_pid,
    settings_of,
    specification,
    until,
    write_program,
)
from tuner.client import Client
from tuner.domain.errors import AwsError
from tuner.settings import Settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with owned(tmp_path / "home") as home:
        yield Client(Settings(home=home, region="eu-north-1", idle_seconds=1))


def serve(client: Client, seconds: int = 30, holder: str = "one", **wanted: Any) -> dict[str, Any]:
    address = {"Host": "127.0.0.1", "Port": 0, "Authenticate": False} | wanted
    return client.call("Tuner.Serve", Holder=holder, Seconds=seconds, **address)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/no-such-bucket")
        return connection.getresponse().status < 500
    except ConnectionError:
        return False
    finally:
        connection.close()


def refusal(client: Client, **wanted: Any) -> str:
    with pytest.raises(AwsError) as caught:
        serve(client, **wanted)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_the_port_is_served_until_its_last_holder_gives_it_back(client: Client) -> None:
    served = serve(client)
    again = serve(client, holder="two", Port=served["Port"])
    assert again["Url"] == served["Url"] == f"http://127.0.0.1:{served['Port']}"
    assert client.call("Tuner.Endpoint")["Url"] == served["Url"]
    serve(client, seconds=0)
    assert answers(served["Port"])
    serve(client, seconds=0, holder="two")
    until(lambda: not answers(served["Port"]))
    assert "Url" not in client.call("Tuner.Endpoint")


def test_a_lease_that_nobody_renews_ends_and_the_owner_with_it(client: Client) -> None:
    served = serve(client, seconds=1)
    pid = owner_pid(client.settings.home)
    until(lambda: not alive(pid))
    assert not answers(served["Port"])


def test_a_lease_that_nobody_renews_ends_while_jobs_run(tmp_path: Path) -> None:
    program = write_program(tmp_path)
    with owned(tmp_path / "home") as home:
        client = Client(settings_of(environment(home, program)))
        served = serve(client, seconds=2)
        client.call("CreateHyperParameterTuningJob", **specification("long", mode="hang"))
        until(lambda: not answers(served["Port"]))
        assert client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="long")


def test_all_addresses_of_a_version_are_reached_by_its_loopback_address(client: Client) -> None:
    try:
        served = serve(client, Host="::", Authenticate=True)
    except AwsError as error:
        pytest.skip(f"needs ipv6: {error}")
    assert served["Url"] == f"http://[::1]:{served['Port']}"
    connection = http.client.HTTPConnection("::1", served["Port"], timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 403


def test_an_owner_that_is_served_does_not_end_for_want_of_work(client: Client) -> None:
    serve(client)
    pid = owner_pid(client.settings.home)
    time.sleep(2.5)  # idle_seconds is 1
    assert alive(pid)


def test_the_same_port_is_served_again_after_the_owner_was_killed(client: Client) -> None:
    served = serve(client)
    pid = owner_pid(client.settings.home)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert serve(client, Port=served["Port"]) == served
    assert answers(served["Port"])


def test_two_ports_for_one_home_are_refused(client: Client) -> None:
    served = serve(client)
    assert served["Url"] in refusal(client, holder="two", Port=served["Port"] + 1)


def test_a_port_in_use_is_named(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 is in use" in refusal(client, Port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_must_be_signed(client: Client, host: str) -> None:
    assert "--auth" in refusal(client, Host=host)


@pytest.mark.parametrize("wanted", [
    {"Host": "no such host"}, {"Host": ""}, {"Host": 7}, {"Port": -1}, {"Port": 65536},
    {"Port": "80"}, {"seconds": 61}, {"seconds": -1}, {"holder": ""},
])  # fmt: skip
def test_an_unusable_request_is_refused(client: Client, wanted: dict[str, Any]) -> None:
    assert refusal(client, **wanted)


def test_an_upload_waits_on_the_disk_of_the_home(client: Client) -> None:
    port, home = serve(client)["Port"], client.settings.home
    opened = Path(f"/proc/{owner_pid(home)}/fd")

    def waits() -> bool:
        names = [str(entry.readlink()) for entry in opened.iterdir() if entry.is_symlink()]
        return any(Path(name).parent == home and name.endswith("(deleted)") for name in names)

    with socket.create_connection(("127.0.0.1", port)) as upload:
        head = b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"
        upload.sendall(head + b"x" * 1_000_000)
        until(waits)


def test_the_key_of_a_home_is_its_own_and_stays(client: Client, tmp_path: Path) -> None:
    key = client.call("Tuner.Endpoint")
    pid = owner_pid(client.settings.home)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert client.call("Tuner.Endpoint") == key
    assert (client.settings.home / "access-key.json").stat().st_mode & 0o777 == 0o600


def test_keys_that_sts_gives_out_are_served_as_long_as_they_hold(client: Client) -> None:
    served, key = serve(client, Authenticate=True), client.call("Tuner.Endpoint")

    def boto(service: str, given: Mapping[str, Any]) -> Any:
        return boto3.client(
            service,
            endpoint_url=served["Url"],
            region_name="eu-north-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )

    def refused(given: Mapping[str, Any]) -> bool:
        with pytest.raises(ClientError) as caught:
            boto("sts", given).get_caller_identity()
        return bool(caught.value.response["Error"]["Code"] == "InvalidClientTokenId")

    sts, iam = boto("sts", key), boto("iam", key)
    role = {"RoleArn": "arn:aws:iam::123456789012:role/other", "RoleSessionName": "me"}
    assumed = sts.assume_role(**role)["Credentials"]
    assert boto("s3", assumed).list_buckets()["Buckets"] == []
    assert boto("sts", assumed).get_caller_identity()["Arn"].endswith("assumed-role/other/me")
    assert boto("sagemaker", sts.get_session_token()["Credentials"]).list_training_jobs()
    assert boto("logs", sts.get_federation_token(Name="me")["Credentials"]).describe_log_groups()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        boto("s3", assumed | {"SecretAccessKey": "another"}).list_buckets()

    iam.create_user(UserName="me")
    own = iam.create_access_key(UserName="me")["AccessKey"]
    assert boto("sts", own).get_caller_identity()["Arn"].endswith(":user/me")
    iam.update_access_key(UserName="me", AccessKeyId=own["AccessKeyId"], Status="Inactive")
    assert refused(own)
    iam.update_access_key(UserName="me", AccessKeyId=own["AccessKeyId"], Status="Active")
    assert boto("s3", own).list_buckets()
    iam.delete_access_key(UserName="me", AccessKeyId=own["AccessKeyId"])
    assert refused(own)
    assert refused({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x"})


def test_boto3_reaches_sagemaker_and_s3_while_other_clients_come_and_go(client: Client) -> None:
    served = serve(client)
    options: dict[str, Any] = {
        "endpoint_url": served["Url"],
        "region_name": "eu-north-1",
        "aws_access_key_id": "any",
        "aws_secret_access_key": "any",
        "config": Config(retries={"total_max_attempts": 1}),
    }
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            assert answers(served["Port"])

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        sagemaker, s3 = boto3.client("sagemaker", **options), boto3.client("s3", **options)
        s3.create_bucket(
            Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}
        )
        for number in range(20):
            s3.put_object(Bucket="mine", Key=str(number), Body=b"x" * number)
            assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
        assert s3.get_object(Bucket="mine", Key="7")["Body"].read() == b"x" * 7
    finally:
        over.set()
        for other in others:
            other.join()
