"""Syne Tune's schedulers BORE and CQR. They keep pending evaluations themselves."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Any

from serve import serve
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import BORE, CQR

logging.disable(logging.CRITICAL)
SCHEDULERS = {"bore": BORE, "cqr": CQR}


def _domain(item: dict[str, Any]) -> Any:
    if item["kind"] == "list":
        return choice(item["values"])
    if item["kind"] == "integer":
        kind = lograndint if item["log"] else randint
    else:
        kind = loguniform if item["log"] else uniform
    return kind(item["low"], item["high"])


class SyneTuneStudy:
    """A failure is told as an error of the trial."""

    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._names = [item["name"] for item in space]
        self._scheduler = SCHEDULERS[sys.argv[1]](
            config_space={item["name"]: _domain(item) for item in space},
            metric="loss",
            do_minimize=True,
            random_seed=seed,
        )
        self._trials: dict[int, Trial] = {}

    def ask(self, number: int) -> dict[str, Any]:
        suggestion = self._scheduler.suggest()
        trial = Trial(number, suggestion.config, datetime.now())
        self._scheduler.on_trial_add(trial)
        self._trials[number] = trial
        return {
            name: value.item() if hasattr(value, "item") else value
            for name, value in suggestion.config.items()
            if name in self._names
        }

    def tell(self, number: int, value: float | None) -> None:
        trial = self._trials.pop(number)
        if value is None:
            self._scheduler.on_trial_error(trial)
        else:
            self._scheduler.on_trial_complete(trial, {"loss": value})


if __name__ == "__main__":
    serve(SyneTuneStudy)
