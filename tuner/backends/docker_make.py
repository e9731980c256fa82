"""Makes the containers of an attempt, and what they read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.backends import docker_inputs, pipes
from tuner.backends import docker_plan as plan
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_images import Images
from tuner.backends.docker_network import Wiring, wire
from tuner.backends.places import Places, hosts_of
from tuner.domain.clusters import resources_of, shards_of
from tuner.domain.definitions import InputMode
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Capacity, Event, Preparing, Reach
from tuner.training import opt_ml, script_mode
from tuner.training.checkpoints import Checkpoints, place_in_tree
from tuner.training.environment import image_environment
from tuner.training.inputs import InputViews


class Maker:
    """`tell` hears of an image that has to be pulled or built first."""

    def __init__(
        self,
        home_id: str,
        engine: Engine,
        images: Images,
        *,
        places: Places,
        views: InputViews,
        checkpoints: Checkpoints,
        capacity: Capacity,
        reach: Reach,
        tell: Callable[[Event], None],
    ) -> None:
        self._home_id = home_id
        self._engine = engine
        self._images = images
        self._places = places
        self._views = views
        self._checkpoints = checkpoints
        self._capacity = capacity
        self._reach = reach
        self._tell = tell
        self._lock = threading.Lock()
        self._engine_cpus: int | None = None

    def make(self, job: TrainingJob) -> dict[str, str]:
        """The containers' ids by host.

        Raises ImageError, InputError, CheckpointError, EngineUnavailable, EngineRefused, OSError.
        """
        image = self._images.fetch(
            job.spec.algorithm_specification.training_image or "",
            user_code=script_mode.runs_user_code(job.spec, job.hyper_parameters),
            tell=lambda message: self._tell(Preparing(key=job.key, message=message)),
        )
        hosts = hosts_of(job)
        labels = plan.labels(self._home_id, job)
        name = f"amtlocal-{self._home_id[:8]}-{job.key}"
        isolated = bool(job.spec.enable_network_isolation)
        wiring = wire(self._engine, name, hosts, labels, isolated=isolated)
        prepared = self._images.prepared(image)
        endpoint = {} if isolated else self._reach(job, self._engine.host_address())
        environment = image_environment(
            job, job.resources.cpus, endpoint, plan.image_variables(image)
        )
        made, feeds = {}, []
        with self._lock:  # two attempts must not find the same device free
            for index, host in enumerate(hosts):
                channels = self._provide(job, index, hosts, wiring)
                tree, given = self._places.tree(job.key, host), resources_of(job, index)
                piped = pipes.lay_out(self._views, job, index, tree)
                feeds += piped
                mounts, inputs = docker_inputs.arrange(job, tree, channels, piped=bool(piped))
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
                if inputs is not None:
                    self._engine.put(made[host], opt_ml.OPT_ML, inputs)
        pipes.keep_feeds(self._places.directory(job.key), feeds)
        return made

    def _provide(
        self, job: TrainingJob, index: int, hosts: Sequence[str], wiring: Wiring
    ) -> dict[str, Path]:
        """Build what one host reads; its channels' directories."""
        tree = self._places.tree(job.key, hosts[index])
        opt_ml.build(tree, job, hosts[index], hosts, wiring.interface)
        self._checkpoints.provide(job, tree)
        channels, user = {}, str(job.key)
        for channel, shard, shards in shards_of(job.spec, index):
            if job.spec.input_mode_of(channel) is InputMode.PIPE:
                continue
            view = self._views.view(channel, shard, shards, user=user, copy=False)
            channels[channel.channel_name] = view
            (tree / "input" / "data" / channel.channel_name).mkdir()
        for path in (tree / "input", *(tree / "input").rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # whatever user the image runs as
        if job.spec.checkpoint_config is not None:
            top = tree / place_in_tree(job.spec.checkpoint_config)
            for path in (top, *top.rglob("*")):
                path.chmod(0o777 if path.is_dir() else 0o666)
        return channels

    def _cpus(self) -> int:
        """How many the engine has: it refuses a container that is to have more."""
        if self._engine_cpus is None:
            self._engine_cpus = int(self._engine.info()["NCPU"])
        return self._engine_cpus

    def _free_gpus(self, wanted: int) -> list[str]:
        if wanted == 0:
            return []
        present = self._engine.containers(f"{plan.HOME}={self._home_id}")
        return plan.free_gpus(self._capacity.gpus, present, wanted)
