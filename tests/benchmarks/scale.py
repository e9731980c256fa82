"""Ten thousand training jobs in one tuning job: what each costs, and what reading them costs.

    python tests/benchmarks/scale.py [--jobs 10000]

The real controller and store over the simulated backend in virtual time. Prints milliseconds
and memory per training job as the number grows, Describe and a page of 100 at the full size
beside the same at 100 jobs, and the time a restart takes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.controller.world import SCOPE, World, printing
from tuner.domain.jobs import TuningJob
from tuner.domain.ports import Capacity, Query
from tuner.shapes.responses import describe_tuning_job, tuned_training_job_summary

PARALLEL = 100


def resident_mib() -> float:
    """Memory of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(world: World, name: str, jobs: int) -> TuningJob:
    job = world.create(name, jobs=jobs, parallel=PARALLEL)
    world.run()
    ended = world.tuning_job(job)
    assert ended.progress.counters.completed == jobs
    return ended


def describe(world: World, job: TuningJob) -> None:
    found = world.records.find_tuning_job(SCOPE, job.name)
    assert found is not None
    best = world.records.training_job(found.progress.best_training_job_id or 0)
    describe_tuning_job(found, best, world.clock.now())


def page(world: World, job: TuningJob) -> None:
    query = Query(
        scope=SCOPE,
        sort_by="FinalObjectiveMetricValue",
        limit=100,
        tuning_job_id=job.id,
    )
    objective = job.request.objective_of(job.request.definitions[0])
    for item in world.records.list_training_jobs(query).items:
        tuned_training_job_summary(item, objective)


def milliseconds(act: Callable[[], None], times: int = 50) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        world = World(
            Path(directory),
            lambda job: printing(60.0, float(job.number % 977)),
            Capacity(cpus=PARALLEL, memory_mib=PARALLEL),
        )
        world.checks = False
        print(f"{'training jobs':>14}{'ms per job':>12}{'memory MiB':>12}{'kB per job':>12}")
        run(world, "warm-up", 100)
        found: dict[int, TuningJob] = {}
        for jobs in (100, 1_000, options.jobs):
            before, began = resident_mib(), time.perf_counter()
            found[jobs] = run(world, f"jobs-{jobs}", jobs)
            spent, after = time.perf_counter() - began, resident_mib()
            print(
                f"{jobs:14}{1000 * spent / jobs:12.2f}{after:12.1f}"
                f"{1024 * max(0.0, after - before) / jobs:12.2f}"
            )
        small, large = found[100], found[options.jobs]
        for label, act in (("Describe", describe), ("page of 100", page)):
            few = milliseconds(lambda act=act: act(world, small))
            many = milliseconds(lambda act=act: act(world, large))
            print(
                f"{label:14} ms at 100: {few:.3f}, at {options.jobs}: {many:.3f}, "
                f"ratio {many / few:.2f}"
            )
        job = world.create("running", jobs=2 * options.jobs, parallel=PARALLEL)
        world.advance(60.0 * options.jobs / PARALLEL - 30)
        began = time.perf_counter()
        world.restart()
        print(
            f"restart in the middle of a tuning job with {len(world.training_jobs(job))} training "
            f"jobs: {time.perf_counter() - began:.2f} s"
        )
        world.close()


if __name__ == "__main__":
    main()
