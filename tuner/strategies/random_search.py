"""Random: independent draws, uniform in the scaled ranges."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.strategies.base import Exhausted, Observation, Problem, Suggestion
from tuner.strategies.draws import Draws, uniform


class Random:
    """Depends on (seed, index) alone; a discrete space is drawn without repeats."""

    name = "Random"

    def __init__(self) -> None:
        self._draws = Draws(uniform)

    def needs_history(self, index: int) -> bool:
        return False

    def suggest(
        self, problem: Problem, observations: Sequence[Observation], seed: int, index: int
    ) -> Suggestion | Exhausted:
        values = self._draws.nth(problem.space, seed, index)
        return Exhausted() if values is None else Suggestion(values=values)
