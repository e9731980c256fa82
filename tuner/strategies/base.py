"""A strategy is a pure function from the record of a tuning job to the next configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import SearchSpace


class ObservationState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A training job of a parent: the strings it was given, static hyperparameters among them,
    and its final objective."""

    values: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A tuning job to learn from (warm start). `identical`: it trained the same on the same data,
    so its objective is ours; else it is on a scale of its own, and its values may lie outside
    our ranges."""

    results: tuple[Result, ...]
    identical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The search: where, which way is better, what is known before, and with what arguments.

    `arguments` come from the tuning job's tags `tuner:KEY`.
    """

    space: SearchSpace
    objective_type: ObjectiveType
    parents: tuple[Parent, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One training job as a strategy sees it.

    `index` is its 0-based launch number, `values` the strings it was given, `value` its final
    objective (None unless SUCCEEDED), `completion_order` its rank among those that ended
    (None while RUNNING), `memo` what the strategy stored with it.
    """

    index: int
    values: Mapping[str, str]
    state: ObservationState
    value: float | None = None
    completion_order: int | None = None
    memo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """The next configuration, as wire strings, and a small JSON memo kept with it."""

    values: Mapping[str, str]
    memo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exhausted:
    """There is nothing left to try."""


class StrategyError(Exception):
    """A strategy cannot work on this problem, or not here; the text is for the user."""


class Strategy(Protocol):
    """Chooses configurations. Implementations are stateless and cheap to construct.

    The controller calls `suggest` once per launch, in the order of `index`, never twice at a
    time for one tuning job; after a crash it may call again with the same arguments and must
    get the same answer. `observations` are all training jobs launched so far, by index.
    """

    name: str

    def needs_history(self, index: int) -> bool:
        """Whether `suggest` at this index looks at the observations. If not, it answers within
        milliseconds and is called without them on the controller's own thread, unless the
        problem has parents."""

    def suggest(
        self, problem: Problem, observations: Sequence[Observation], seed: int, index: int
    ) -> Suggestion | Exhausted: ...
