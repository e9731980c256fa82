"""The Docker backend: each instance is a container, as SageMaker runs it.

What the engine knows is the truth: a container that exists is prepared, one that was started is
never started again. So a later owner needs nothing but the labels to go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tuner.backends import docker_plan as plan
from tuner.backends import failures
from tuner.backends.docker_attempt import RunningAttempt
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable, Missing
from tuner.backends.docker_containers import GONE, Containers
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_images import ImageError, Images
from tuner.backends.docker_life import Closing, EngineLife
from tuner.backends.docker_make import Maker
from tuner.backends.docker_outputs import discard, fetch
from tuner.backends.docker_pipes import ContainerPipes
from tuner.backends.docker_rounds import Rounds
from tuner.backends.docker_start import start
from tuner.backends.docker_watch import Container, Lost
from tuner.backends.lanes import Lanes
from tuner.backends.places import Places, hosts_of
from tuner.backends.removal import remove_tree
from tuner.domain.clusters import resources_of
from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import (
    Capabilities,
    Capacity,
    Collected,
    Event,
    EventSink,
    Faulted,
    Logs,
    Objects,
    Prepared,
    Reach,
    unreachable,
)
from tuner.domain.statuses import SecondaryStatus
from tuner.training import outputs
from tuner.training.checkpoints import Checkpoints
from tuner.training.inputs import InputViews
from tuner.training.outputs import OutputError

_log = logging.getLogger(__name__)

_ACTS = 16
_PASS_ON_WITHIN = 2.0
_KNOWN_ERRORS = (Lost, EngineUnavailable, EngineRefused)


class DockerBackend:
    """Runs training programs in containers; see `Backend` for the contract."""

    name = "docker"

    def __init__(
        self,
        home: Path,
        objects: Objects,
        logs: Logs,
        *,
        capacity: Capacity,
        reach: Reach = unreachable,
        engine: Engine | None = None,
    ) -> None:
        self._home = home.resolve()
        self.home_id = hashlib.sha256(str(self._home).encode()).hexdigest()[:16]
        self._places = Places(self._home, "containers")
        self._objects = objects
        self._logs = logs
        self._capacity = capacity
        self._reach = reach
        self._checkpoints = Checkpoints(objects)
        self._engine = engine or Engine()
        self._images = Images(self._engine, self.home_id)
        self._life = EngineLife(self._engine, f"{plan.HOME}={self.home_id}")
        self._lanes = Lanes(_ACTS, "docker-acts")
        self._known: set[AttemptKey] = set()
        self._running: dict[AttemptKey, RunningAttempt] = {}
        self._rounds = Rounds(self._life, f"{plan.HOME}={self.home_id}", self._running)
        self._pipes = ContainerPipes(self._places, self._fail)
        self._post: EventSink | None = None
        self._opened = contextlib.ExitStack()

    def start(self, post: EventSink) -> None:
        self._places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._views = InputViews(self._objects, self._home / "container-inputs")
        self._opened.callback(self._views.close)
        maker = Maker(
            self.home_id,
            self._engine,
            self._images,
            places=self._places,
            views=self._views,
            checkpoints=self._checkpoints,
            capacity=self._capacity,
            reach=self._reach,
            tell=self._tell,
        )
        self._containers = Containers(self.home_id, self._engine, maker.make)
        self._post = post
        self._life.start()
        self._rounds.start()

    def capacity(self) -> Capacity:
        return self._capacity

    def capabilities(self, image: str | None = None, *, user_code: bool = False) -> Capabilities:
        reason = self.unavailable()
        return Capabilities(
            images=reason is None,
            private_opt_ml=True,
            multiple_instances=True,
            network_isolation=True,
            images_note=reason or "",
        )

    def unavailable(self) -> str | None:
        """Why there is no engine; None when one answers."""
        try:
            self._engine.ping()
        except (EngineUnavailable, EngineRefused) as error:
            return str(error)
        return None

    def image_fault(self, image: str, *, user_code: bool) -> str | None:
        return self._images.fault(image, user_code=user_code)

    def has_image(self, image: str, *, user_code: bool) -> bool:
        """Whether the engine answers and could run an image at once."""
        try:
            return self._images.local(image, user_code=user_code) is not None
        except (EngineUnavailable, EngineRefused):
            return False

    def holds(self, key: AttemptKey) -> bool:
        """Whether an attempt was given to this backend and not released."""
        return self._places.directory(key).exists()

    def claim(self, key: AttemptKey) -> None:
        """From now on it `holds` the attempt. Raises OSError."""
        self._places.directory(key).mkdir(mode=0o700, parents=True, exist_ok=True)

    def was_used(self) -> bool:
        """Whether there may be containers of this home."""
        return self._places.root.exists()

    def prepare(self, job: TrainingJob) -> None:
        self._known.add(job.key)
        self._lanes.submit(job.key, partial(self._guarded, job.key, partial(self._prepare, job)))

    def launch(self, job: TrainingJob) -> None:
        self._known.add(job.key)
        self._lanes.submit(job.key, partial(self._guarded, job.key, partial(self._launch, job)))

    def stop(self, job: TrainingJob, grace_seconds: float) -> None:
        def act() -> None:
            if (attempt := self._running.get(job.key)) is not None:
                attempt.stop(grace_seconds)

        self._lanes.submit(job.key, partial(self._guarded, job.key, act))

    def collect(self, job: TrainingJob) -> None:
        self._known.add(job.key)
        self._lanes.submit(job.key, partial(self._guarded, job.key, partial(self._collect, job)))

    def release(self, key: AttemptKey) -> None:
        self._lanes.submit(key, partial(self._remove, key))

    def adopt(self, jobs: Sequence[TrainingJob]) -> None:
        known = {job.key: job for job in jobs}
        self._known |= set(known)
        self._views.keep_only({str(key) for key in known})
        for key in self._places.on_disk():
            if key not in known:
                self.release(key)
        sweep = partial(self._adopt, known)
        threading.Thread(target=sweep, name="docker-adopt", daemon=True).start()

    def close(self) -> None:
        self._lanes.drain(_PASS_ON_WITHIN)  # what was asked for, if it is quick
        self._post = None
        self._life.closing.set()
        self._rounds.close()
        for attempt in list(self._running.values()):
            attempt.close()
        self._lanes.close(wait=False)  # a busy engine may take a minute, and acts are idempotent
        self._checkpoints.close()
        self._pipes.close()
        self._opened.close()
        with contextlib.suppress(EngineUnavailable, EngineRefused):
            self._images.remove_prepared()
        self._engine.close()

    # ---- acts ----------------------------------------------------------------------------------

    def _prepare(self, job: TrainingJob) -> None:
        self._containers.prepare(job)
        self._tell(Prepared(key=job.key))

    def _launch(self, job: TrainingJob) -> None:
        if (attempt := self._running.get(job.key)) is not None:
            attempt.report()
            return
        self._checkpoints.watch(job, self._places.trees(job))
        ids, hosts = self._containers.ids(job), hosts_of(job)
        self._pipes.feed(job.key)
        started = [self._started(job.key, host, ids[host]) for host in hosts]
        attempt = RunningAttempt(
            job.key,
            [
                Container(ids[host], host, resources_of(job, index).memory_mib)
                for index, host in enumerate(hosts)
            ],
            max(started),
            self._logs.directory(job.key),
            self._life,
            self._tell,
            self._fail,
            self._rounds.grew,
        )
        self._running[job.key] = attempt
        attempt.watch()

    def _started(self, key: AttemptKey, host: str, container: str) -> float:
        """Start a container, unless it was started before; when that was."""
        try:
            return start(self._engine, container, self._places.directory(key))
        except Missing as error:
            raise Lost(GONE) from error
        except EngineRefused as error:
            raise EngineRefused(f"{host} cannot be started: {error}") from error

    def _collect(self, job: TrainingJob) -> None:
        ids, trees = self._containers.ids(job), self._places.trees(job)
        self._pipes.finish(job.key)
        self._checkpoints.finish(job, trees)
        try:
            for host, tree in trees.items():
                fetch(self._engine, ids[host], tree, plan.volume_bytes(job))
            text = outputs.collect(job, trees, self._objects)
        except Missing as error:
            raise Lost(GONE) from error
        except (OSError, OutputError):
            discard(trees.values())  # on a full disk even the fault could not be written down
            raise
        self._tell(Collected(key=job.key, failure_text=text))

    def _adopt(self, known: Mapping[AttemptKey, TrainingJob]) -> None:
        """Go on with what was started, and remove what nobody knows."""
        label = f"{plan.HOME}={self.home_id}"
        try:
            self._life.patiently(self._images.remove_unfinished)
            present = self._life.patiently(partial(self._engine.containers, label))
            networks = self._life.patiently(partial(self._engine.networks, label))
        except (EngineUnavailable, EngineRefused, Closing) as error:
            _log.warning("what runs cannot be looked at: %s", error)
            return
        present = [item for item in present if plan.ATTEMPT in item["Labels"]]
        found = [item["Labels"][plan.ATTEMPT] for item in (*present, *networks)]
        for key in {plan.key_of(value) for value in found} - self._known:
            self.release(key)
        begun = {
            plan.key_of(item["Labels"][plan.ATTEMPT])
            for item in present
            if item["State"] != "created"
        }
        for key, job in known.items():
            # the end of one that is uploading is on record: only its outputs are still wanted
            if key in begun and job.secondary_status is not SecondaryStatus.UPLOADING:
                self.launch(job)

    # ---- ends ----------------------------------------------------------------------------------

    def _remove(self, key: AttemptKey) -> None:
        if (attempt := self._running.pop(key, None)) is not None:
            attempt.close()
        try:
            self._life.patiently(partial(self._containers.remove, key))
        except Closing:
            return
        except EngineUnavailable as error:
            _log.warning("what is left of attempt %s waits for the engine: %s", key, error)
            self._lanes.submit(key, partial(self._remove, key))
            return
        except EngineRefused as error:
            _log.warning("what is left of attempt %s is not removed: %s", key, error)
            return
        self._pipes.end(key)
        self._checkpoints.forget(key)
        remove_tree(self._places.directory(key))
        self._views.forget(str(key))
        self._known.discard(key)

    def _guarded(self, key: AttemptKey, act: Callable[[], None]) -> None:
        """What an act runs into becomes an event: nobody waits for the act itself."""
        try:
            self._life.patiently(act)
        except Exception as error:
            self._fail(key, error)

    def _fail(self, key: AttemptKey, error: Exception) -> None:
        """End an attempt that cannot go on."""
        if isinstance(error, Closing):
            return
        failure = failures.failure_of(
            error, key, self._home, users=(ImageError,), known=_KNOWN_ERRORS
        )
        if (attempt := self._running.pop(key, None)) is not None:
            attempt.close()
        self._lanes.submit(key, partial(self._end_all, Faulted(key=key, failure=failure)))

    def _end_all(self, fault: Faulted) -> None:
        """Kill what may still run of an attempt, store what it left, and only then tell of its
        fault: the next attempt goes on from that."""
        key = fault.key
        try:
            for item in self._life.patiently(partial(self._containers.of, key)).values():
                self._engine.kill(item["Id"])
        except (EngineUnavailable, EngineRefused, Closing) as error:
            _log.warning("attempt %s cannot be ended before its removal: %s", key, error)
        try:
            self._pipes.end(key)
            self._checkpoints.give_up(key)
        finally:
            self._tell(fault)

    def _tell(self, event: Event) -> None:
        if (post := self._post) is not None:
            post(event)
