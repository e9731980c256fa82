"""Tables that compare methods on the tasks that all of them have results for.

Definitions. Regret: true value of the incumbent (the lowest observed value), 0 at the optimum, 1
at the median of random points. A task's regret is the mean over its seeds (only those that all
methods have). Rank: of the methods' regrets on a task, 1 lowest, equals share the mean; the table
has the mean over tasks. Mean regret: over tasks, with the 95 % interval of 2,000 bootstraps that
draw tasks and, within a task, seeds. Log regret: mean over tasks and seeds of log10(regret),
nothing below 1e-6. Wins, ties, losses: by tasks; a tie where regrets differ by less than 0.001.
p: two-sided Wilcoxon signed-rank test over tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from tests.benchmarks.optimisers.results import Result

TIE = 1e-3
LOWEST = 1e-6
BOOTSTRAPS = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """`regrets[task]`, shape (methods, seeds, evaluations), of the runs that all methods have."""

    methods: tuple[str, ...]
    families: dict[str, str]
    regrets: dict[str, Floats]
    milliseconds: dict[str, Floats]

    @classmethod
    def of(cls, results: Iterable[Result], methods: Sequence[str], budget: int) -> Comparison:
        runs: dict[tuple[str, int], dict[str, Result]] = defaultdict(dict)
        for result in results:
            if result.method in methods and result.budget >= budget:
                runs[result.task, result.seed][result.method] = result
        whole = [runs[key] for key in sorted(runs) if len(runs[key]) == len(methods)]
        by_task: dict[str, list[dict[str, Result]]] = defaultdict(list)
        for run in whole:
            by_task[run[methods[0]].task].append(run)
        return cls(
            methods=tuple(methods),
            families={task: found[0][methods[0]].family for task, found in by_task.items()},
            regrets={
                task: np.array([[run[name].regrets[:budget] for run in found] for name in methods])
                for task, found in by_task.items()
            },
            milliseconds={
                name: np.array([_filled(run[name].milliseconds, budget) for run in whole])
                for name in methods
            },
        )

    def at(self, count: int, family: str | None = None) -> Floats:
        """Regret after `count` evaluations, shape (tasks, methods), averaged over seeds."""
        return np.array(
            [
                values[:, :, count - 1].mean(axis=1)
                for task, values in self.regrets.items()
                if family in (None, self.families[task])
            ]
        )


def _filled(milliseconds: Sequence[float], budget: int) -> Floats:
    taken = np.full(budget, np.nan)
    taken[: len(milliseconds)] = milliseconds[:budget]
    return taken


def ranks(regrets: Floats) -> Floats:
    """Mean rank per method of regrets of shape (tasks, methods)."""
    return rankdata(regrets, axis=1).mean(axis=0)


def interval(comparison: Comparison, count: int) -> Floats:
    """95 % of the bootstrapped mean regrets per method, shape (2, methods)."""
    random = np.random.default_rng(0)
    tasks = [values[:, :, count - 1] for values in comparison.regrets.values()]
    drawn = np.zeros((BOOTSTRAPS, len(comparison.methods)))
    for row in drawn:
        for place in random.integers(len(tasks), size=len(tasks)):
            seeds = random.integers(tasks[place].shape[1], size=tasks[place].shape[1])
            row += tasks[place][:, seeds].mean(axis=1) / len(tasks)
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def curves(comparison: Comparison) -> list[dict[str, object]]:
    """What curves.py draws: all tasks, then each family; the band is the standard error of the
    mean over seeds, combined over tasks."""
    panels: list[dict[str, object]] = []
    for family in (None, *dict.fromkeys(comparison.families.values())):
        chosen = [
            values
            for task, values in comparison.regrets.items()
            if family in (None, comparison.families[task])
        ]
        mean = np.mean([values.mean(axis=1) for values in chosen], axis=0)
        errors = [values.var(axis=1) / values.shape[1] for values in chosen]
        error = np.sqrt(np.sum(errors, axis=0)) / len(chosen)
        named = zip(comparison.methods, mean, error, strict=True)
        panels.append(
            {
                "title": f"{family or 'all'} ({len(chosen)} tasks)",
                "curves": {
                    name: {
                        "mean": middle.tolist(),
                        "low": np.maximum(middle - width, LOWEST).tolist(),
                        "high": (middle + width).tolist(),
                    }
                    for name, middle, width in named
                },
            }
        )
    return panels


def p_value(first: Floats, second: Floats) -> float:
    """1 where the two never differ."""
    return float(wilcoxon(first, second).pvalue) if np.any(first != second) else 1.0


def lines(comparison: Comparison, budgets: Sequence[int], ours: str) -> Iterator[str]:
    """The report as text."""
    methods = comparison.methods
    if not comparison.regrets:
        yield "There is no task and seed that all methods have results for."
        return
    seeds = [values.shape[1] for values in comparison.regrets.values()]
    yield f"{len(seeds)} tasks, {min(seeds)} to {max(seeds)} seeds"
    for budget in budgets:
        regrets = comparison.at(budget)
        spread = interval(comparison, budget)
        every = list(comparison.regrets.values())
        logs = np.mean(
            [np.log10(np.maximum(v[:, :, budget - 1], LOWEST)).mean(axis=1) for v in every], axis=0
        )
        yield f"\nafter {budget} evaluations"
        yield (
            f"{'':16}{'rank':>6}{'regret':>9}{'95 %':>18}{'log10':>8}"
            f"  {ours + ' against it':28}{'p':>9}{'regret ratio':>14}"
        )
        mine = methods.index(ours)
        for place in np.argsort(ranks(regrets), kind="stable"):
            low, high = spread[:, place]
            row = (
                f"{methods[place]:16}{ranks(regrets)[place]:6.2f}{regrets[:, place].mean():9.4f}"
                f"{f'{low:.4f} to {high:.4f}':>18}{logs[place]:8.2f}"
            )
            if place != mine:
                row += _against(regrets[:, mine], regrets[:, place])
            yield row
    yield from _families(comparison, budgets[-1])
    yield from _speed(comparison, budgets)


def _against(mine: Floats, other: Floats) -> str:
    wins, losses = int((mine < other - TIE).sum()), int((mine > other + TIE).sum())
    told = f"{wins} wins, {len(mine) - wins - losses} ties, {losses} losses"
    return f"  {told:28}{p_value(mine, other):9.2g}{mine.mean() / other.mean():14.2f}"


def _families(comparison: Comparison, budget: int) -> Iterator[str]:
    names = "".join(f"{name:>15}" for name in comparison.methods)
    yield f"\nregret after {budget} evaluations by family, then by task"
    yield f"{'':26}{names}"
    for family in dict.fromkeys(comparison.families.values()):
        yield f"{family:26}" + _row(comparison.at(budget, family).mean(axis=0))
    yield ""
    for task, regrets in zip(comparison.regrets, comparison.at(budget), strict=True):
        yield f"{task:26}" + _row(regrets)


def _row(values: Floats) -> str:
    return "".join(f"{value:15.4f}" for value in values)


def _speed(comparison: Comparison, budgets: Sequence[int]) -> Iterator[str]:
    yield "\nmilliseconds per suggestion in these runs, mean (p95), ten suggestions each"
    yield f"{'':16}" + "".join(f"{f'to {budget}':>18}" for budget in budgets)
    for name in comparison.methods:
        cells = []
        for budget in budgets:
            taken = comparison.milliseconds[name][:, max(budget - 10, 0) : budget]
            cells.append(f"{np.nanmean(taken):.1f} ({np.nanquantile(taken, 0.95):.1f})")
        yield f"{name:16}" + "".join(f"{cell:>18}" for cell in cells)
