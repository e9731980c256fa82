"""How fast our S3 is beside moto's, each as a server process of its own, with boto3.

python tests/benchmarks/s3.py [--megabytes 200] [--objects 300]

Ours is durable (every write is on the disk before it is answered), moto's is in memory.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
MB = 1_000_000
BUCKET = "bench-bucket"
CLIENTS = 8

MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def serving(command: list[str]) -> Iterator[Any]:
    """A client of a server that prints its port and ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        port = int(process.stdout.readline())
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(max_pool_connections=32, connect_timeout=5, read_timeout=120),
        )
    finally:
        process.kill()
        process.wait(timeout=10)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(s3: Any, megabytes: int, objects: int) -> dict[str, float]:
    """MB/s and operations per second by what was done."""
    s3.create_bucket(Bucket=BUCKET)
    rates: dict[str, float] = {}
    content = os.urandom(MB) * megabytes
    where = {"Bucket": BUCKET, "Key": "large"}
    parts = TransferConfig(multipart_chunksize=16 * 2**20, max_concurrency=4)

    def large(name: str, work: Callable[[], object]) -> None:
        rates[f"{name}, MB/s"] = megabytes / seconds(work)

    large("put", lambda: s3.put_object(**where, Body=content))
    large(
        "put in parts",
        lambda: s3.upload_fileobj(io.BytesIO(content), *where.values(), Config=parts),
    )
    large("get", lambda: s3.get_object(**where)["Body"].read())
    large(
        "get in ranges", lambda: s3.download_fileobj(*where.values(), io.BytesIO(), Config=parts)
    )
    large("copy", lambda: s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=where))

    def small(name: str, clients: int, work: Callable[[int], object]) -> None:
        def all_of_them() -> None:
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(work, range(objects)))

        rates[f"{name}, {clients} client{'s' * (clients > 1)}, ops/s"] = objects / seconds(
            all_of_them
        )

    for clients in (1, CLIENTS):
        small(
            "put 1 kB",
            clients,
            lambda n: s3.put_object(Bucket=BUCKET, Key=f"small/{n}", Body=b"x" * 1000),
        )
        small(
            "get 1 kB",
            clients,
            lambda n: s3.get_object(Bucket=BUCKET, Key=f"small/{n}")["Body"].read(),
        )
        small("head", clients, lambda n: s3.head_object(Bucket=BUCKET, Key=f"small/{n}"))
        small(
            "list 100",
            clients,
            lambda n: s3.list_objects_v2(Bucket=BUCKET, Prefix="small/", MaxKeys=100),
        )
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--objects", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        with serving(["-m", "tests.endpoint.s3.s3_server", directory]) as s3:
            ours = measure(s3, arguments.megabytes, arguments.objects)
        with serving(["-c", MOTO]) as s3:
            theirs = measure(s3, arguments.megabytes, arguments.objects)
    table = Table("operation", "ours", "moto", "ours / moto")
    for name, rate in ours.items():
        table.add_row(name, f"{rate:,.0f}", f"{theirs[name]:,.0f}", f"{rate / theirs[name]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
