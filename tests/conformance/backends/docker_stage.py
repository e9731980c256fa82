"""The stage of the Docker backend: a real engine, and images made of nothing but Python."""

from __future__ import annotations

import hashlib
import io
import tarfile
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends.stage import Stage
from tuner.backends.docker import DockerBackend
from tuner.backends.docker_engine import Engine
from tuner.backends.machine import machine_capacity
from tuner.domain.jobs import TrainingJob

BASE = "python:3.11-slim"
REPOSITORY = "amtlocal-test"
DOCKERFILE = f"""
FROM {BASE}
COPY train /opt/program/train
ENTRYPOINT ["python3", "-I", "/opt/program/train"]
"""


@cache
def client() -> Any:
    """The engine of this machine; skips the test where there is none."""
    docker = pytest.importorskip("docker", reason="needs docker: the SDK is not installed")
    try:
        found = docker.from_env(timeout=60)
        found.images.get(BASE)
    except docker.errors.DockerException as error:
        pytest.skip(f"needs docker: {error}")
    return found


def build(dockerfile: str, files: dict[str, bytes] | None = None) -> str:
    """An image of our own; the same content is built once."""
    packed = io.BytesIO()
    content = {"Dockerfile": dockerfile.encode(), **(files or {})}
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text))
    tag = f"{REPOSITORY}:{hashlib.sha256(packed.getvalue()).hexdigest()[:16]}"
    if not client().images.list(tag):
        packed.seek(0)
        client().images.build(fileobj=packed, custom_context=True, tag=tag, rm=True)
    return tag


class DockerStage(Stage):
    python = "python3"
    flood_lines = 100_000
    one_pipe = False
    private = True

    def __init__(self, home: Path, make_engine: Callable[[], Engine] = Engine) -> None:
        self.make_engine = make_engine
        super().__init__(home)

    backend: DockerBackend

    def owner(self) -> DockerBackend:
        self.engine = self.make_engine()
        backend = DockerBackend(
            self.home,
            self.objects,
            self.logs,
            capacity=machine_capacity(),
            engine=self.engine,
        )
        backend.start(self._post)
        return backend

    @property
    def home_id(self) -> str:
        return self.backend.home_id

    def image(self, source: str, name: str = "program") -> str:
        return build(DOCKERFILE, {"train": textwrap.dedent(source).encode()})

    def attempts(self) -> Path:
        return self.home / "containers"

    def containers(self, job: TrainingJob) -> list[Any]:
        """All of an attempt, ended ones too, in the order of their hosts."""
        label = f"amtlocal.training-job={job.name}"
        found = client().containers.list(all=True, filters={"label": label}, ignore_removed=True)
        ours = [item for item in found if item.labels["amtlocal.home"] == self.home_id]
        ours = [item for item in ours if item.labels["amtlocal.attempt"].endswith(f"/{job.key}")]
        return sorted(ours, key=lambda item: str(item.labels["amtlocal.host"]))

    def alive(self, job: TrainingJob) -> Sequence[object]:
        return [item for item in self.containers(job) if item.status == "running"]

    @property
    def recipe(self) -> str:
        return f"""
from tests.conformance.backends.docker_stage import DockerStage
stage = DockerStage(Path({str(self.home)!r}))"""

    def touch(self, job: TrainingJob, name: str) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        self.containers(job)[0].put_archive("/", packed.getvalue())

    def close(self) -> None:
        super().close()
        label = f"amtlocal.home={self.home_id}"
        engine = self.make_engine()
        assert not engine.containers(label)
        assert not engine.networks(label)
        engine.close()
