"""The package bayesian-optimization with its defaults; in parallel with its constant liar.

It knows no logarithmic scale: such hyperparameters are given to it as logarithms. Its constant
liar (3.x) fails where there are lists: those spaces go without.
"""

from __future__ import annotations

import math
from typing import Any

from bayes_opt import BayesianOptimization
from bayes_opt.acquisition import ConstantLiar, UpperConfidenceBound
from serve import serve, worst

INITIAL = 10


def _bounds(item: dict[str, Any]) -> Any:
    if item["kind"] == "list":
        return tuple(item["values"])
    if item["log"]:
        return math.log(item["low"]), math.log(item["high"])
    ends = item["low"], item["high"]
    return (*ends, int) if item["kind"] == "integer" else ends


class BayesOptStudy:
    """Failures count as the worst value so far. It maximises."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._space = {item["name"]: item for item in space}
        acquisition = UpperConfidenceBound()
        if parallel > 1 and all(item["kind"] != "list" for item in space):
            acquisition = ConstantLiar(acquisition)
        self._optimizer = BayesianOptimization(
            f=None,
            pbounds={name: _bounds(item) for name, item in self._space.items()},
            acquisition_function=acquisition,
            random_state=seed,
            verbose=0,
            allow_duplicate_points=True,
        )
        self._asked: dict[int, dict[str, Any]] = {}
        self._values: list[float] = []

    def ask(self, number: int) -> dict[str, Any]:
        optimizer = self._optimizer
        drawn = optimizer.random_sample(1)[0] if number < INITIAL else optimizer.suggest()
        self._asked[number] = drawn
        return {name: self._value(item, drawn[name]) for name, item in self._space.items()}

    def _value(self, item: dict[str, Any], drawn: Any) -> Any:
        if item["kind"] == "list":
            return str(drawn)
        value = math.exp(drawn) if item["log"] else float(drawn)
        value = min(max(value, item["low"]), item["high"])
        return round(value) if item["kind"] == "integer" else value

    def tell(self, number: int, value: float | None) -> None:
        told = worst(self._values) if value is None else value
        self._values.append(told)
        self._optimizer.register(params=self._asked.pop(number), target=-told)


if __name__ == "__main__":
    serve(BayesOptStudy)
