"""Optuna's TPE (multivariate, with the constant liar in parallel) and Gaussian process."""

from __future__ import annotations

import sys
from typing import Any

import optuna
from serve import serve

optuna.logging.set_verbosity(optuna.logging.ERROR)


def _tpe(seed: int, parallel: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=parallel > 1, warn_independent_sampling=False
    )


def _gp(seed: int, parallel: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


SAMPLERS = {"tpe": _tpe, "gp": _gp}


def _distribution(item: dict[str, Any]) -> optuna.distributions.BaseDistribution:
    if item["kind"] == "list":
        return optuna.distributions.CategoricalDistribution(item["values"])
    if item["kind"] == "integer":
        return optuna.distributions.IntDistribution(item["low"], item["high"], log=item["log"])
    return optuna.distributions.FloatDistribution(item["low"], item["high"], log=item["log"])


class OptunaStudy:
    def __init__(self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int) -> None:
        self._space = {item["name"]: _distribution(item) for item in space}
        self._study = optuna.create_study(sampler=SAMPLERS[sys.argv[1]](seed, parallel))
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self, number: int) -> dict[str, Any]:
        trial = self._trials[number] = self._study.ask(self._space)
        return dict(trial.params)

    def tell(self, number: int, value: float | None) -> None:
        trial = self._trials.pop(number)
        if value is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def give(self, configurations: list[dict[str, Any]], values: list[float]) -> None:
        self._study.add_trials(
            [
                optuna.trial.create_trial(params=params, distributions=self._space, value=value)
                for params, value in zip(configurations, values, strict=True)
            ]
        )


if __name__ == "__main__":
    if sys.argv[1] == "gp":
        import torch

        torch.set_num_threads(1)
    serve(OptunaStudy)
