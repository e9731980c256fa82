"""Find what a name on the command line means: a tuning job or a training job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.cli import Refusal
from tuner.client import Client
from tuner.domain.errors import ResourceNotFound, ValidationException

_OPERANDS = {
    "tuning job": ("HyperParameterTuningJob", "HyperParameterTuningJobName"),
    "training job": ("TrainingJob", "TrainingJobName"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A job that was there a moment ago, and its Describe."""

    kind: Literal["tuning job", "training job"]
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.description[_OPERANDS[self.kind][1]])

    def call(self, client: Client, verb: str) -> dict[str, Any]:
        """Describe, Stop or Delete it."""
        operand, member = _OPERANDS[self.kind]
        return client.call(verb + operand, **{member: self.name})


def find(client: Client, name: str) -> Found:
    """The tuning job of that name, else the training job. Raises Refusal."""
    # A training job's name may be too long for a tuning job, and an unknown training job is a
    # ValidationException on AWS: both codes say that there is none.
    for kind, (operand, member) in _OPERANDS.items():
        try:
            description = client.call(f"Describe{operand}", **{member: name})
        except (ResourceNotFound, ValidationException):
            continue
        return Found("tuning job" if kind == "tuning job" else "training job", description)
    raise Refusal(
        f"there is no tuning job and no training job {name!r} in {client.settings.region}; "
        "tuner list shows what there is"
    )


def find_tuning_job(client: Client, name: str) -> Mapping[str, Any]:
    """Describe of a tuning job. Raises Refusal."""
    found = find(client, name)
    if found.kind != "tuning job":
        raise Refusal(f"{found.name} is a training job; this command takes a tuning job")
    return found.description
