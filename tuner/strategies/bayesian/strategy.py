"""The strategy's face: the first configurations, then the model's.

It imports numpy alone, so that the first training jobs do not wait for scipy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.strategies.base import Exhausted, Observation, Problem, Suggestion
from tuner.strategies.bayesian.design import initial
from tuner.strategies.draws import Draws

INITIAL_DESIGN = 10


class Bayesian:
    """INITIAL_DESIGN configurations from a scrambled net that depends on the seed alone, then
    what `suggestion.suggest` makes of the record. With parents there is a record from the start.
    """

    name = "Bayesian"

    def __init__(self) -> None:
        self._design = Draws(initial)

    def needs_history(self, index: int) -> bool:
        return index >= INITIAL_DESIGN

    def suggest(
        self, problem: Problem, observations: Sequence[Observation], seed: int, index: int
    ) -> Suggestion | Exhausted:
        if index < INITIAL_DESIGN and not any(parent.results for parent in problem.parents):
            values = self._design.nth(problem.space, seed, index)
            return Exhausted() if values is None else Suggestion(values=values)
        from tuner.strategies.bayesian import suggestion

        return suggestion.suggest(problem, observations, seed, index)
