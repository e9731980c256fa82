"""The process backend: each instance is a process tree of this machine, kept by the keeper."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tuner.backends import failures, pipes
from tuner.backends.keeper_client import KeeperClient, KeeperUnavailable
from tuner.backends.lanes import Lanes
from tuner.backends.machine import machine_capacity
from tuner.backends.places import Places, hosts_of
from tuner.backends.process_programs import Programs
from tuner.backends.removal import remove_tree
from tuner.domain.jobs import AttemptKey, Failure, TrainingJob
from tuner.domain.ports import (
    Capabilities,
    Capacity,
    Collected,
    Event,
    EventSink,
    Faulted,
    InstanceExited,
    Logs,
    Objects,
    OutputGrew,
    Prepared,
    Reach,
    Started,
    unreachable,
)
from tuner.domain.statuses import SecondaryStatus
from tuner.training import outputs
from tuner.training.checkpoints import Checkpoints
from tuner.training.containers import ContainerError, find_container
from tuner.training.inputs import InputViews

_log = logging.getLogger(__name__)

_LOST = "the process keeper ended unexpectedly"
_TRANSFERS = 4


class ProcessBackend:
    """Runs training programs as processes; see `Backend` for the contract.

    With `namespaces` None they are used where they can be had, unless the environment says
    TUNER_NAMESPACES=off; False never uses them. `image_map` goes from image to directory.
    """

    name = "process"

    def __init__(
        self,
        home: Path,
        objects: Objects,
        logs: Logs,
        *,
        image_map: Mapping[str, str],
        capacity: Capacity | None,
        namespaces: bool | None = None,
        reach: Reach = unreachable,
    ) -> None:
        self._home = home.resolve()
        self._places = Places(self._home)
        self._objects = objects
        self._logs = logs
        self._image_map = image_map
        self._capacity = capacity or machine_capacity()
        self._wants_namespaces = (
            os.environ.get("TUNER_NAMESPACES") != "off" if namespaces is None else namespaces
        )
        self._reach = reach
        self._checkpoints = Checkpoints(objects)
        self._keeper = KeeperClient(self._home, self._on_event, self._on_lost)
        self._acts = ThreadPoolExecutor(1, thread_name_prefix="process-acts")
        self._lanes = Lanes(_TRANSFERS, "process-transfers")
        self._running: dict[AttemptKey, set[str]] = {}
        self._post: EventSink | None = None
        self._opened = contextlib.ExitStack()

    def start(self, post: EventSink) -> None:
        self._places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._views = InputViews(self._objects, self._home / "inputs")
        self._opened.callback(self._views.close)
        self._programs = Programs(
            self._home,
            places=self._places,
            views=self._views,
            checkpoints=self._checkpoints,
            image_map=self._image_map,
            reach=self._reach,
        )
        self._post = post
        self._acts.submit(self._wake_keeper)  # by the time it is needed it is there

    def capacity(self) -> Capacity:
        return self._capacity

    def image_fault(self, image: str, *, user_code: bool) -> str | None:
        try:
            container = find_container(image, self._image_map, user_code=user_code)
        except ContainerError as error:
            return str(error)
        if container is not None:
            return None
        return (
            f"No local container is known for the training image {image!r}. Known are the images "
            "of SageMaker's built-in XGBoost and of its frameworks (`tuner images` lists them); "
            "map any other one to a program of this machine: TUNER_IMAGE_MAP='IMAGE=PROGRAM', "
            "where PROGRAM is an executable file, or a directory with a program named train or "
            "a container.json."
        )

    def holds(self, key: AttemptKey) -> bool:
        """Whether an attempt was given to this backend and not released."""
        return self._places.directory(key).exists()

    def claim(self, key: AttemptKey) -> None:
        """From now on it `holds` the attempt. Raises OSError."""
        self._places.directory(key).mkdir(parents=True, exist_ok=True)

    def capabilities(self, image: str | None = None, *, user_code: bool = False) -> Capabilities:
        try:
            note = self._without_namespaces()
        except KeeperUnavailable as error:
            note = str(error)
        private = note is None
        return Capabilities(
            images=False, private_opt_ml=private, multiple_instances=private, note=note or ""
        )

    def prepare(self, job: TrainingJob) -> None:
        self._lanes.submit(job.key, partial(self._guarded, job.key, partial(self._prepare, job)))

    def launch(self, job: TrainingJob) -> None:
        self._acts.submit(self._guarded, job.key, partial(self._launch, job))

    def stop(self, job: TrainingJob, grace_seconds: float) -> None:
        def act() -> None:
            if self._was_sent(job.key):
                self._keeper.send(do="stop", key=str(job.key), grace=grace_seconds)

        self._acts.submit(self._guarded, job.key, act)

    def collect(self, job: TrainingJob) -> None:
        def act() -> None:
            trees = self._places.trees(job)
            self._checkpoints.finish(job, trees)
            text = outputs.collect(job, trees, self._objects)
            self._tell(Collected(key=job.key, failure_text=text))

        self._lanes.submit(job.key, partial(self._guarded, job.key, act))

    def release(self, key: AttemptKey) -> None:
        def act() -> None:
            try:
                if self._was_sent(key):
                    self._keeper.send(do="release", key=str(key))
                    return
            except KeeperUnavailable:
                _log.warning("attempt %s is removed without the keeper", key)
            self._remove(key)

        self._acts.submit(act)

    def adopt(self, jobs: Sequence[TrainingJob]) -> None:
        known = {job.key: job for job in jobs}
        self._views.keep_only({str(key) for key in known})
        for key in self._places.on_disk():
            if key not in known:
                self.release(key)
            elif known[key].secondary_status is SecondaryStatus.UPLOADING:
                pass  # its end is on record; only its outputs are still wanted
            elif self._places.is_launched(key):
                self._checkpoints.watch(known[key], self._places.trees(known[key]))
                report = partial(self._report, key, set(hosts_of(known[key])))
                self._acts.submit(self._guarded, key, report)

    def close(self) -> None:
        self._post = None
        self._acts.shutdown(wait=True)  # what was asked for is still passed on
        self._lanes.close()
        self._checkpoints.close()
        self._opened.close()
        self._keeper.close()

    # ---- acts ----------------------------------------------------------------------------------

    def _prepare(self, job: TrainingJob) -> None:
        if not self._places.is_launched(job.key):
            self._programs.lay_out(job, private=self._without_namespaces() is None)
        self._tell(Prepared(key=job.key))

    def _launch(self, job: TrainingJob) -> None:
        directory = self._places.directory(job.key)
        self._checkpoints.watch(job, self._places.trees(job))
        private = self._without_namespaces() is None
        self._running[job.key] = set(hosts_of(job))
        if self._places.is_launched(job.key):
            self._report(job.key, set(hosts_of(job)))
            return
        self._keeper.send(
            do="launch",
            key=str(job.key),
            directory=str(directory),
            log=str(self._logs.directory(job.key)),
            instances=self._programs.of(job, private=private),
            feeds=pipes.kept_feeds(directory),
        )

    def _report(self, key: AttemptKey, hosts: set[str]) -> None:
        self._running[key] = hosts
        self._keeper.send(do="report", key=str(key), directory=str(self._places.directory(key)))

    def _remove(self, key: AttemptKey) -> None:
        def act() -> None:
            self._checkpoints.forget(key)
            remove_tree(self._places.directory(key))
            self._views.forget(str(key))

        self._running.pop(key, None)
        self._lanes.submit(key, act)

    def _guarded(self, key: AttemptKey, act: Callable[[], None]) -> None:
        """What an act runs into becomes an event: nobody waits for the act itself."""
        try:
            act()
        except Exception as error:
            failure = failures.failure_of(error, key, self._home, users=(ContainerError,))
            self._fault(key, failure)

    def _fault(self, key: AttemptKey, failure: Failure) -> None:
        self._running.pop(key, None)
        event = Faulted(key=key, failure=failure)

        def act() -> None:
            try:
                self._checkpoints.give_up(key)
            finally:
                self._tell(event)

        self._lanes.submit(key, act)

    def _tell(self, event: Event) -> None:
        if (post := self._post) is not None:
            post(event)

    # ---- the keeper ----------------------------------------------------------------------------

    def _wake_keeper(self) -> None:
        with contextlib.suppress(KeeperUnavailable):  # who needs it next is told
            self._keeper.hello()

    def _on_event(self, message: Mapping[str, Any]) -> None:
        job_id, _, attempt = message["key"].partition("-")
        key = AttemptKey(int(job_id), int(attempt))
        match message["event"]:
            case "started":
                self._tell(Started(key=key, time=message["time"]))
            case "grew":
                self._tell(OutputGrew(key=key))
            case "exited":
                self._exited(key, message)
            case "faulted":
                self._fault(key, failures.internal(message["text"]))
            case "lost":
                self._fault(key, failures.internal(_LOST))
            case "released":
                self._remove(key)

    def _exited(self, key: AttemptKey, message: Mapping[str, Any]) -> None:
        host = message["host"]
        left = self._running.get(key, set())
        left.discard(host)
        if not left:
            self._running.pop(key, None)
        code, time, cause = message["code"], message["time"], message["cause"]
        self._tell(InstanceExited(key=key, host=host, code=code, time=time, cause=cause))

    def _on_lost(self) -> None:
        """The keeper died, or dropped us: ask (another one) how everything stands."""
        for key, hosts in list(self._running.items()):
            with contextlib.suppress(RuntimeError):  # we are being closed
                self._acts.submit(self._guarded, key, partial(self._report, key, hosts))

    def _without_namespaces(self) -> str | None:
        """Why instances get no namespaces; None when they do. Raises KeeperUnavailable."""
        if not self._wants_namespaces:
            return "namespaces are switched off"
        reason: str | None = self._keeper.hello()["without_namespaces"]
        return reason

    def _was_sent(self, key: AttemptKey) -> bool:
        """Whether the keeper has the launch, or will read it before what is sent next."""
        return key in self._running or self._places.is_launched(key)
