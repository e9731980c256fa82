"""The programs of an attempt: what they read, and how the keeper is to start them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.backends import pipes
from tuner.backends.places import Places, hosts_file, hosts_of
from tuner.backends.processes import MARKER
from tuner.domain.clusters import resources_of, shards_of
from tuner.domain.definitions import Channel, InputMode
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import Reach
from tuner.training import opt_ml, script_mode
from tuner.training.checkpoints import Checkpoints
from tuner.training.containers import Container, ContainerError, find_container
from tuner.training.environment import program_environment
from tuner.training.inputs import InputViews
from tuner.training.toolkit import arguments, script_parameters

if TYPE_CHECKING:
    from tuner.backends.instance import Program
    from tuner.backends.namespaces import Overlay

_HERE = "127.0.0.1"
_LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


class Programs:
    """`private`: whether instances get namespaces, and so an /opt/ml and names of their own."""

    def __init__(
        self,
        home: Path,
        *,
        places: Places,
        views: InputViews,
        checkpoints: Checkpoints,
        image_map: Mapping[str, str],
        reach: Reach,
    ) -> None:
        self._home = home
        self._places = places
        self._views = views
        self._checkpoints = checkpoints
        self._image_map = image_map
        self._reach = reach

    def lay_out(self, job: TrainingJob, *, private: bool) -> None:
        """Put into the attempt's directory what its programs read, and what `of` needs.

        Raises ContainerError, InputError, CheckpointError, OSError.
        """
        container = self._container(job)
        names = _names(job, private)
        channels = {
            host: self._provide(job, host, index, names, private)
            for index, host in enumerate(hosts_of(job))
        }
        feeds = [
            feed
            for index, tree in enumerate(self._places.trees(job).values())
            for feed in pipes.lay_out(self._views, job, index, tree)
        ]
        directory = self._places.directory(job.key)
        pipes.keep_feeds(directory, feeds)
        (directory / "hosts").write_text(hosts_file(job.key, hosts_of(job)))
        if container.runs_user_code:
            self._places.instructions(job.key).write_text(json.dumps(self._instruct(job)))
        (directory / "channels.json").write_text(json.dumps(channels))

    def of(self, job: TrainingJob, *, private: bool) -> list[Program]:
        """The programs of an attempt that was laid out. Raises ContainerError, OSError."""
        container, names = self._container(job), _names(job, private)
        directory = self._places.directory(job.key)
        channels = json.loads((directory / "channels.json").read_bytes())
        return [
            self._program(job, container, host, index, names, channels[host] if private else None)
            for index, host in enumerate(hosts_of(job))
        ]

    def _container(self, job: TrainingJob) -> Container:
        image = job.spec.algorithm_specification.training_image or ""
        user_code = script_mode.runs_user_code(job.spec, job.hyper_parameters)
        container = find_container(image, self._image_map, user_code=user_code)
        if container is None:
            raise ContainerError(f"No program on this machine stands for the image {image!r}.")
        return container

    def _instruct(self, job: TrainingJob) -> dict[str, Any]:
        """What the program that runs a user's code is told; its archive is fetched."""
        parameters = job.hyper_parameters
        uri = script_mode.submit_directory_of(parameters) or ""
        user = str(job.key)
        archive = self._views.file(uri, user=user) if uri.startswith("s3://") else None
        given = arguments(script_parameters(job))
        place = self._home / "environments"
        return script_mode.instructions(job.spec, parameters, given, archive, place)

    def _provide(
        self, job: TrainingJob, host: str, index: int, names: Sequence[str], private: bool
    ) -> list[Overlay]:
        """Build one instance's tree; the mounts that its channels need."""
        tree = self._places.tree(job.key, host)
        opt_ml.build(tree, job, names[index], names, _LOOPBACK)
        self._checkpoints.provide(job, tree)
        overlays = []
        user = str(job.key)
        for channel, shard, shards in shards_of(job.spec, index):
            if job.spec.input_mode_of(channel) is InputMode.PIPE:
                continue
            view = self._views.view(channel, shard, shards, user=user, copy=not private)
            target = tree / "input" / "data" / channel.channel_name
            if private:
                target.mkdir()
                overlays.append(self._overlay(job, host, channel, view, target))
            else:
                target.symlink_to(view, target_is_directory=True)
        return overlays

    def _overlay(
        self, job: TrainingJob, host: str, channel: Channel, view: Path, target: Path
    ) -> Overlay:
        if job.spec.input_mode_of(channel) is not InputMode.FILE:
            return {"target": str(target), "lower": str(view), "upper": None, "work": None}
        written = self._places.written(job.key, host, channel.channel_name)
        upper, work = written / "upper", written / "work"
        for directory in (upper, work):
            directory.mkdir(parents=True, exist_ok=True)
        return {
            "target": str(target),
            "lower": str(view),
            "upper": str(upper),
            "work": str(work),
        }

    def _program(
        self,
        job: TrainingJob,
        container: Container,
        host: str,
        index: int,
        names: Sequence[str],
        overlays: list[Overlay] | None,
    ) -> Program:
        directory, tree = self._places.directory(job.key), self._places.tree(job.key, host)
        scratch = self._places.scratch(job.key, host)
        scratch.mkdir(exist_ok=True)
        given = resources_of(job, index)
        environment = program_environment(
            job,
            container,
            names[index],
            names,
            tree,
            private_opt_ml=overlays is not None,
            scratch=scratch,
            endpoint=self._reach(job, _HERE),
            given=given,
            network_interface=_LOOPBACK,
            instructions=self._places.instructions(job.key) if container.runs_user_code else None,
        )
        hosts_file = str(directory / "hosts")
        return {
            "host": host,
            "argv": _command(job, container),
            "env": {**environment, MARKER: str(directory)},
            "cwd": str(scratch),
            "memory_mib": given.memory_mib,
            "view": None
            if overlays is None
            else {
                "opt_ml": str(tree),
                "hosts_file": hosts_file,
                "host": host,
                "overlays": overlays,
            },
        }


def _names(job: TrainingJob, private: bool) -> list[str]:
    """The hosts as the program is told. Without namespaces no `algo-1` resolves, and
    sagemaker-training waits 15 minutes for it."""
    hosts = hosts_of(job)
    return hosts if private or len(hosts) > 1 else ["localhost"]


def _command(job: TrainingJob, container: Container) -> list[str]:
    """As `docker run` would: source, the developer guide on ContainerEntrypoint."""
    given = script_mode.command_of(job.spec)
    replaced = job.spec.algorithm_specification.container_entrypoint is not None
    if replaced and not container.runs_user_code:
        return [*given]
    return [*container.command, *given]
