"""Compare optimisers on the same tasks: run what is missing, then print the report.

    python tests/benchmarks/optimisers --methods Bayesian Random --results DIR
    python tests/benchmarks/optimisers --methods Bayesian OptunaGP --tasks validation \
        --parallel 4 --environments DIR --results DIR
    python tests/benchmarks/optimisers --methods Bayesian OptunaGP --results DIR --only-report

Runs are kept in the results directory and not done again; an interrupted comparison goes on.
A strategy of the product runs again when its code or the domain's has changed. Peers need their
environments: see environments.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks.optimisers.methods import find_method, method_names
from tests.benchmarks.optimisers.report import Comparison, lines
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
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    budgets = sorted(int(budget) for budget in options.budgets.split(","))
    try:
        tasks = chosen(options.tasks)
        methods = [
            find_method(name, options.environments, options.prototype) for name in options.methods
        ]
    except LookupError as error:
        raise SystemExit(str(error)) from None
    results = Results(options.results)
    if not options.only_report:
        jobs = list(
            missing(methods, tasks, options.seeds, options.parallel, budgets[-1], results.all())
        )
        run_all(jobs, results, options.jobs)
    versions = {method.name: method.version for method in methods}
    problems = {
        (task.name, seed): task.instance(seed).fingerprint()
        for task in tasks
        for seed in range(options.seeds)
    }
    found = (
        result
        for result in results.all()
        if result.parallel == options.parallel
        and versions.get(result.method) == result.version
        and problems.get((result.task, result.seed)) == result.problem
    )
    comparison = Comparison.of(found, options.methods, budgets[-1])
    for line in lines(comparison, budgets, options.methods[0]):
        print(line)


if __name__ == "__main__":
    main()
