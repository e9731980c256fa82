from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from s3_server import serving

from tuner.store.objects import FileObjects


def client(port: int, region: str = "us-west-2", **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=20, **config),
    )


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    objects = FileObjects(tmp_path / "objects")
    yield objects
    objects.close()


@pytest.fixture
def port(objects: FileObjects) -> Iterator[int]:
    with serving(objects) as port:
        yield port


@pytest.fixture
def s3(port: int) -> Any:
    made = client(port)
    made.create_bucket(
        Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    return made
