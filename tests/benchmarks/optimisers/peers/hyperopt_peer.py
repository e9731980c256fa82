"""Hyperopt's TPE. Pending evaluations are unknown to it, as in its own parallel mode."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_FAIL, STATUS_OK, Trials, hp, tpe
from hyperopt.base import Domain
from hyperopt.pyll import scope
from serve import serve


def _expression(item: dict[str, Any]) -> Any:
    name = item["name"]
    if item["kind"] == "list":
        return hp.choice(name, item["values"])
    low, high = item["low"], item["high"]
    if item["kind"] == "integer":
        if item["log"]:
            ends = math.log(low - 0.49), math.log(high + 0.49)
            return scope.int(hp.qloguniform(name, *ends, 1))
        return hp.uniformint(name, low, high)
    if item["log"]:
        return hp.loguniform(name, math.log(low), math.log(high))
    return hp.uniform(name, low, high)


class HyperoptStudy:
    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._space = space
        self._domain = Domain(
            lambda values: 0.0, {item["name"]: _expression(item) for item in space}
        )
        self._trials = Trials()
        self._random = np.random.default_rng(seed)
        self._places: dict[int, int] = {}

    def ask(self, number: int) -> dict[str, Any]:
        ids = self._trials.new_trial_ids(1)
        document = tpe.suggest(
            ids, self._domain, self._trials, int(self._random.integers(2**31)), verbose=False
        )[0]
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        self._places[number] = document["tid"]
        drawn = {name: values[0] for name, values in document["misc"]["vals"].items()}
        return {item["name"]: self._value(item, drawn[item["name"]]) for item in self._space}

    def _value(self, item: dict[str, Any], drawn: Any) -> Any:
        if item["kind"] == "list":
            return item["values"][int(drawn)]
        if item["kind"] == "integer":
            return min(max(round(drawn), item["low"]), item["high"])
        return min(max(float(drawn), item["low"]), item["high"])

    def tell(self, number: int, value: float | None) -> None:
        place = self._places.pop(number)
        for document in self._trials._dynamic_trials:
            if document["tid"] == place:
                document["state"] = JOB_STATE_DONE
                document["result"] = (
                    {"status": STATUS_FAIL}
                    if value is None
                    else {"status": STATUS_OK, "loss": value}
                )
        self._trials.refresh()


if __name__ == "__main__":
    serve(HyperoptStudy)
