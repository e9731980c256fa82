"""Which strategies there are: ours by their AWS names, and those that other packages bring.

A package brings a strategy through the entry point group `amtlocal.strategies`: the entry's name
is the strategy's name on the wire, its object a class (or function) that is called without
arguments. Modules are imported only when their strategy is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from tuner.domain.errors import told_of
from tuner.strategies.base import Strategy, StrategyError

ENTRY_POINT_GROUP = "amtlocal.strategies"

_OURS = {
    "Bayesian": "tuner.strategies.bayesian.strategy:Bayesian",
    "Grid": "tuner.strategies.grid:Grid",
    "Random": "tuner.strategies.random_search:Random",
    "SkoptGP": "tuner.strategies.skopt_gp:SkoptGP",
}
_REQUIRED = {
    "SkoptGP": ("skopt", "scikit-optimize", "skopt"),
}
"""Strategy to the module it needs, the package that has it and our extra that installs it."""
_IMPORTED = {"Bayesian": "tuner.strategies.bayesian.suggestion", "SkoptGP": "skopt"}
"""Strategy to the module that takes long to import."""


def strategy_names() -> tuple[str, ...]:
    """All names that `find_strategy` knows, sorted."""
    return tuple(sorted({*_OURS, *_brought()}))


@cache
def find_strategy(name: str) -> Strategy:
    """The strategy of a wire name, one instance per process.

    Raises LookupError for a name nobody brings, StrategyError for an entry point that fails.
    """
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        made: Strategy = getattr(import_module(module), attribute)()
        return made
    entry = _brought().get(name)
    if entry is None:
        known = ", ".join(strategy_names())
        raise LookupError(f"There is no strategy named {name!r}. Known are: {known}.")
    try:
        brought: Strategy = entry.load()()
    except Exception as error:
        text = f"The strategy {name!r} ({entry.value}) cannot be loaded: {told_of(error)}"
        raise StrategyError(text) from error
    return brought


def missing_requirement(name: str) -> str | None:
    """One sentence if a strategy of ours needs a package that is not there; imports nothing."""
    if name not in _REQUIRED:
        return None
    module, package, extra = _REQUIRED[name]
    if find_spec(module) is not None:
        return None
    return f"The {name} strategy needs {package}: pip install 'amtlocal[{extra}]'"


def warm_up(name: str) -> None:
    """Import now what the first suggestion of a strategy would import. Raises as `find_strategy`
    does, and ImportError where `missing_requirement` has something to say."""
    find_strategy(name)
    if name in _IMPORTED:
        import_module(_IMPORTED[name])


def _brought() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
