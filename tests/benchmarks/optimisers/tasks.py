"""The tasks: DEVELOPMENT ones to look at, VALIDATION ones kept aside for a final check."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tests.benchmarks.optimisers import functions as f
from tests.benchmarks.optimisers.functions import Function
from tests.benchmarks.optimisers.live import live
from tests.benchmarks.optimisers.objectives import (
    Axes,
    Bent,
    Chain,
    Choice,
    Moved,
    Objective,
    Walled,
)
from tests.benchmarks.optimisers.tables import load
from tests.benchmarks.optimisers.task import Noise, Task
from tuner.domain.definitions import ScalingType
from tuner.domain.ranges import Categorical, Continuous, Integer, Range

Build = Callable[[np.random.Generator], Objective]


def _continuous(count: int) -> list[Range]:
    return [Continuous(f"x{place}", 0.0, 1.0) for place in range(count)]


def _decades(*bounds: tuple[float, float]) -> list[Range]:
    return [Continuous(f"rate{place}", *ends) for place, ends in enumerate(bounds)]


def _mixed(floats: int, integers: Iterable[int], lists: Iterable[int]) -> list[Range]:
    """`integers` are the largest values (the smallest is 1), `lists` the numbers of values."""
    ranges: list[Range] = [
        Integer(f"n{place}", 1, high, ScalingType.LINEAR) for place, high in enumerate(integers)
    ]
    ranges += _continuous(floats)
    ranges += [
        Categorical(f"c{place}", tuple(f"v{level}" for level in range(size)))
        for place, size in enumerate(lists)
    ]
    return ranges


def _moved(function: Function, ranges: list[Range] | None = None, rotated: bool = False) -> Build:
    def build(random: np.random.Generator) -> Moved:
        axes = Axes(ranges or _continuous(function.dimension), random)
        return Moved(function, axes, random, rotated)

    return build


def _bent(function: Function) -> Build:
    def build(random: np.random.Generator) -> Bent:
        return Bent(function, Axes(_continuous(function.dimension), random), random)

    return build


def _walled(
    function: Function, distance: float, height: float | None, ranges: list[Range] | None = None
) -> Build:
    def build(random: np.random.Generator) -> Walled:
        axes = Axes(ranges or _continuous(function.dimension), random)
        return Walled(Moved(function, axes, random), random, distance, height)

    return build


def _wrongly_linear(function: Function, low: float, high: float) -> Build:
    """The space says Linear where effects go with the logarithm."""

    def build(random: np.random.Generator) -> Moved:
        names = [f"x{place}" for place in range(function.dimension)]
        said: list[Range] = [Continuous(name, low, high, ScalingType.LINEAR) for name in names]
        seen = {name: Continuous(name, low, high, ScalingType.LOGARITHMIC) for name in names}
        return Moved(function, Axes(said, random, seen), random)

    return build


def _chain(*sizes: int, interaction: float = 0.5, decay: float = 0.8) -> Build:
    return lambda random: Chain(sizes, random, interaction, decay)


def _choice(gap: float, **functions: Function) -> Build:
    return lambda random: Choice(functions, random, gap)


def _table(name: str) -> Task:
    return Task(name=name, family="training", build=lambda random: load(name))


def _live(name: str) -> Task:
    return Task(name=name, family="training", build=lambda random: live(name))


def _task(name: str, family: str, build: Build, noise: Noise | None = None) -> Task:
    return Task(name=name, family=family, build=build, noise=noise)


_RATES = _decades((1e-8, 1e2), (1e-6, 1.0), (1e-4, 1e4), (1e-7, 1e-1))

DEVELOPMENT = (
    _task("branin", "smooth", _moved(f.branin())),
    _task("hartmann3", "smooth", _moved(f.hartmann3())),
    _task("hartmann6", "smooth", _moved(f.hartmann6())),
    _task("styblinski-tang-4", "smooth", _moved(f.styblinski_tang(4))),
    _task("rosenbrock-4", "valley", _moved(f.rosenbrock(4))),
    _task("ellipsoid-5-rotated", "valley", _moved(f.ellipsoid(5, 1000.0), rotated=True)),
    _task("ackley-5", "rugged", _moved(f.ackley(5))),
    _task("levy-6", "rugged", _moved(f.levy(6))),
    _task("griewank-3", "rugged", _moved(f.griewank(3))),
    _task("michalewicz-5", "rugged", _bent(f.michalewicz(5))),
    _task("eggholder", "rugged", _bent(f.eggholder())),
    _task("basins-2", "basins", _moved(f.basins(2, 0.3, 0.1, 0.7))),
    _task("basins-4", "basins", _moved(f.basins(4, 0.5, 0.25, 0.8))),
    _task("hartmann6-noisy", "noisy", _moved(f.hartmann6()), Noise(spread=0.1)),
    _task("branin-noisy-growing", "noisy", _moved(f.branin()), Noise(spread=0.02, growth=0.3)),
    _task(
        "ackley-mixed-noisy",
        "noisy",
        _moved(f.ackley(6), _mixed(3, (20, 6), (5,))),
        Noise(spread=0.15),
    ),
    _task("ackley-mixed", "mixed", _moved(f.ackley(6), _mixed(2, (30, 8), (4, 6)))),
    _task("levy-integers", "mixed", _moved(f.levy(5), _mixed(0, (50, 50, 12, 12, 6), ()))),
    _task(
        "choice",
        "mixed",
        _choice(0.15, tree=f.levy(3), linear=f.ellipsoid(2, 30.0), net=f.rosenbrock(3)),
    ),
    _task("chain-6x8", "tabular", _chain(*[8] * 6)),
    _task("chain-5x30", "tabular", _chain(*[30] * 5, interaction=0.4)),
    _task("rates-4", "decades", _moved(f.ellipsoid(4, 20.0), _RATES)),
    _task("rates-4-diverging", "decades", _walled(f.ellipsoid(4, 20.0), 0.1, 10.0, _RATES)),
    _task("rates-3-linear", "decades", _wrongly_linear(f.ellipsoid(3, 10.0), 1e-4, 1.0)),
    _task("hartmann3-failing", "failing", _walled(f.hartmann3(), 0.1, None)),
    _table("svm-digits"),
    _table("boosting-diabetes"),
    _table("network-wine"),
    _table("linear-breast-cancer"),
    _live("kernel-ridge-diabetes"),
    _live("neighbours-wine"),
    _task("hartmann6-of-20", "wide", _moved(f.hartmann6(), _continuous(20))),
    _task("levy-30", "wide", _moved(f.levy(30))),
)

VALIDATION = (
    _task("six-hump-camel", "smooth", _moved(f.six_hump_camel())),
    _task("shekel", "smooth", _moved(f.shekel())),
    _task("rosenbrock-6-rotated", "valley", _moved(f.rosenbrock(6), rotated=True)),
    _task("dixon-price-4", "valley", _moved(f.dixon_price(4))),
    _task("schwefel-3", "rugged", _bent(f.schwefel(3))),
    _task("rastrigin-4", "rugged", _moved(f.rastrigin(4))),
    _task("basins-3", "basins", _moved(f.basins(3, 0.4, 0.15, 0.75))),
    _task("levy-4-noisy-heavy", "noisy", _moved(f.levy(4)), Noise(spread=0.1, heavy=True)),
    _task(
        "rastrigin-mixed-noisy",
        "noisy",
        _moved(f.rastrigin(5), _mixed(2, (40,), (6, 3))),
        Noise(spread=0.1),
    ),
    _task("griewank-mixed", "mixed", _moved(f.griewank(7), _mixed(3, (100, 10), (8, 3)))),
    _task("chain-8x12", "tabular", _chain(*[12] * 8, decay=0.7)),
    _task(
        "rates-6-diverging",
        "decades",
        _walled(f.rosenbrock(5), 0.05, 30.0, [*_RATES, *_continuous(1)]),
    ),
    _task("branin-failing", "failing", _walled(f.branin(), 0.05, None)),
    _table("forest-digits"),
    _table("boosting-breast-cancer"),
    _table("network-diabetes"),
    _live("svm-wine"),
    _live("neighbours-breast-cancer"),
    _task("styblinski-tang-4-of-25", "wide", _moved(f.styblinski_tang(4), _continuous(25))),
)

ALL = {task.name: task for task in (*DEVELOPMENT, *VALIDATION)}


def chosen(names: Iterable[str]) -> list[Task]:
    """Tasks by name, `dev` and `validation` being all of a set. Raises LookupError."""
    sets = {"dev": DEVELOPMENT, "validation": VALIDATION}
    found: list[Task] = []
    for name in names:
        if name not in sets and name not in ALL:
            raise LookupError(f"There is no task {name!r}. Known are: {', '.join([*sets, *ALL])}.")
        found += sets[name] if name in sets else (ALL[name],)
    return found
