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
from typing import Any

from tuner.backends import docker_inputs, failures
from tuner.backends import docker_plan as plan
from tuner.backends.docker_attempt import RunningAttempt
from tuner.backends.docker_connection import EngineRefused, EngineUnavailable, Missing
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_images import ImageError, Images
from tuner.backends.docker_life import Closing, EngineLife
from tuner.backends.docker_network import Wiring, wire
from tuner.backends.docker_outputs import discard, fetch
from tuner.backends.docker_rounds import Rounds
from tuner.backends.docker_start import start
from tuner.backends.docker_watch import Container, Lost
from tuner.backends.lanes import Lanes
from tuner.backends.places import Places, hosts_of
from tuner.backends.removal import remove_tree
from tuner.domain.clusters import resources_of, shards_of
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
    Preparing,
    Reach,
    unreachable,
)
from tuner.domain.statuses import SecondaryStatus
from tuner.training import opt_ml, outputs, script_mode
from tuner.training.checkpoints import CheckpointError, Checkpoints, place_in_tree
from tuner.training.environment import image_environment
from tuner.training.inputs import InputError, InputViews
from tuner.training.outputs import OutputError, TooMuchOutput

_log = logging.getLogger(__name__)

_ACTS = 16
_PASS_ON_WITHIN = 2.0
_GONE = "its container was removed by somebody else"


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
        self._lock = threading.Lock()
        self._known: set[AttemptKey] = set()
        self._made: dict[AttemptKey, dict[str, str]] = {}
        self._running: dict[AttemptKey, RunningAttempt] = {}
        self._engine_cpus: int | None = None
        self._rounds = Rounds(self._life, f"{plan.HOME}={self.home_id}", self._running)
        self._post: EventSink | None = None

    def start(self, post: EventSink) -> None:
        self._places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._views = InputViews(self._objects, self._home / "container-inputs")
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
        with contextlib.suppress(EngineUnavailable, EngineRefused):
            self._images.remove_prepared()
        self._engine.close()

    # ---- acts ----------------------------------------------------------------------------------

    def _prepare(self, job: TrainingJob) -> None:
        if job.key not in self._made:
            present = self._containers(job.key)
            if not any(item["State"] != "created" for item in present.values()):
                if present or job.instance_count > 1:
                    self._remove_from_engine(job.key)
                self._made[job.key] = self._create(job)
        self._tell(Prepared(key=job.key))

    def _create(self, job: TrainingJob) -> dict[str, str]:
        """The containers' ids by host."""
        image = self._images.fetch(
            job.spec.algorithm_specification.training_image or "",
            user_code=script_mode.runs_user_code(job.spec, job.hyper_parameters),
            tell=lambda message: self._tell(Preparing(key=job.key, message=message)),
        )
        hosts = hosts_of(job)
        labels = plan.labels(self.home_id, job)
        name = f"amtlocal-{self.home_id[:8]}-{job.key}"
        isolated = bool(job.spec.enable_network_isolation)
        wiring = wire(self._engine, name, hosts, labels, isolated=isolated)
        prepared = self._images.prepared(image)
        endpoint = {} if isolated else self._reach(job, self._engine.host_address())
        environment = image_environment(
            job, job.resources.cpus, endpoint, plan.image_variables(image)
        )
        made = {}
        with self._lock:  # two attempts must not find the same device free
            for index, host in enumerate(hosts):
                channels = self._provide(job, index, hosts, wiring)
                tree, given = self._places.tree(job.key, host), resources_of(job, index)
                copied = docker_inputs.copied(job, channels)
                if copied is None:
                    mounts = plan.mounts(tree, channels)
                else:
                    rest = {name: view for name, view in channels.items() if name not in copied}
                    mounts = plan.mounts(None, rest)
                made[host] = self._engine.create(
                    **plan.container(
                        job,
                        host,
                        name=f"{name}-{host}",
                        image=prepared,
                        labels=labels,
                        environment=environment,
                        mounts=[*mounts, *plan.checkpoint_mounts(job, tree)],
                        wiring=wiring,
                        given=given,
                        cpus=self._cpus(),
                        gpus=self._free_gpus(given.gpus),
                    )
                )
                if copied is not None:
                    inputs = docker_inputs.archive(tree, copied)
                    self._engine.put(made[host], opt_ml.OPT_ML, inputs)
        return made

    def _cpus(self) -> int:
        """How many the engine has: it refuses a container that is to have more."""
        if self._engine_cpus is None:
            self._engine_cpus = int(self._engine.info()["NCPU"])
        return self._engine_cpus

    def _provide(
        self, job: TrainingJob, index: int, hosts: Sequence[str], wiring: Wiring
    ) -> dict[str, Path]:
        """Build what one host reads; its channels' directories."""
        tree = self._places.tree(job.key, hosts[index])
        opt_ml.build(tree, job, hosts[index], hosts, wiring.interface)
        self._checkpoints.provide(job, tree)
        channels = {}
        for channel, shard, shards in shards_of(job.spec, index):
            view = self._views.view(channel, shard, shards, copy=False)
            channels[channel.channel_name] = view
            (tree / "input" / "data" / channel.channel_name).mkdir()
        for path in (tree / "input", *(tree / "input").rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # whatever user the image runs as
        if job.spec.checkpoint_config is not None:
            top = tree / place_in_tree(job.spec.checkpoint_config)
            for path in (top, *top.rglob("*")):
                path.chmod(0o777 if path.is_dir() else 0o666)
        return channels

    def _free_gpus(self, wanted: int) -> list[str]:
        if wanted == 0:
            return []
        present = self._engine.containers(f"{plan.HOME}={self.home_id}")
        taken = [
            device
            for item in present
            if item["State"] in ("created", "running")
            for device in item["Labels"].get(plan.GPUS, "").split(",")
        ]
        return plan.free_gpus(self._capacity.gpus, taken, wanted)

    def _launch(self, job: TrainingJob) -> None:
        if (attempt := self._running.get(job.key)) is not None:
            attempt.report()
            return
        self._checkpoints.watch(job, self._trees(job))
        ids, hosts = self._ids(job), hosts_of(job)
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

    def _ids(self, job: TrainingJob) -> Mapping[str, str]:
        """The containers of an attempt that was prepared, by host. Raises Lost."""
        if (made := self._made.get(job.key)) is not None:
            return made
        found = {host: str(item["Id"]) for host, item in self._containers(job.key).items()}
        if not found.keys() >= set(hosts_of(job)):
            raise Lost(_GONE)
        self._made[job.key] = found
        return found

    def _started(self, key: AttemptKey, host: str, container: str) -> float:
        """Start a container, unless it was started before; when that was."""
        try:
            return start(self._engine, container, self._places.directory(key))
        except Missing as error:
            raise Lost(_GONE) from error
        except EngineRefused as error:
            raise EngineRefused(f"{host} cannot be started: {error}") from error

    def _collect(self, job: TrainingJob) -> None:
        ids, trees = self._ids(job), self._trees(job)
        self._checkpoints.finish(job, trees)
        try:
            for host, tree in trees.items():
                fetch(self._engine, ids[host], tree, plan.volume_bytes(job))
            text = outputs.collect(job, trees, self._objects)
        except Missing as error:
            raise Lost(_GONE) from error
        except (OSError, OutputError):
            discard(trees.values())  # on a full disk even the fault could not be written down
            raise
        self._tell(Collected(key=job.key, failure_text=text))

    def _trees(self, job: TrainingJob) -> dict[str, Path]:
        return {host: self._places.tree(job.key, host) for host in hosts_of(job)}

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

    def _containers(self, key: AttemptKey) -> dict[str, Mapping[str, Any]]:
        """The containers of an attempt by host."""
        label = f"{plan.ATTEMPT}={plan.attempt_label(self.home_id, key)}"
        return {item["Labels"][plan.HOST]: item for item in self._engine.containers(label)}

    # ---- ends ----------------------------------------------------------------------------------

    def _remove(self, key: AttemptKey) -> None:
        if (attempt := self._running.pop(key, None)) is not None:
            attempt.close()
        try:
            self._life.patiently(partial(self._remove_from_engine, key))
        except Closing:
            return
        except EngineUnavailable as error:
            _log.warning("what is left of attempt %s waits for the engine: %s", key, error)
            self._lanes.submit(key, partial(self._remove, key))
            return
        except EngineRefused as error:
            _log.warning("what is left of attempt %s is not removed: %s", key, error)
            return
        self._checkpoints.forget(key)
        remove_tree(self._places.directory(key))
        self._known.discard(key)

    def _remove_from_engine(self, key: AttemptKey) -> None:
        label = f"{plan.ATTEMPT}={plan.attempt_label(self.home_id, key)}"
        made = self._made.get(key)
        for container in made.values() if made else self._listed(label):
            self._engine.remove(container)
        if made is None or len(made) > 1:
            for network in self._engine.networks(label):
                self._engine.remove_network(network["Id"])
        self._made.pop(key, None)

    def _listed(self, label: str) -> list[str]:
        return [item["Id"] for item in self._engine.containers(label)]

    def _guarded(self, key: AttemptKey, act: Callable[[], None]) -> None:
        """What an act runs into becomes an event: nobody waits for the act itself."""
        try:
            self._life.patiently(act)
        except Exception as error:
            self._fail(key, error)

    def _fail(self, key: AttemptKey, error: Exception) -> None:
        """End an attempt that cannot go on."""
        match error:
            case Closing():
                return
            case InputError():
                failure = failures.client(f"Data download failed:{error}")
            case TooMuchOutput():
                failure = failures.client(f"Artifact upload failed:{error}")
            case ImageError():
                failure = failures.client(str(error))
            case (
                Lost()
                | EngineUnavailable()
                | EngineRefused()
                | CheckpointError()
                | OutputError()
                | OSError()
            ):
                _log.error("attempt %s: %s", key, error)
                failure = failures.foreseen(error, self._home)
            case _:
                _log.error("attempt %s", key, exc_info=error)
                failure = failures.unforeseen(error)
        if (attempt := self._running.pop(key, None)) is not None:
            attempt.close()
        self._lanes.submit(key, partial(self._end_all, Faulted(key=key, failure=failure)))

    def _end_all(self, fault: Faulted) -> None:
        """Kill what may still run of an attempt, store what it left, and only then tell of its
        fault: the next attempt goes on from that."""
        key = fault.key
        try:
            for item in self._life.patiently(partial(self._containers, key)).values():
                self._engine.kill(item["Id"])
        except (EngineUnavailable, EngineRefused, Closing) as error:
            _log.warning("attempt %s cannot be ended before its removal: %s", key, error)
        try:
            self._checkpoints.give_up(key)
        finally:
            self._tell(fault)

    def _tell(self, event: Event) -> None:
        if (post := self._post) is not None:
            post(event)
