"""The containers of attempts: made once, found again by whoever owns them next, and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.backends import docker_plan as plan
from tuner.backends.docker_engine import Engine
from tuner.backends.docker_watch import Lost
from tuner.backends.places import hosts_of
from tuner.domain.jobs import AttemptKey, TrainingJob

GONE = "its container was removed by somebody else"


class Containers:
    """`make` makes all of an attempt's, and gives their ids by host.

    What the engine runs into passes through: EngineUnavailable and EngineRefused.
    """

    def __init__(
        self, home_id: str, engine: Engine, make: Callable[[TrainingJob], dict[str, str]]
    ) -> None:
        self._home_id = home_id
        self._engine = engine
        self._make = make
        self._made: dict[AttemptKey, dict[str, str]] = {}

    def prepare(self, job: TrainingJob) -> None:
        """Make them, unless they were made. Those of a former owner are only kept if they were
        started: it may not have lived to make them whole."""
        if job.key in self._made:
            return
        present = self.of(job.key)
        if not any(item["State"] != "created" for item in present.values()):
            if present or job.instance_count > 1:
                self.remove(job.key)
            self._made[job.key] = self._make(job)

    def of(self, key: AttemptKey) -> dict[str, Mapping[str, Any]]:
        """The containers of an attempt by host, as the engine has them."""
        found = self._engine.containers(self._label(key))
        return {item["Labels"][plan.HOST]: item for item in found}

    def ids(self, job: TrainingJob) -> Mapping[str, str]:
        """The containers of an attempt that was prepared, by host. Raises Lost."""
        if (made := self._made.get(job.key)) is not None:
            return made
        found = {host: str(item["Id"]) for host, item in self.of(job.key).items()}
        if not found.keys() >= set(hosts_of(job)):
            raise Lost(GONE)
        self._made[job.key] = found
        return found

    def remove(self, key: AttemptKey) -> None:
        """All of an attempt's, running or not, and the network of several."""
        label = self._label(key)
        made = self._made.get(key)
        listed = made.values() if made else [i["Id"] for i in self._engine.containers(label)]
        for container in listed:
            self._engine.remove(container)
        if made is None or len(made) > 1:
            for network in self._engine.networks(label):
                self._engine.remove_network(network["Id"])
        self._made.pop(key, None)

    def _label(self, key: AttemptKey) -> str:
        return f"{plan.ATTEMPT}={plan.attempt_label(self._home_id, key)}"
