"""Nevergrad's NGOpt, which is told the budget and how many run at a time."""

from __future__ import annotations

from typing import Any

import nevergrad as ng
from serve import serve, worst


def _parameter(item: dict[str, Any]) -> Any:
    if item["kind"] == "list":
        return ng.p.Choice(item["values"])
    kind = ng.p.Log if item["log"] else ng.p.Scalar
    made = kind(lower=item["low"], upper=item["high"])
    return made.set_integer_casting() if item["kind"] == "integer" else made


class NevergradStudy:
    """Failures count as the worst value so far."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        parameters = ng.p.Dict(**{item["name"]: _parameter(item) for item in space})
        parameters.random_state.seed(seed)
        self._optimizer = ng.optimizers.NGOpt(
            parametrization=parameters, budget=budget, num_workers=parallel
        )
        self._asked: dict[int, Any] = {}
        self._values: list[float] = []

    def ask(self, number: int) -> dict[str, Any]:
        candidate = self._asked[number] = self._optimizer.ask()
        return {
            name: value.item() if hasattr(value, "item") else value
            for name, value in candidate.value.items()
        }

    def tell(self, number: int, value: float | None) -> None:
        told = worst(self._values) if value is None else value
        self._values.append(told)
        self._optimizer.tell(self._asked.pop(number), told)


if __name__ == "__main__":
    serve(NevergradStudy)
