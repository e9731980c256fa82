"""The edges of a home: what the ports of `domain/ports.py` are on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from tuner.backends.auto import AutoBackend
from tuner.backends.docker import DockerBackend
from tuner.backends.machine import machine_capacity
from tuner.backends.process import ProcessBackend
from tuner.domain.buckets import BucketStore
from tuner.domain.jobs import AttemptKey
from tuner.domain.ports import (
    Backend,
    Capacity,
    Clock,
    Listings,
    Logs,
    Objects,
    Reach,
    Records,
    unreachable,
)
from tuner.settings import Settings, SettingsError
from tuner.store.logs import SegmentedLogs
from tuner.store.objects import FileObjects
from tuner.store.records import SqliteRecords

BACKENDS = ("auto", "docker", "process")


class JobRecords(Records, Listings, Protocol):
    """The records with their listings."""

    def close(self) -> None: ...


class JobLogs(Logs, Protocol):
    """The logs, as far as readers from outside need more."""

    def size(self, key: AttemptKey) -> int:
        """The offset after the last whole line."""


class JobObjects(BucketStore, Protocol):
    """The object store of a home, for jobs and for S3's clients."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    records: JobRecords
    objects: JobObjects
    logs: JobLogs
    backend: Backend
    clock: Clock

    def close(self) -> None:
        """Let go of the files; running training jobs go on."""
        self.backend.close()
        self.records.close()
        self.objects.close()


class SystemClock:
    def now(self) -> float:
        return time.time()


def open_ports(settings: Settings, reach: Reach = unreachable) -> Ports:
    """Open a home, making it where there is none. Training jobs find the AWS endpoint by
    `reach`. Raises SettingsError for a backend that is not known."""
    home = settings.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    objects, logs = FileObjects(home / "objects"), SegmentedLogs(home / "logs")
    objects.sweep()
    return Ports(
        records=SqliteRecords(home / "records.db"),
        objects=objects,
        logs=logs,
        backend=_backend(settings, objects, logs, reach),
        clock=SystemClock(),
    )


def _backend(settings: Settings, objects: Objects, logs: Logs, reach: Reach) -> Backend:
    if settings.backend not in BACKENDS:
        known = " or ".join(map(repr, BACKENDS))
        raise SettingsError(f"TUNER_BACKEND={settings.backend!r} is not known; use {known}.")
    machine = machine_capacity()
    capacity = Capacity(
        cpus=settings.cpus or machine.cpus,
        memory_mib=settings.memory_mib or machine.memory_mib,
        gpus=machine.gpus,
    )
    docker = DockerBackend(settings.home, objects, logs, capacity=capacity, reach=reach)
    if settings.backend == "docker":
        return docker
    process = ProcessBackend(
        settings.home,
        objects,
        logs,
        image_map=settings.image_map,
        capacity=capacity,
        reach=reach,
    )
    if settings.backend == "process":
        return process
    return AutoBackend(process, docker, settings.image_map)
