"""Any file with `GPOptimizer(space, seed)`, `.ask()` and `.tell(values, value)`, by its path."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from serve import serve, worst


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("prototype", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parameter(item: dict[str, Any]) -> dict[str, Any]:
    if item["kind"] == "list":
        return {"name": item["name"], "type": "cat", "choices": item["values"]}
    return {
        "name": item["name"],
        "type": "int" if item["kind"] == "integer" else "float",
        "low": item["low"],
        "high": item["high"],
        "scale": "log" if item["log"] else "linear",
    }


class PrototypeStudy:
    """It knows no failures: one counts as the worst value so far."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._optimizer = MODULE.GPOptimizer([_parameter(item) for item in space], seed=seed)
        self._asked: dict[int, dict[str, Any]] = {}
        self._values: list[float] = []

    def ask(self, number: int) -> dict[str, Any]:
        self._asked[number] = self._optimizer.ask()
        return self._asked[number]

    def tell(self, number: int, value: float | None) -> None:
        told = worst(self._values) if value is None else value
        self._values.append(told)
        self._optimizer.tell(self._asked.pop(number), told)

    def give(self, configurations: list[dict[str, Any]], values: list[float]) -> None:
        for configuration, value in zip(configurations, values, strict=True):
            self._optimizer.tell(configuration, value)
        self._optimizer.nask = len(values)


if __name__ == "__main__":
    MODULE = _load(sys.argv[1])
    serve(PrototypeStudy)
