"""A stage on which one backend runs real programs, with a real object store and real logs."""

from __future__ import annotations

import io
import json
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tuner.backends.process import ProcessBackend
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
from tuner.domain.ports import Event, Faulted, InstanceExited, LogLine, Prepared, Started
from tuner.store.logs import SegmentedLogs
from tuner.store.objects import FileObjects

Kind = TypeVar("Kind", bound=Event)

BUCKET = "bucket"
PATIENCE = 30.0


class Stage:
    """`backend` is the present owner's; `events` are those of all owners so far."""

    def __init__(self, home: Path, namespaces: bool) -> None:
        self.home = home
        self.namespaces = namespaces
        self.objects = FileObjects(home / "objects")
        self.logs = SegmentedLogs(home / "logs")
        self.images: dict[str, str] = {}
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self.backend = self.owner()

    def owner(self) -> ProcessBackend:
        backend = ProcessBackend(
            self.home,
            self.objects,
            self.logs,
            image_map=self.images,
            capacity=None,
            namespaces=self.namespaces,
        )
        backend.start(self._post)
        return backend

    def replace_owner(self) -> None:
        """What is left when the owner ends: the keeper, the programs, the disk."""
        self.backend.close()
        self.events.clear()
        self.backend = self.owner()

    def close(self) -> None:
        self.backend.adopt([])  # ends and removes everything
        self.wait(lambda: not any((self.home / "attempts").iterdir()))
        self.backend.close()
        self.objects.close()

    # ---- jobs ----------------------------------------------------------------------------------

    def image(self, source: str, name: str = "program") -> str:
        """An image whose program is this Python source."""
        directory = self.home / "containers" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "train").write_text(textwrap.dedent(source))
        manifest = {"name": name, "command": ["{python}", "-I", "{directory}/train"]}
        (directory / "container.json").write_text(json.dumps(manifest))
        self.images[name] = str(directory)
        return name

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
    ) -> Channel:
        for key, content in files.items():
            self.objects.put(BUCKET, f"{name}/{key}", io.BytesIO(content))
        source = S3DataSource(
            s3_data_type=S3DataType.S3_PREFIX,
            s3_uri=f"s3://{BUCKET}/{name}/",
            s3_data_distribution_type=distribution,
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
