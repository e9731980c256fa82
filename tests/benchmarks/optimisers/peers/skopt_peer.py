"""scikit-optimize's Optimizer with its Gaussian process and defaults.

Asked twice it answers the same, so in parallel a copy is told the lowest value so far for every
pending evaluation (its constant liar, for pending ones that did not start together).
"""

from __future__ import annotations

from typing import Any

from serve import serve, worst
from skopt import Optimizer
from skopt.space import Categorical, Integer, Real

INITIAL = 10


def _dimension(item: dict[str, Any]) -> Any:
    if item["kind"] == "list":
        return Categorical(item["values"])
    kind = Integer if item["kind"] == "integer" else Real
    return kind(item["low"], item["high"], prior="log-uniform" if item["log"] else "uniform")


class SkoptStudy:
    """Failures count as the worst value so far."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._names = [item["name"] for item in space]
        self._optimizer = Optimizer(
            [_dimension(item) for item in space], n_initial_points=INITIAL, random_state=seed
        )
        self._pending: dict[int, list[Any]] = {}
        self._values: list[float] = []

    def ask(self, number: int) -> dict[str, Any]:
        optimizer = self._optimizer
        if self._pending and len(self._values) >= INITIAL:
            optimizer = optimizer.copy()
            lie = min(self._values)
            optimizer.tell(list(self._pending.values()), [lie] * len(self._pending))
        point = optimizer.ask()
        self._pending[number] = point
        return {
            name: value.item() if hasattr(value, "item") else value
            for name, value in zip(self._names, point, strict=True)
        }

    def tell(self, number: int, value: float | None) -> None:
        told = worst(self._values) if value is None else value
        self._values.append(told)
        self._optimizer.tell(self._pending.pop(number), told)

    def give(self, configurations: list[dict[str, Any]], values: list[float]) -> None:
        points = [[known[name] for name in self._names] for known in configurations]
        self._values += values
        self._optimizer.tell(points, values)


if __name__ == "__main__":
    serve(SkoptStudy)
