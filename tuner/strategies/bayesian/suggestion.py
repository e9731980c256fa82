"""One suggestion from the record alone.

The model is fitted to the record, starting from the parameters of the fit before (they travel in
the memo); running jobs are added with the mean it predicts for them (kriging believer: Ginsbourger
et al., Kriging is well-suited to parallelize optimization, 2010); and the highest expected
improvement over the lowest mean at an observed configuration is looked for. What was launched
before is not proposed again while there is anything else.

Two things alternate, because no one choice is right for all objectives: outputs are warped or
only standardised; and after STAGNATION results without progress every fourth suggestion is made
with shorter length scales, which looks where the model was too sure (Berkenkamp et al., No-Regret
Bayesian Optimization with Unknown Hyperparameters, JMLR 20, 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.strategies.base import Exhausted, Observation, Problem, Suggestion
from tuner.strategies.bayesian.acquisition import Improvement
from tuner.strategies.bayesian.outputs import Transform, plain, warped
from tuner.strategies.bayesian.posterior import Posterior
from tuner.strategies.bayesian.record import Record
from tuner.strategies.bayesian.search import Search
from tuner.strategies.bayesian.surrogate import Data, Surrogate
from tuner.strategies.discrete import combination, ordinal_of
from tuner.strategies.draws import free_ordinal, generator
from tuner.strategies.telling import most_telling

Floats = NDArray[np.float64]

FITTED = 256
"""Observations the parameters are fitted to, at most: the cost is cubic, many times over."""
STAGNATION = 5
PROGRESS = 0.02
"""In standard deviations of the outputs."""
_PROMISING = 5
_SEARCH = 3
_DECIMALS = 6
_TRANSFORMS: tuple[tuple[str, Transform], ...] = (("warped", warped), ("plain", plain))


def suggest(
    problem: Problem, observations: Sequence[Observation], seed: int, index: int
) -> Suggestion | Exhausted:
    """A configuration that was not launched before; Exhausted when there is none."""
    record = Record.of(problem, observations)
    if len(record.taken) >= record.features.cardinality:
        return Exhausted()
    random = generator(seed, index, _SEARCH)
    if record.is_flat:
        return Suggestion(values=_any(problem, observations, random), memo=record.memo)
    name, transform = _TRANSFORMS[index % len(_TRANSFORMS)]
    data = record.data(transform)
    surrogate = Surrogate(record.features, len(record.parents))
    theta, fit = fitted(surrogate, data, record.memo.get(name))
    if index % 4 == 1 and _since_progress(transform(record.ended.costs)) >= STAGNATION:
        theta[surrogate.scales] -= math.log(2.0) * (1 + index // 4 % 2)
    posterior = Posterior(surrogate, theta, data)
    target = float(posterior.at_data[: len(record.ended.costs) or None].min())
    order = np.argsort(posterior.at_data, kind="stable")
    promising = record.features.snap(data.rows[order[:_PROMISING]])
    if len(record.running):
        believed = Data(
            np.vstack([data.rows, record.running]),
            np.append(data.outputs, posterior.predict(record.running)[0]),
            np.append(data.groups, np.zeros(len(record.running), dtype=np.intp)),
        )
        posterior = Posterior(surrogate, theta, believed)
    search = Search(record.features, Improvement(posterior, target), record.taken, random)
    row = search.best(promising)
    values = _any(problem, observations, random) if row is None else record.features.decode(row)
    return Suggestion(values=values, memo={**record.memo, name: fit})


def fitted(
    surrogate: Surrogate, data: Data, before: dict[str, Any] | None
) -> tuple[Floats, dict[str, Any]]:
    """The most probable parameters, and the note from which a later fit starts.

    Every now and then, always while there is little data, the search starts from the prior, too;
    with much data parameters are kept for a while. `before` is the note of the last fit.
    """
    count = len(data.outputs)
    known = before is not None and len(before["theta"]) == len(surrogate.start)
    if before is not None and known and count - before["count"] < _refit_after(count):
        return np.array(before["theta"]), before
    starts = [np.array(before["theta"])] if before is not None and known else []
    thorough = not starts or count < 20 or count % 10 == 0
    if thorough:
        starts.append(surrogate.start)
    if count > FITTED:
        data = data.part(most_telling(data.outputs, FITTED))
    theta = surrogate.fit(data, starts, 40 if thorough else 15).round(_DECIMALS)
    return theta, {"count": count, "theta": theta.tolist()}


def _refit_after(count: int) -> int:
    """Results to wait for before parameters are fitted again."""
    if count < 100:
        return 1
    return 2 if count < 150 else max(4, count // 50)


def _since_progress(outputs: Floats) -> int:
    """How many results ago the lowest became lower by more than PROGRESS."""
    best, since = math.inf, 0
    for output in outputs:
        since = 0 if output < best - PROGRESS else since + 1
        best = min(best, output)
    return since


def _any(
    problem: Problem, observations: Sequence[Observation], random: np.random.Generator
) -> dict[str, str]:
    """A random configuration that was not launched."""
    space = problem.space
    if space.cardinality is None:
        return space.decode(random.random(space.dimension))
    launched = {ordinal_of(space, item.values) for item in observations}
    return combination(
        space, free_ordinal(space, launched, lambda: random.random(space.dimension))
    )
