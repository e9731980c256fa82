"""Milliseconds per suggestion with n observations known, beside one Cholesky factorisation.

    python tests/benchmarks/optimisers/timing.py --methods Bayesian OptunaGP ScikitOptimize \
        --environments DIR [--sizes 25,50,100,200,1000]

Ten hyperparameters (six continuous, two integer, two lists) with n finished evaluations at random
places; then suggestions are asked for one after the other, each evaluated and told before the
next. A suggestion's time is that of `ask` and of the `tell` before it, so refits count; the first
WARM_UP are not counted. One thread. Only methods that can be given a history: strategies,
Prototype, OptunaGP, OptunaTPE, ScikitOptimize. In all of a run, only this should keep the machine
busy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.optimisers.functions import levy
from tests.benchmarks.optimisers.methods import Method, PeerError, find_method
from tests.benchmarks.optimisers.objectives import Axes, Moved
from tests.benchmarks.optimisers.run import ONE_THREAD
from tuner.domain.ranges import Categorical, Continuous, Integer

WARM_UP = 4
MATRIX = 1000
SPACE = (
    Integer("n0", 1, 64),
    Integer("n1", 1, 12),
    *(Continuous(f"x{place}", 0.0, 1.0) for place in range(4)),
    *(Continuous(f"rate{place}", 1e-6, 1.0) for place in range(2)),
    Categorical("c0", ("a", "b", "c", "d")),
    Categorical("c1", ("a", "b", "c", "d", "e", "f", "g", "h")),
)


def suggestions(method: Method, known: int, repeats: int, limit: float) -> list[float]:
    """Milliseconds of each counted suggestion: `repeats`, or as many as start within `limit`
    seconds, at least one."""
    random = np.random.default_rng(known)
    objective = Moved(levy(len(SPACE)), Axes(SPACE, random), random)
    space = objective.space
    drawn = [space.decode(point) for point in random.random((known, space.dimension))]
    study = method.open(space, 1, 1, known + WARM_UP + repeats)
    study.give(drawn, [objective.truth(values) for values in drawn])
    taken: list[float] = []
    began, charged = time.perf_counter(), study.milliseconds
    for number in range(known, known + WARM_UP + repeats):
        values = study.ask(number)
        assert values is not None
        taken.append(study.milliseconds - charged)
        charged = study.milliseconds
        if time.perf_counter() - began > limit:
            break
        study.tell(number, objective.truth(values))
    return taken[min(WARM_UP, len(taken) - 1) :]


def cholesky() -> float:
    """Milliseconds of one factorisation, the median of 20."""
    factors = np.random.default_rng(0).normal(size=(MATRIX, MATRIX))
    matrix = factors @ factors.T + MATRIX * np.eye(MATRIX)
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        np.linalg.cholesky(matrix)
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--sizes", default="25,50,100,200,1000")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds per method and size")
    parser.add_argument("--environments", type=Path)
    parser.add_argument("--prototype", type=Path)
    options = parser.parse_args()
    try:
        methods = [
            find_method(name, options.environments, options.prototype) for name in options.methods
        ]
    except LookupError as error:
        raise SystemExit(str(error)) from None
    os.environ.update(ONE_THREAD)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(f"one Cholesky factorisation of {MATRIX} x {MATRIX}: {pool.apply(cholesky):.1f} ms")
        print("mean (p95) ms per suggestion")
        sizes = [int(size) for size in options.sizes.split(",")]
        print(f"{'':16}" + "".join(f"{f'n = {size}':>20}" for size in sizes))
        for method in methods:
            print(f"{method.name:16}", end="", flush=True)
            for size in sizes:
                try:
                    taken = pool.apply(suggestions, (method, size, options.repeats, options.limit))
                    cell = f"{np.mean(taken):.1f} ({np.quantile(taken, 0.95):.1f})"
                except PeerError:
                    cell = "failed"
                print(f"{cell:>20}", end="", flush=True)
            print()
        print(f"one Cholesky factorisation again: {pool.apply(cholesky):.1f} ms")


if __name__ == "__main__":
    main()
