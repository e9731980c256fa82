"""Tuning jobs on an engine of their own, and what ends their containers, owners and engine.

The program tells a witness of every start, says what it does on its log, and leaves in its model
who it was: so it can be told afterwards what really ran.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.backends.docker_daemon import Daemon
from tests.owner.homes import alive, owner_pid, specification, until
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable
from tuner.backends.docker_engine import Engine
from tuner.client import Client
from tuner.settings import Settings

STEPS = 12
CHECKPOINTS = "checkpoints"
PLAIN, SPOT = "plain", "spot"
RETRIES = 3
INTERRUPTIONS_PER_HOUR = 3600.0
TRAIN = f"""
import json, os, pathlib, re, secrets, signal, socket, time
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
run, name = secrets.token_hex(8), os.environ["TRAINING_JOB_NAME"]
print("begin", run, flush=True)
mounts = pathlib.Path("/proc/self/mountinfo").read_text()
container = re.search("/containers/([0-9a-f]{{64}})/", mounts)[1]
with socket.create_connection(tuple(os.environ["WITNESS"].split(":")), 20) as witness:
    witness.sendall(json.dumps([name, container, run]).encode())
    witness.shutdown(socket.SHUT_WR)
    witness.recv(1)
kept = pathlib.Path("/opt/ml/checkpoints", name)
step = int(kept.read_text()) if kept.exists() else 0
while step < {STEPS} and not leaving:
    step += 1
    time.sleep(0.05)
    if kept.parent.exists():
        draft = kept.with_suffix(".sagemaker-ignore")
        draft.write_text(str(step))
        draft.replace(kept)
    print("step %d" % step, flush=True)
if step == {STEPS}:
    print("loss=%d" % step)
pathlib.Path("/opt/ml/model/run").write_text(run)
print("end", run, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A program that ran: of which training job, in which container, by which name."""

    job: str
    container: str
    run: str


class Witness:
    """Listens at the address by which containers reach this machine."""

    def __init__(self, address: str) -> None:
        self.starts: list[Start] = []
        self._socket = socket.create_server((address, 0), backlog=64)
        self.address = "{}:{}".format(*self._socket.getsockname())
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        """The program goes on when it has been heard; one that was killed meanwhile is not."""
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(20)
            self.starts.append(Start(*json.loads(connection.makefile("rb").read())))

    def close(self) -> None:
        self._socket.close()


def tuning_job(name: str, image: str, witness: str, jobs: int, parallel: int) -> dict[str, Any]:
    found = specification(name, jobs, parallel)
    definition = found["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = image
    definition["RetryStrategy"] = {"MaximumRetryAttempts": RETRIES}
    definition["Environment"] = {"WITNESS": witness}
    if name == SPOT:
        definition["EnableManagedSpotTraining"] = True
        definition["StoppingCondition"]["MaxWaitTimeInSeconds"] = 600
        definition["CheckpointConfig"] = {"S3Uri": f"s3://{CHECKPOINTS}/chaos"}
    return found


class Chaos:
    """What is done to a home and its engine: a seeded schedule over the progress of its jobs."""

    def __init__(self, home: Path, daemon: Daemon, seed: int, budget: Mapping[str, int]) -> None:
        self._daemon = daemon
        self._chance = random.Random(seed)
        self._budget = budget
        self._engine = Engine(5.0, daemon.address)
        self.settings = Settings(
            home=home,
            region="eu-north-1",
            backend="docker",
            cpus=6,
            memory_mib=1536,
            idle_seconds=30.0,
            interruption_rate=INTERRUPTIONS_PER_HOUR,
        )
        self.client = Client(self.settings)
        self.killed: dict[str, str] = {}
        """The containers that were killed or removed, and of which training job they were."""

    def unleash(self) -> None:
        """Until all tuning jobs have ended. Each at some share of the work, the owner is killed
        three times, one of them while the engine is away, which is killed, and ended once."""
        acts = [self._kill_owner, self._kill_owner, self._restart_engine, self.end_owner]
        self._chance.shuffle(acts)
        total = sum(self._budget.values())
        shares = sorted(self._chance.uniform(0.1, 0.8) for _ in acts)
        due = [(round(total * share), act) for share, act in zip(shares, acts, strict=True)]
        kill_at = time.monotonic() + self._chance.uniform(0.5, 2.0)
        while (ended := self._ended()) is not None:
            if due and ended >= due[0][0]:
                due.pop(0)[1]()
            if time.monotonic() > kill_at:
                self._kill_container()
                kill_at = time.monotonic() + self._chance.uniform(0.5, 3.0)
            time.sleep(0.05)
        assert not due

    def end_owner(self) -> None:
        pid = owner_pid(self.settings.home)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid))

    def _ended(self) -> int | None:
        """How many training jobs have ended; None when all tuning jobs have."""
        found = [
            self.client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
            for name in self._budget
        ]
        if all(item["HyperParameterTuningJobStatus"] != "InProgress" for item in found):
            return None
        return sum(
            count
            for item in found
            for status, count in item["TrainingJobStatusCounters"].items()
            if status != "InProgress"
        )

    def _kill_owner(self) -> None:
        os.kill(owner_pid(self.settings.home), signal.SIGKILL)
        time.sleep(self._chance.choice([0.0, 1.0]))

    def _restart_engine(self) -> None:
        self._daemon.stop(signal.SIGKILL)
        time.sleep(self._chance.uniform(0.0, 0.5))
        self._kill_owner()
        if self._chance.random() < 0.5:
            self._ended()  # starts an owner, which finds no engine
        self._daemon.start()

    def _kill_container(self) -> None:
        with contextlib.suppress(EngineUnavailable, EngineRefused):
            running = [
                item
                for item in self._engine.containers("amtlocal.attempt")
                if item["State"] == "running"
            ]
            if not running:
                return
            victim = self._chance.choice(running)
            self.killed[victim["Id"]] = victim["Labels"]["amtlocal.training-job"]
            if self._chance.random() < 0.3:
                self._engine.remove(victim["Id"])
            else:
                self._engine.kill(victim["Id"])

    def left_behind(self) -> dict[str, list[str]]:
        """Everything that the engine has beyond what it had, by kind."""
        import docker

        client = docker.DockerClient(base_url=self._daemon.address)
        try:
            return {
                "containers": [item.name for item in client.containers.list(all=True)],
                "networks": [
                    item.name
                    for item in client.networks.list()
                    if item.name not in ("bridge", "host", "none")
                ],
                "volumes": [item.name for item in client.volumes.list()],
                "images": [tag for item in client.images.list() for tag in item.tags],
            }
        finally:
            client.close()
