"""Containers where an engine has the image, processes for what this machine has a program for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tuner.backends import failures
from tuner.backends.docker import DockerBackend
from tuner.backends.docker_images import names_of
from tuner.backends.lanes import Lanes
from tuner.backends.process import ProcessBackend
from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import Backend, Capabilities, Capacity, Event, EventSink, Faulted
from tuner.training import script_mode

log = logging.getLogger(__name__)

_CHOOSERS = 4
_ASK_AGAIN_AFTER = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What there is for an image: `mapped` by the user to a program, a `program` of this machine
    at all, the image itself (`here`) in the engine, and an `engine` that could pull it."""

    mapped: bool
    program: bool
    here: bool
    engine: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """`backend` is "docker" or "process"."""

    backend: str
    reason: str


def choose(situation: Situation) -> Choice:
    """Which backend runs an image, and why."""
    if situation.mapped:
        return Choice("process", "the image map names a program of this machine")
    if situation.here:
        return Choice("docker", "the Docker engine has the image")
    if situation.program:
        return Choice("process", "a bundled container stands for it, whose image is not built")
    if situation.engine:
        return Choice("docker", "it is an image, and a Docker engine answers")
    return Choice("process", "no Docker engine answers")


class AutoBackend:
    """Gives each attempt to one of two backends, and keeps to it: see `Backend`.

    The choice is recorded by the directory that the chosen backend has for the attempt. The
    Docker backend is started when it is first needed.
    """

    name = "auto"

    def __init__(
        self, process: ProcessBackend, docker: DockerBackend, image_map: Mapping[str, str]
    ) -> None:
        self._process = process
        self._docker = docker
        self._image_map = image_map
        self._lanes = Lanes(_CHOOSERS, "auto-choice")
        self._lock = threading.Lock()
        self._docker_started = False
        self._told: set[tuple[str, str]] = set()
        self._away_until, self._reason = 0.0, ""
        self._post: EventSink | None = None

    def start(self, post: EventSink) -> None:
        self._post = post
        self._process.start(post)

    def capacity(self) -> Capacity:
        return self._process.capacity()

    def capabilities(self, image: str | None = None, *, user_code: bool = False) -> Capabilities:
        if image is not None:
            choice = self._choice(image, user_code=user_code)
            return self._of(choice).capabilities(image)
        able, reason = self._process.capabilities(), self._unavailable()
        return Capabilities(
            images=reason is None,
            private_opt_ml=able.private_opt_ml,
            multiple_instances=able.multiple_instances,
            network_isolation=reason is None,
            note=able.note,
            images_note=reason or "",
        )

    def image_fault(self, image: str, *, user_code: bool) -> str | None:
        choice = self._choice(image, user_code=user_code)
        fault = self._of(choice).image_fault(image, user_code=user_code)
        if fault is None:
            return None
        if choice.backend == "docker":
            return f"{self._process.image_fault(image, user_code=user_code)} {fault}"
        reason = self._unavailable()
        return f"{fault} It cannot be run as a container: {reason}." if reason else fault

    def prepare(self, job: TrainingJob) -> None:
        self._after_choice(job, lambda backend: backend.prepare(job))

    def launch(self, job: TrainingJob) -> None:
        self._after_choice(job, lambda backend: backend.launch(job))

    def stop(self, job: TrainingJob, grace_seconds: float) -> None:
        self._after_choice(job, lambda backend: backend.stop(job, grace_seconds))

    def collect(self, job: TrainingJob) -> None:
        self._after_choice(job, lambda backend: backend.collect(job))

    def release(self, key: AttemptKey) -> None:
        def act() -> None:
            if self._docker.holds(key):
                self._started_docker().release(key)
            else:
                self._process.release(key)

        self._lanes.submit(key, act)

    def adopt(self, jobs: Sequence[TrainingJob]) -> None:
        theirs = [job for job in jobs if self._docker.holds(job.key)]
        self._process.adopt([job for job in jobs if job not in theirs])
        if self._docker.was_used():
            self._started_docker().adopt(theirs)

    def close(self) -> None:
        self._lanes.drain(1.0)
        self._lanes.close()
        self._process.close()
        if self._docker_started:
            self._docker.close()

    # ---- choosing ------------------------------------------------------------------------------

    def _after_choice(self, job: TrainingJob, act: Callable[[Backend], None]) -> None:
        def chosen() -> None:
            try:
                act(self._backend(job))
            except Exception as error:
                log.exception("attempt %s", job.key)
                self._pass_on(Faulted(key=job.key, failure=failures.unforeseen(error)))

        self._lanes.submit(job.key, chosen)

    def _backend(self, job: TrainingJob) -> Backend:
        """The backend of an attempt; chosen now if it has none yet."""
        if self._docker.holds(job.key):
            return self._started_docker()
        if self._process.holds(job.key):
            return self._process
        image = job.spec.algorithm_specification.training_image or ""
        user_code = script_mode.runs_user_code(job.spec, job.hyper_parameters)
        choice = self._choice(image, user_code=user_code)
        if (image, choice.reason) not in self._told:
            self._told.add((image, choice.reason))
            log.info("%s runs on the %s backend: %s", image, choice.backend, choice.reason)
        backend = self._of(choice)
        backend.claim(job.key)
        return backend

    def _choice(self, image: str, *, user_code: bool) -> Choice:
        mapped = any(name in self._image_map for name in names_of(image))
        program = self._process.image_fault(image, user_code=user_code) is None
        if mapped:  # the engine has no say in it
            return choose(Situation(mapped=True, program=program, here=False, engine=False))
        engine = self._unavailable() is None
        return choose(
            Situation(
                mapped=False,
                program=program,
                here=engine and self._docker.has_image(image, user_code=user_code),
                engine=engine,
            )
        )

    def _of(self, choice: Choice) -> ProcessBackend | DockerBackend:
        return self._started_docker() if choice.backend == "docker" else self._process

    def _unavailable(self) -> str | None:
        """Why there is no engine. One that was away is asked again after some seconds only."""
        with self._lock:
            if time.monotonic() < self._away_until:
                return self._reason
            reason = self._docker.unavailable()
            if reason is not None:
                self._reason = reason
                self._away_until = time.monotonic() + _ASK_AGAIN_AFTER
            return reason

    def _started_docker(self) -> DockerBackend:
        with self._lock:
            if not self._docker_started:
                self._docker_started = True
                self._docker.start(self._pass_on)
        return self._docker

    def _pass_on(self, event: Event) -> None:
        if self._post is not None:
            self._post(event)
