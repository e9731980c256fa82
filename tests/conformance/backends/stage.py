"""A stage on which one backend runs real programs, with a real object store and real logs."""

from __future__ import annotations

import io
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tuner.domain.definitions import (
    AlgorithmSpecification,
    Channel,
    CheckpointConfig,
    DataSource,
    InputMode,
    OutputDataConfig,
    ResourceConfig,
    S3DataDistributionType,
    S3DataSource,
    S3DataType,
    StoppingCondition,
    TrainingJobRequest,
)
from tuner.domain.jobs import AttemptKey, Resources, Scope, TrainingJob
from tuner.domain.ports import (
    Backend,
    Event,
    Faulted,
    InstanceExited,
    LogLine,
    Prepared,
    Started,
)
from tuner.store.logs import SegmentedLogs
from tuner.store.objects import FileObjects

Kind = TypeVar("Kind", bound=Event)

BUCKET = "bucket"
PATIENCE = 30.0

BROOD = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            print("orphan", flush=True)
            while True: time.sleep(1)
        os._exit(0)
    while not os.path.exists("go"): time.sleep(0.01)
    """
"""A program with a descendant that has left its group and its session."""


class Stage(ABC):
    """`backend` is the present owner's; `events` are those of all owners so far.

    `python` is the interpreter that programs find; `flood_lines` is how many lines a flood of
    output has; with `one_pipe` both of a program's streams are one.
    """

    python: str
    flood_lines: int
    one_pipe: bool
    private: bool

    def __init__(self, home: Path) -> None:
        self.home = home
        self.objects = FileObjects(home / "objects")
        self.logs = SegmentedLogs(home / "logs")
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self.backend = self.owner()

    @abstractmethod
    def owner(self) -> Backend:
        """A new owner's backend, started."""

    @abstractmethod
    def image(self, source: str, name: str = "program") -> str:
        """An image whose program is this Python source."""

    @abstractmethod
    def attempts(self) -> Path:
        """Where attempts have their directories."""

    @abstractmethod
    def alive(self, job: TrainingJob) -> Sequence[object]:
        """What still runs of an attempt."""

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Python source that makes a `stage` on the same home, in another process."""

    @abstractmethod
    def touch(self, job: TrainingJob, name: str) -> None:
        """Make an empty file where the first instance's program has its working directory."""

    def replace_owner(self) -> None:
        """What is left when the owner ends: the programs, and the disk."""
        self.backend.close()
        self.events.clear()
        self.backend = self.owner()

    def close(self) -> None:
        self.backend.adopt([])  # ends and removes everything
        self.wait(lambda: not any(self.attempts().glob("*-*")))
        self.backend.close()
        self.objects.close()

    # ---- jobs ----------------------------------------------------------------------------------

    def job(
        self,
        source: str,
        *,
        number: int = 1,
        attempt: int = 1,
        instances: int = 1,
        memory_mib: int = 1024,
        channels: Sequence[Channel] = (),
        environment: Mapping[str, str] | None = None,
        entrypoint: tuple[str, ...] | None = None,
        arguments: tuple[str, ...] | None = None,
        checkpoints: CheckpointConfig | None = None,
    ) -> TrainingJob:
        name = f"job-{number}"
        request = TrainingJobRequest(
            training_job_name=name,
            algorithm_specification=AlgorithmSpecification(
                training_input_mode=InputMode.FILE,
                training_image=self.image(source, f"program-{number}"),
                container_entrypoint=entrypoint,
                container_arguments=arguments,
            ),
            role_arn="arn:aws:iam::123456789012:role/SageMakerRole",
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/out"),
            stopping_condition=StoppingCondition(),
            resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=instances),
            input_data_config=tuple(channels) or None,
            environment=environment,
            checkpoint_config=checkpoints,
        )
        now = time.time()
        return TrainingJob(
            id=number,
            attempt=attempt,
            scope=Scope(account="123456789012", region="us-east-1"),
            name=name,
            spec=request,
            hyper_parameters={},
            resources=Resources(cpus=1, memory_mib=memory_mib),
            creation_time=now,
            last_modified_time=now,
        )

    def channel(
        self,
        name: str,
        files: Mapping[str, bytes],
        mode: InputMode = InputMode.FILE,
        distribution: S3DataDistributionType = S3DataDistributionType.FULLY_REPLICATED,
        groups: tuple[str, ...] | None = None,
    ) -> Channel:
        for key, content in files.items():
            self.objects.put(BUCKET, f"{name}/{key}", io.BytesIO(content))
        source = S3DataSource(
            s3_data_type=S3DataType.S3_PREFIX,
            s3_uri=f"s3://{BUCKET}/{name}/",
            s3_data_distribution_type=distribution,
            instance_group_names=groups,
        )
        return Channel(
            channel_name=name, data_source=DataSource(s3_data_source=source), input_mode=mode
        )

    # ---- acts and what comes of them -----------------------------------------------------------

    def start(self, job: TrainingJob) -> None:
        """Prepare and launch, and wait until the program runs."""
        self.backend.prepare(job)
        self.first(Prepared, job.key)
        self.backend.launch(job)
        self.first(Started, job.key)

    def run(self, job: TrainingJob) -> dict[str, InstanceExited]:
        self.start(job)
        return self.exits(job)

    def exits(self, job: TrainingJob) -> dict[str, InstanceExited]:
        """The ends of all instances, once all are there."""

        def found() -> dict[str, InstanceExited]:
            return {
                event.host: event
                for event in list(self.events)
                if isinstance(event, InstanceExited) and event.key == job.key
            }

        self.wait(lambda: len(found()) == job.instance_count)
        return found()

    def first(self, kind: type[Kind], key: AttemptKey) -> Kind:
        def found() -> Kind | None:
            events = list(self.events)
            return next((e for e in events if isinstance(e, kind) and e.key == key), None)

        def settled() -> bool:
            if kind is not Faulted and self._has_faulted(key):
                raise AssertionError(self.first(Faulted, key).failure.text)
            return found() is not None

        self.wait(settled)
        event = found()
        assert event is not None
        return event

    def _has_faulted(self, key: AttemptKey) -> bool:
        return any(isinstance(e, Faulted) and e.key == key for e in list(self.events))

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not condition():
                if time.monotonic() > deadline:
                    raise AssertionError(f"not within {PATIENCE} s; events: {self.events}")
                self._changed.wait(0.05)

    def lines(self, job: TrainingJob) -> list[LogLine]:
        lines: list[LogLine] = []
        offset = 0
        while True:
            page, offset = self.logs.read(job.key, offset, 10_000)
            if not page:
                return lines
            lines.extend(page)

    def texts(self, job: TrainingJob) -> list[str]:
        return [line.text for line in self.lines(job)]

    def wait_for_line(self, job: TrainingJob, text: str) -> None:
        self.wait(lambda: text in self.texts(job))

    def _post(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def changed(job: TrainingJob, **members: Any) -> TrainingJob:
    """The same job with other members of its spec."""
    return replace(job, spec=replace(job.spec, **members))


def with_image(job: TrainingJob, image: str) -> TrainingJob:
    algorithm = replace(job.spec.algorithm_specification, training_image=image)
    return changed(job, algorithm_specification=algorithm)
