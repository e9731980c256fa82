"""When spot instances are taken away: a pure function of the attempt, for tests of what runs."""

from __future__ import annotations

import hashlib
import math

from tuner.controller.lifecycle import since
from tuner.domain.jobs import TrainingJob
from tuner.domain.statuses import SecondaryStatus

_SECONDS_PER_HOUR = 3600.0


def interruption_time(job: TrainingJob, rate: float) -> float | None:
    """When the instances of a spot job that trains are taken away; None: not by chance.

    `rate` is the mean number of interruptions per hour of training; the time until the next one
    is exponential, and always the same for an attempt of the same id.
    """
    if rate <= 0 or not job.uses_spot or job.secondary_status is not SecondaryStatus.TRAINING:
        return None
    digest = hashlib.sha256(f"interruption of {job.key}".encode()).digest()
    share = (int.from_bytes(digest[:8]) + 1) / (2**64 + 1)  # within (0, 1)
    return since(job) - math.log(share) * _SECONDS_PER_HOUR / rate
