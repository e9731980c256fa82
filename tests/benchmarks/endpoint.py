"""How fast the endpoint answers, beside a moto server with as many jobs, and under load.

    python tests/benchmarks/endpoint.py [--jobs 5000] [--requests 800]

One run prints p50 and p99 in milliseconds of Describe and List requests of 1, 8 and 32 clients
at once, ours and moto's in turn, with 5,000 training jobs in 20 tuning jobs each. Then the same
of ours at rest and while a Bayesian tuning job fits its model and runs 8 training jobs that keep
a CPU busy each. The clients are connections of one process that speak plain HTTP, so that what
is timed is the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import boto3
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from tests.benchmarks.overhead import specification
from tests.controller.world import World, printing
from tuner.client import Client
from tuner.domain.ports import Capacity
from tuner.settings import Settings

TUNING_JOBS = 20
PARALLEL = 8
BUSY = """
import time
end = time.process_time() + 3
while time.process_time() < end:
    pass
print("loss=1.0")
"""
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
OPERATIONS: dict[str, dict[str, Any]] = {
    "DescribeHyperParameterTuningJob": {"HyperParameterTuningJobName": "tuning-07"},
    "DescribeTrainingJob": {},
    "ListHyperParameterTuningJobs": {"MaxResults": 20},
    "ListTrainingJobs": {"MaxResults": 100},
}
CLIENTS = (1, 8, 32)


# ---- the servers -------------------------------------------------------------------------------


@contextmanager
def ours(jobs: int) -> Iterator[tuple[int, Client]]:
    """A served home with that many training jobs that have ended: its port and its client."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "home"
        home.mkdir(mode=0o700)
        world = World(
            home,
            lambda job: printing(60.0, float(job.number % 977)),
            Capacity(cpus=100, memory_mib=100),
        )
        world.checks = False
        for number in range(TUNING_JOBS):
            world.create(f"tuning-{number:02}", jobs=jobs // TUNING_JOBS, parallel=100)
        world.run()
        world.close()
        program = Path(directory) / "program"
        program.mkdir()
        (program / "train").write_text(f"#!{sys.executable}\n{BUSY}")
        (program / "train").chmod(0o755)
        client = Client(
            Settings(home=home, cpus=PARALLEL, image_map={"busy": str(program)}, idle_seconds=1)
        )
        served = serve(client, 0)
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(20):
                serve(client, served["Port"])

        threading.Thread(target=renew, daemon=True).start()
        try:
            yield served["Port"], client
        finally:
            ended.set()
            os.kill(int((home / "owner.lock").read_text()), signal.SIGTERM)
            time.sleep(1)


def serve(client: Client, port: int) -> dict[str, Any]:
    wanted = {"Host": "127.0.0.1", "Port": port, "Authenticate": False, "Seconds": 60}
    return client.call("Tuner.Serve", Holder="benchmark", **wanted)


@contextmanager
def moto(jobs: int) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        port = int(process.stdout.readline())
        client = boto3.client(
            "sagemaker",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(parameter_validation=False),
        )
        wanted = specification("tuning", "image", jobs // TUNING_JOBS, 100)
        definition = wanted["TrainingJobDefinition"]
        for number in range(TUNING_JOBS):
            name = f"tuning-{number:02}"
            client.create_hyper_parameter_tuning_job(
                **wanted | {"HyperParameterTuningJobName": name}
            )
            for index in range(jobs // TUNING_JOBS):
                client.create_training_job(
                    TrainingJobName=f"{name}-{index:03}-12345678",
                    HyperParameters={"x": "0.5"},
                    **definition,
                )
        yield port
    finally:
        process.kill()
        process.wait(timeout=10)


# ---- the clients -------------------------------------------------------------------------------


def request(operation: str, params: dict[str, Any]) -> bytes:
    body = json.dumps(params)
    today = time.strftime("%Y%m%d", time.gmtime())
    return (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Amz-Target: SageMaker.{operation}\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"X-Amz-Date: {today}T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 "
        f"Credential=any/{today}/us-east-1/sagemaker/aws4_request, SignedHeaders=host;x-amz-date, "
        f"Signature=0\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def one_client(port: int, message: bytes, left: Iterator[int], spent: list[float]) -> None:
    reader = writer = None
    for _ in left:
        began = time.perf_counter()
        if writer is None or reader is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.split(b" ", 2)[1] == b"200", head
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        spent.append(1000 * (time.perf_counter() - began))
        if head.startswith(b"http/1.0") or b"connection: close" in head:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


def timed(port: int, operation: str, clients: int, requests: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    params = OPERATIONS[operation]
    if operation == "DescribeTrainingJob":
        params = {"TrainingJobName": a_training_job(port)}
    message, spent = request(operation, params), list[float]()

    async def run() -> None:
        left = iter(range(requests))
        await asyncio.gather(*(one_client(port, message, left, spent) for _ in range(clients)))

    asyncio.run(run())
    spent.sort()
    return spent[len(spent) // 2], spent[int(len(spent) * 0.99)]


def a_training_job(port: int) -> str:
    client = boto3.client(
        "sagemaker",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    found = client.list_training_jobs(MaxResults=1)
    return str(found["TrainingJobSummaries"][0]["TrainingJobName"])


# ---- the tables --------------------------------------------------------------------------------


def beside_moto(our_port: int, moto_port: int, requests: int) -> Table:
    table = Table("operation", "clients", "p50 ms", "p99 ms", "moto p50", "moto p99", "p99 ratio")
    for operation in OPERATIONS:
        for clients in CLIENTS:
            p50, p99 = timed(our_port, operation, clients, requests)
            their_p50, their_p99 = timed(moto_port, operation, clients, requests)
            table.add_row(
                *(operation, str(clients), f"{p50:.1f}", f"{p99:.1f}"),
                *(f"{their_p50:.1f}", f"{their_p99:.1f}", f"{p99 / their_p99:.2f}"),
            )
    return table


def under_load(port: int, client: Client, requests: int) -> Table:
    table = Table("operation", "clients", "p99 at rest", "p99 under load", "ratio")
    rest = {
        (operation, clients): timed(port, operation, clients, requests)[1]
        for operation in OPERATIONS
        for clients in CLIENTS
    }
    spec = specification("load", "busy", 500, PARALLEL)
    spec["HyperParameterTuningJobConfig"]["Strategy"] = "Bayesian"
    client.call("CreateHyperParameterTuningJob", **spec)
    while completed(client) < 12:  # the model is fitted from the eleventh on
        time.sleep(0.2)
    for (operation, clients), before in rest.items():
        p99 = timed(port, operation, clients, requests)[1]
        table.add_row(
            operation, str(clients), f"{before:.1f}", f"{p99:.1f}", f"{p99 / before:.2f}"
        )
    assert client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="load")[
        "HyperParameterTuningJobStatus"
    ] == ("InProgress"), "the load ended before the measurement"
    client.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="load")
    return table


def completed(client: Client) -> int:
    job = client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName="load")
    assert job["HyperParameterTuningJobStatus"] == "InProgress", job
    return int(job["TrainingJobStatusCounters"]["Completed"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=800)
    options = parser.parse_args()
    console = Console()
    with ours(options.jobs) as (port, client):
        with moto(options.jobs) as moto_port:
            console.print(beside_moto(port, moto_port, options.requests))
        console.print(under_load(port, client, options.requests))


if __name__ == "__main__":
    main()
