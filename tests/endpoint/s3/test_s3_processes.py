"""The server as a process: how much memory it takes, and what is left when it is killed."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3.s3.transfer
import pytest
from botocore.exceptions import ClientError
from s3_server import client

from tuner.store.objects import FileObjects

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


@contextmanager
def server(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.endpoint.s3.s3_server", str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdin.close()
        process.stdout.close()


def peak_mib(directory: Path, use: Any) -> float:
    """Of a server that `use(client)` was done with."""
    with server(directory) as (process, port):
        use(client(port))
        assert process.stdin and process.stdout
        process.stdin.close()
        return int(process.stdout.readline()) / 1024


def test_objects_of_300_mb_pass_through_little_memory(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(300 * MIB)

    def small(s3: Any) -> None:
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="key", Body=b"x")

    def large(s3: Any) -> None:
        with source.open("rb") as content:
            s3.put_object(Bucket="bucket", Key="whole", Body=content)
        parts = boto3.s3.transfer.TransferConfig(multipart_chunksize=64 * MIB, max_concurrency=2)
        s3.upload_file(str(source), "bucket", "parts", Config=parts)
        s3.copy_object(
            Bucket="bucket", Key="c", CopySource="bucket/whole", ChecksumAlgorithm="SHA256"
        )
        answer = s3.get_object(Bucket="bucket", Key="parts")
        assert sum(len(chunk) for chunk in answer["Body"].iter_chunks(MIB)) == 300 * MIB

    at_rest = peak_mib(tmp_path / "objects", small)
    assert peak_mib(tmp_path / "objects", large) - at_rest < 48


def test_a_server_killed_in_mid_upload_leaves_the_old_object(tmp_path: Path) -> None:
    directory = tmp_path / "objects"
    with server(directory) as (process, port):
        s3 = client(port)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="key", Body=b"old")
        where = {"Bucket": "bucket", "Key": "key"}
        where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
        part = s3.upload_part(**where, PartNumber=1, Body=b"new")

        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest("PUT", "/bucket/key")
        connection.putheader("Content-Length", str(64 * MIB))
        connection.endheaders(bytes(32 * MIB))
        process.kill()
        process.wait(timeout=10)
        connection.close()
    with server(directory) as (_, port):
        s3 = client(port)
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"old"
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**where, MultipartUpload=parts)
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"new"
        with pytest.raises(ClientError, match="NoSuchUpload"):
            s3.abort_multipart_upload(**where)
    objects = FileObjects(directory)
    objects.sweep()
    assert len(list((directory / "blobs").glob("*/*"))) == 1
    objects.close()
