from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_server import client, serving

from tuner.store.objects import FileObjects


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
