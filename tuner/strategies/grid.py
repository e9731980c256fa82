"""Grid: every combination once, in the order of itertools.product over the request."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.strategies.base import Exhausted, Observation, Problem, StrategyError, Suggestion
from tuner.strategies.discrete import combination


class Grid:
    """Depends on the index alone. AMT's Grid takes categorical ranges; any discrete one works."""

    name = "Grid"

    def needs_history(self, index: int) -> bool:
        return False

    def suggest(
        self, problem: Problem, observations: Sequence[Observation], seed: int, index: int
    ) -> Suggestion | Exhausted:
        total = problem.space.cardinality
        if total is None:
            raise StrategyError(
                "Grid cannot search continuous ranges: give CategoricalParameterRanges only, "
                "or take another strategy."
            )
        if index >= total:
            return Exhausted()
        return Suggestion(values=combination(problem.space, index))
