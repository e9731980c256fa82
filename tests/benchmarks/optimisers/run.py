"""Run what is missing in the results: every method on every task with every seed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.optimisers.methods import Method, PeerError
from tests.benchmarks.optimisers.results import Result, Results
from tests.benchmarks.optimisers.simulate import simulate
from tests.benchmarks.optimisers.task import Task
from tests.benchmarks.optimisers.tasks import ALL

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
"""For the processes that run methods, and the peers that these start."""


@dataclass(frozen=True)
class Job:
    """One run to do. The task goes by name: its functions do not travel between processes."""

    method: Method
    task: str
    seed: int
    parallel: int
    budget: int


def missing(
    methods: Sequence[Method],
    tasks: Sequence[Task],
    seeds: int,
    parallel: int,
    budget: int,
    results: Iterable[Result],
) -> Iterator[Job]:
    """Runs not in `results` with this budget or more; all tasks of a seed before the next."""
    done = {result.key for result in results if result.budget >= budget}
    for seed, method, task in itertools.product(range(seeds), methods, tasks):
        problem = task.instance(seed).fingerprint()
        if (method.name, method.version, task.name, problem, seed, parallel) not in done:
            yield Job(method, task.name, seed, parallel, budget)


def perform(job: Job) -> Result | str:
    """The result, or in words what went wrong."""
    task = ALL[job.task]
    instance = task.instance(job.seed)
    try:
        run = simulate(job.method, instance, job.parallel, job.budget)
    except PeerError as error:
        return f"{job.method.name} on {job.task}, seed {job.seed}: {error}"
    return Result(
        method=job.method.name,
        version=job.method.version,
        task=task.name,
        family=task.family,
        problem=instance.fingerprint(),
        seed=job.seed,
        parallel=job.parallel,
        budget=job.budget,
        failed=run.failed,
        regrets=run.regrets,
        milliseconds=run.milliseconds,
    )


def run_all(jobs: Sequence[Job], results: Results, processes: int) -> None:
    """Do the jobs in order, as many at a time as there are processes, and store each."""
    os.environ.update(ONE_THREAD)
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for count, outcome in enumerate(pool.imap_unordered(perform, jobs), 1):
            if isinstance(outcome, str):
                print(f"FAILED {outcome}", file=sys.stderr, flush=True)
                continue
            results.add(outcome)
            seconds = time.monotonic() - began
            print(
                f"{count}/{len(jobs)} {seconds:7.0f} s  {outcome.method:16} {outcome.task:24}"
                f" seed {outcome.seed}  regret {outcome.regrets[-1]:.4f}"
                f"  {sum(outcome.milliseconds) / len(outcome.milliseconds):.1f} ms",
                flush=True,
            )
