"""Find the lowest losses of the trainings in live.py, and the medians of random points.

    python tests/benchmarks/optimisers/search_optima.py

Differential evolution, then local searches by gradients (differences) and by Powell's method from
the best points seen. It takes some minutes.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from scipy.optimize import differential_evolution, minimize

from tests.benchmarks.optimisers.functions import Floats
from tests.benchmarks.optimisers.live import LIVE, OPTIMA, Live

RANDOM_POINTS = 2000
GENERATIONS = 60
STARTS = 12


def known(live: Live) -> dict[str, Any]:
    """The best configuration found, its loss, and the median loss of random points."""
    dimension = live.space.dimension
    random = np.random.default_rng(0)

    def loss(point: Floats) -> float:
        value = live.truth(live.space.decode(point))
        return value if math.isfinite(value) else 1e9

    points = random.random((RANDOM_POINTS, dimension))
    values = np.array([loss(point) for point in points])
    bounds = [(0.0, 1.0)] * dimension
    evolved = differential_evolution(
        loss, bounds, maxiter=GENERATIONS, popsize=10, init="sobol", rng=0, polish=False
    )
    starts = [evolved.x, *points[np.argsort(values)[:STARTS]]]
    found = [(evolved.fun, evolved.x)]
    for start in starts:
        local = minimize(loss, start, bounds=bounds, method="L-BFGS-B", options={"eps": 1e-5})
        found.append((local.fun, local.x))
    for _, start in sorted(found, key=lambda pair: pair[0])[:3]:
        local = minimize(loss, start, bounds=bounds, method="Powell")
        found.append((local.fun, local.x))
    _, best = min(found, key=lambda pair: pair[0])
    configuration = live.space.decode(best)
    return {
        "lowest": live.truth(configuration),
        "median": float(np.median(values)),
        "values": configuration,
    }


def main() -> None:
    found = {}
    for name, make in LIVE.items():
        found[name] = known(make())
        print(f"{name}: {found[name]}", flush=True)
    OPTIMA.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
