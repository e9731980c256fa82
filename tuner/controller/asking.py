"""Asking a strategy: at once where it needs no history, else through the suggester."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Protocol

from tuner.controller.view import TuningView
from tuner.strategies.base import Exhausted, Observation, Problem, Strategy, Suggestion

log = logging.getLogger("tuner.controller")

ARGUMENT_PREFIX = "tuner:"
"""Tags of a tuning job that start so are arguments of its strategy."""

Suggested = Suggestion | Exhausted | Exception


class Suggester(Protocol):
    """Runs the suggestions that need history, off the controller's thread."""

    def submit(
        self,
        strategy_name: str,
        problem: Problem,
        observations: tuple[Observation, ...],
        seed: int,
        index: int,
        done: Callable[[Suggested], None],
    ) -> None:
        """Returns at once; `done` is called with the outcome from any thread."""


class Asking:
    """The controller's way to the strategies."""

    def __init__(self, suggester: Suggester, find_strategy: Callable[[str], Strategy]) -> None:
        self._suggester = suggester
        self._find_strategy = find_strategy

    def at_once(self, tuning: TuningView, index: int) -> Suggested | None:
        """The answer, if the strategy gives it without history; else None."""
        try:
            strategy = self._find_strategy(_strategy_name(tuning))
            problem = _problem(tuning)
            if problem.parents or strategy.needs_history(index):
                return None
            return _checked(tuning, strategy.suggest(problem, (), tuning.job.seed, index))
        except Exception as error:
            log.exception("strategy %s failed", _strategy_name(tuning))
            return error

    def later(self, tuning: TuningView, index: int, done: Callable[[Suggested], None]) -> None:
        """Have the answer worked out elsewhere."""
        self._suggester.submit(
            _strategy_name(tuning),
            _problem(tuning),
            tuning.observations(),
            tuning.job.seed,
            index,
            lambda result: done(_checked(tuning, result)),
        )


def _checked(tuning: TuningView, result: Suggested) -> Suggested:
    """A user's strategy may answer anything: only what can be launched and stored passes."""
    if not isinstance(result, Suggestion):
        return result
    names = {item.name for item in tuning.space.ranges}
    if result.values.keys() != names or not all(
        isinstance(value, str) for value in result.values.values()
    ):
        return TypeError(f"it must give a string for each of {sorted(names)}")
    try:
        json.dumps(result.memo, allow_nan=False)
    except (TypeError, ValueError) as error:
        return TypeError(f"its memo is no JSON: {error}")
    return result


def _strategy_name(tuning: TuningView) -> str:
    return tuning.job.request.hyper_parameter_tuning_job_config.strategy


def _problem(tuning: TuningView) -> Problem:
    assert tuning.job.objective_type is not None
    arguments = {
        tag.key.removeprefix(ARGUMENT_PREFIX): tag.value
        for tag in tuning.job.request.tags or ()
        if tag.key.startswith(ARGUMENT_PREFIX)
    }
    return Problem(
        space=tuning.space, objective_type=tuning.job.objective_type, arguments=arguments
    )
