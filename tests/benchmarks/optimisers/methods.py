"""The methods that are compared: strategies of the product, and peers in their own processes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import tuner
from tests.benchmarks.optimisers.environments import python_of
from tests.benchmarks.optimisers.objectives import Values
from tuner.domain.definitions import ObjectiveType, ScalingType
from tuner.domain.ranges import Categorical, Integer, Range, SearchSpace
from tuner.strategies.base import Exhausted, Observation, ObservationState, Problem
from tuner.strategies.registry import find_strategy, strategy_names, warm_up

PEERS = Path(__file__).with_name("peers")


class Study(Protocol):
    """One optimisation run. `ask` and `tell` add what they cost to `milliseconds`."""

    milliseconds: float

    def ask(self, number: int) -> Values | None:
        """The configuration of evaluation `number` (from 0, in order); None: nothing is left."""
        ...

    def tell(self, number: int, value: float | None) -> None:
        """An evaluation ended with `value`, or failed."""
        ...

    def give(self, configurations: Sequence[Values], values: Sequence[float]) -> None:
        """Evaluations that ended before the first `ask`, as numbers 0, 1, ...; costs nothing."""
        ...


class Method(Protocol):
    name: str

    @property
    def version(self) -> str:
        """Results of another version are not this one's."""
        ...

    def open(self, space: SearchSpace, seed: int, parallel: int, budget: int) -> Study: ...


class StrategyStudy:
    """Asks a strategy as the controller does: with the record of all that was launched."""

    def __init__(self, name: str, space: SearchSpace, seed: int) -> None:
        warm_up(name)
        self.milliseconds = 0.0
        self._strategy, self._seed = find_strategy(name), seed
        self._problem = Problem(space=space, objective_type=ObjectiveType.MINIMIZE)
        self._record: list[Observation] = []
        self._ended = 0

    def ask(self, number: int) -> Values | None:
        seen = tuple(self._record) if self._strategy.needs_history(number) else ()
        began = time.perf_counter()
        answer = self._strategy.suggest(self._problem, seen, self._seed, number)
        self.milliseconds += 1000 * (time.perf_counter() - began)
        if isinstance(answer, Exhausted):
            return None
        memo = json.loads(json.dumps(answer.memo, allow_nan=False))
        self._record.append(
            Observation(
                index=number, values=answer.values, state=ObservationState.RUNNING, memo=memo
            )
        )
        return answer.values

    def tell(self, number: int, value: float | None) -> None:
        state = ObservationState.FAILED if value is None else ObservationState.SUCCEEDED
        self._record[number] = replace(
            self._record[number], state=state, value=value, completion_order=self._ended
        )
        self._ended += 1

    def give(self, configurations: Sequence[Values], values: Sequence[float]) -> None:
        for number, (configuration, value) in enumerate(zip(configurations, values, strict=True)):
            self._record.append(
                Observation(index=number, values=configuration, state=ObservationState.RUNNING)
            )
            self.tell(number, value)


@dataclass(frozen=True)
class StrategyMethod:
    """A strategy of the product's registry."""

    name: str

    @property
    def version(self) -> str:
        return _source_version()

    def open(self, space: SearchSpace, seed: int, parallel: int, budget: int) -> Study:
        return StrategyStudy(self.name, space, seed)


@cache
def _source_version() -> str:
    """A digest of all code that can change a suggestion."""
    root = Path(tuner.__file__).parent
    digest = hashlib.sha256()
    for room in ("domain", "strategies"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class PeerError(Exception):
    """A peer's process ended or answered with an exception."""


class PeerProcess:
    """A peer's process, for one study after the other."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def request(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"{self._process.args} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer


@cache
def _process(command: tuple[str, ...]) -> PeerProcess:
    return PeerProcess(command)


class PeerStudy:
    def __init__(
        self,
        process: PeerProcess,
        space: SearchSpace,
        seed: int,
        parallel: int,
        budget: int,
    ) -> None:
        self.milliseconds = 0.0
        self._process, self._space = process, space
        process.request(
            open=[_plain(item) for item in space.ranges],
            seed=seed,
            parallel=parallel,
            budget=budget,
        )

    def ask(self, number: int) -> Values | None:
        answer = self._process.request(ask=number)
        self.milliseconds += answer["ms"]
        return {name: _text(value) for name, value in answer["values"].items()}

    def tell(self, number: int, value: float | None) -> None:
        self.milliseconds += self._process.request(tell=number, value=value)["ms"]

    def give(self, configurations: Sequence[Values], values: Sequence[float]) -> None:
        """Raises PeerError where the peer's script cannot."""
        typed = [
            {item.name: _typed(item, known[item.name]) for item in self._space.ranges}
            for known in configurations
        ]
        self._process.request(give=typed, told=list(values))


def _plain(item: Range) -> dict[str, Any]:
    if isinstance(item, Categorical):
        return {"name": item.name, "kind": "list", "values": list(item.values)}
    assert item.effective_scaling is not ScalingType.REVERSE_LOGARITHMIC, "peers do not know it"
    return {
        "name": item.name,
        "kind": "integer" if isinstance(item, Integer) else "float",
        "low": item.low,
        "high": item.high,
        "log": item.effective_scaling is ScalingType.LOGARITHMIC,
    }


def _typed(item: Range, value: str) -> str | int | float:
    if isinstance(item, Categorical):
        return value
    return int(value) if isinstance(item, Integer) else float(value)


def _text(value: str | int | float) -> str:
    return value if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class PeerMethod:
    """A peer: `python` of its environment, the script that speaks for it, and which of its
    methods."""

    name: str
    version: str
    python: Path
    script: str
    argument: str

    def open(self, space: SearchSpace, seed: int, parallel: int, budget: int) -> Study:
        command = (str(self.python), str(PEERS / self.script), self.argument)
        return PeerStudy(_process(command), space, seed, parallel, budget)


OTHERS = {
    "BayesOpt": ("bayes_opt", "bayesian-optimization", "ucb"),
    "Hyperopt": ("hyperopt", "hyperopt", "tpe"),
    "Nevergrad": ("nevergrad", "nevergrad", "NGOpt"),
    "OptunaGP": ("optuna", "optuna", "gp"),
    "OptunaTPE": ("optuna", "optuna", "tpe"),
    "ScikitOptimize": ("skopt", "scikit-optimize", "gp"),
    "SmacForest": ("smac", "smac", "forest"),
    "SmacGP": ("smac", "smac", "gp"),
    "SyneTuneBORE": ("syne_tune", "syne-tune", "bore"),
    "SyneTuneCQR": ("syne_tune", "syne-tune", "cqr"),
}
"""Name to environment, package whose version counts, and which method of its script."""


def method_names() -> list[str]:
    return [*(name for name in strategy_names() if name != "Grid"), "Prototype", *OTHERS]


def find_method(
    name: str, environments: Path | None = None, prototype: Path | None = None
) -> Method:
    """A method by name. Raises LookupError with what to do about it."""
    if name in strategy_names():
        return StrategyMethod(name)
    if name == "Prototype":
        if prototype is None:
            raise LookupError("Prototype needs --prototype PATH.")
        version = hashlib.sha256(prototype.read_bytes()).hexdigest()[:10]
        return PeerMethod(name, version, Path(sys.executable), "prototype_peer.py", str(prototype))
    if name not in OTHERS:
        raise LookupError(f"There is no method {name!r}. Known are: {', '.join(method_names())}.")
    group, package, argument = OTHERS[name]
    if environments is None:
        raise LookupError(f"{name} needs --environments DIR.")
    python = python_of(environments, group)
    if not python.exists():
        raise LookupError(f"{name} needs its environment: environments.py {environments} {group}")
    version = _installed(python, package)
    return PeerMethod(name, version, python, f"{group}_peer.py", argument)


@cache
def _installed(python: Path, package: str) -> str:
    program = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run(
        [python, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()
