"""What every operation of the service works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tuner.backends.docker_build import ImageBuilds
from tuner.controller.loop import Controller
from tuner.domain.jobs import Scope
from tuner.service.ports import Ports
from tuner.settings import Settings

Answer = TypeVar("Answer")

CALL_SECONDS = 60.0
"""How long a request waits for its turn before the door is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    settings: Settings
    ports: Ports
    controller: Controller
    warm_up: Callable[[str], None]
    """Have a strategy's libraries loaded before they are needed."""
    builds: ImageBuilds

    def scope(self, region: str) -> Scope:
        return Scope(account=self.settings.account, region=region)

    def now(self) -> float:
        return self.ports.clock.now()

    def in_turn(self, run: Callable[[], Answer]) -> Answer:
        """Run what writes records on the controller's thread; see Controller.call."""
        return self.controller.call(run, CALL_SECONDS)
