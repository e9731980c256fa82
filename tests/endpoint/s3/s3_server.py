"""S3 over a real server on loopback: for a thread of the tests, and as a process of its own.

python -m tests.endpoint.s3.s3_server DIRECTORY

prints its port, serves until its stdin ends, and prints its peak resident memory in KiB
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.endpoint.waitress_thread import serving_app
from tuner.endpoint.s3 import s3_app
from tuner.endpoint.s3.channel import Channel
from tuner.store.objects import FileObjects


@contextmanager
def serving(objects: FileObjects) -> Iterator[int]:
    """The port."""
    with serving_app(
        s3_app(objects),
        Channel,
        max_request_body_size=2**40,
        clear_untrusted_proxy_headers=True,
    ) as port:
        yield port


def client(port: int, region: str = "us-west-2", **config: Any) -> Any:
    """boto3's, which tries once."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=20, **config),
    )


if __name__ == "__main__":
    store = FileObjects(Path(sys.argv[1]))
    with serving(store) as port:
        print(port, flush=True)
        sys.stdin.read()
    store.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
