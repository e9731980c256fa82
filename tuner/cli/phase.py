"""What a training job is at within InProgress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.domain.statuses import DOWNLOADING_IMAGE


@dataclass(frozen=True, slots=True)
class Phase:
    """`status` is its SecondaryStatus; `pull` says which image is pulled for it and how far that
    is, and is empty where none is."""

    status: str
    pull: str = ""


PhaseOf = Callable[[str], Phase]
"""From the name of a training job."""


def phase_of(description: Mapping[str, Any]) -> Phase:
    """From the answer of DescribeTrainingJob."""
    message = str(description["SecondaryStatusTransitions"][-1]["StatusMessage"])
    pull = message if message.startswith(DOWNLOADING_IMAGE) else ""
    return Phase(str(description["SecondaryStatus"]), pull)
