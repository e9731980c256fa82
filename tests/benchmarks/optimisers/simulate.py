"""One run of a method on an instance, in virtual time."""

from __future__ import annotations

import heapq
import zlib
from dataclasses import dataclass, field

import numpy as np

from tests.benchmarks.optimisers.methods import Method
from tests.benchmarks.optimisers.objectives import Values
from tests.benchmarks.optimisers.task import Instance

DURATION_SPREAD = 0.5
"""Standard deviation of the logarithm of an evaluation's duration."""


@dataclass
class Trajectory:
    """`regrets[k]`: regret of the incumbent, the lowest observed value, when k + 1 evaluations
    had ended (1 while all have failed); `milliseconds[k]`: what the k-th suggestion cost,
    with what it took to tell the method about evaluations since the one before."""

    regrets: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    failed: int = 0


def simulate(method: Method, instance: Instance, parallel: int, budget: int) -> Trajectory:
    """Play `budget` evaluations, always `parallel` at a time, each as long as chance has it.

    A method that has nothing left to try ends early; its last regret counts on.
    """
    study = method.open(instance.space, instance.key, parallel, budget)
    durations = np.random.default_rng([instance.key, zlib.crc32(b"durations")])
    lengths = np.exp(DURATION_SPREAD * durations.normal(size=budget))
    run, running = Trajectory(), list[tuple[float, int, Values]]()
    best, regret, now, charged, number, exhausted = np.inf, 1.0, 0.0, 0.0, 0, False
    while True:
        while number < budget and len(running) < parallel and not exhausted:
            values = study.ask(number)
            if values is None:
                exhausted = True
                break
            run.milliseconds.append(round(study.milliseconds - charged, 3))
            charged = study.milliseconds
            heapq.heappush(running, (now + lengths[number], number, values))
            number += 1
        if not running:
            break
        now, ended, values = heapq.heappop(running)
        value = instance.evaluate(values, ended)
        study.tell(ended, value)
        if value is None:
            run.failed += 1
        elif value < best:
            best, regret = value, instance.regret(values)
        run.regrets.append(float(f"{regret:.4g}"))
    run.regrets += [run.regrets[-1]] * (budget - len(run.regrets))
    return run
