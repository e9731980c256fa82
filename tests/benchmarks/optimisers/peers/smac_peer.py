"""SMAC3's facades for hyperparameters (random forest) and for black boxes (Gaussian process)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
from serve import serve, worst
from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.runhistory import StatusType, TrialInfo, TrialValue

FACADES = {"forest": HyperparameterOptimizationFacade, "gp": BlackBoxFacade}


def _hyperparameter(item: dict[str, Any]) -> Any:
    if item["kind"] == "list":
        return Categorical(item["name"], item["values"])
    kind = Integer if item["kind"] == "integer" else Float
    return kind(item["name"], (item["low"], item["high"]), log=item["log"])


def _never(config: Any, seed: int = 0) -> float:
    raise AssertionError("evaluations are told, not run")


class SmacStudy:
    """A failure is told as a crash at the worst value so far (its models take no infinity)."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._directory = tempfile.TemporaryDirectory()
        ranges = ConfigurationSpace(seed=seed)
        ranges.add([_hyperparameter(item) for item in space])
        facade = FACADES[sys.argv[1]]
        scenario = Scenario(
            ranges,
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=Path(self._directory.name),
        )
        self._smac = facade(scenario, _never, logging_level=False, overwrite=True)
        self._asked: dict[int, TrialInfo] = {}
        self._values: list[float] = []

    def ask(self, number: int) -> dict[str, Any]:
        info = self._asked[number] = self._smac.ask()
        return {
            name: value.item() if hasattr(value, "item") else value
            for name, value in dict(info.config).items()
        }

    def tell(self, number: int, value: float | None) -> None:
        info = self._asked.pop(number)
        status = StatusType.SUCCESS if value is not None else StatusType.CRASHED
        told = worst(self._values) if value is None else value
        self._values.append(told)
        self._smac.tell(info, TrialValue(cost=told, status=status))


if __name__ == "__main__":
    serve(SmacStudy)
