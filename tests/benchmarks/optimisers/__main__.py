"""Compare optimisers on the same tasks: run what is missing, then print the report.

    python tests/benchmarks/optimisers --methods Bayesian Random --results DIR
    python tests/benchmarks/optimisers --methods Bayesian OptunaGP --tasks validation \
        --parallel 4 --environments DIR --results DIR
    python tests/benchmarks/optimisers --methods Bayesian OptunaGP --results DIR --only-report

Runs are kept in the results directory and not done again; an interrupted comparison goes on.
A strategy of the product runs again when its code or the domain's has changed; what an earlier
version did, which the report names, is compared as `Bayesian@VERSION`. Peers need their
environments: see environments.py. Tables say what they mean in report.py.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.optimisers.environments import python_of
from tests.benchmarks.optimisers.methods import find_method, method_names
from tests.benchmarks.optimisers.report import Comparison, curves, lines
from tests.benchmarks.optimisers.results import Results
from tests.benchmarks.optimisers.run import missing, run_all
from tests.benchmarks.optimisers.tasks import chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ", ".join(method_names())
    parser.add_argument("--methods", nargs="+", required=True, help=f"ours first; {known}")
    parser.add_argument("--tasks", nargs="+", default=["dev"], help="dev, validation or names")
    parser.add_argument("--budgets", default="25,50,100", help="evaluations to report at")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--parallel", type=int, default=1, help="evaluations at a time")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--results", type=Path, required=True, help="directory of results")
    parser.add_argument("--environments", type=Path, help="directory of the peers' environments")
    parser.add_argument("--prototype", type=Path, help="file with a class GPOptimizer")
    parser.add_argument("--curves", type=Path, help="SVG to draw (environment: curves)")
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    budgets = sorted(int(budget) for budget in options.budgets.split(","))
    try:
        tasks = chosen(options.tasks)
        methods = [
            find_method(name, options.environments, options.prototype)
            for name in options.methods
            if "@" not in name
        ]
    except LookupError as error:
        raise SystemExit(str(error)) from None
    results = Results(options.results)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the pool ends its processes
    if not options.only_report:
        jobs = list(
            missing(methods, tasks, options.seeds, options.parallel, budgets[-1], results.all())
        )
        run_all(jobs, results, options.jobs)
    versions = {(method.name, method.version): method.name for method in methods}
    versions |= {tuple(name.split("@")): name for name in options.methods if "@" in name}
    problems = {
        (task.name, seed): task.instance(seed).fingerprint()
        for task in tasks
        for seed in range(options.seeds)
    }
    found = (
        replace(result, method=versions[result.method, result.version])
        for result in results.all()
        if result.parallel == options.parallel
        and (result.method, result.version) in versions
        and problems.get((result.task, result.seed)) == result.problem
    )
    print(", ".join(f"{name} {version}" for name, version in versions))
    comparison = Comparison.of(found, options.methods, budgets[-1])
    for line in lines(comparison, budgets, options.methods[0]):
        print(line)
    if options.curves is not None:
        _draw(comparison, options.environments, options.curves)


def _draw(comparison: Comparison, environments: Path | None, picture: Path) -> None:
    if environments is None or not python_of(environments, "curves").exists():
        raise SystemExit("--curves needs --environments DIR with the environment `curves`.")
    points = picture.with_suffix(".json")
    points.write_text(json.dumps(curves(comparison)))
    script = Path(__file__).with_name("curves.py")
    subprocess.run([python_of(environments, "curves"), script, points, picture], check=True)


if __name__ == "__main__":
    main()
