"""A package of somebody else's that brings strategies, as pip would install it."""

from __future__ import annotations

from pathlib import Path

STRATEGIES = """
from tuner.strategies.base import Suggestion


class Halving:
    name = "Halving"

    def needs_history(self, index):
        return index > 0

    def suggest(self, problem, observations, seed, index):
        best = min((item.value for item in observations), default=4.0)
        return Suggestion(values={"x": repr(best**0.5 / 2)})


class Impostor(Halving):
    name = "Random"


def unimportable():
    from json import nothing_of_that_name
"""
ENTRY_POINTS = """
[amtlocal.strategies]
Halving = brought_strategies:Halving
Missing = brought_strategies:Missing
Unimportable = brought_strategies:unimportable
Random = brought_strategies:Impostor
"""


def install(directory: Path) -> Path:
    """Make it importable from a directory of the module path. `Halving` tries half of the root of
    the smallest objective, 1.0 at first."""
    (directory / "brought_strategies.py").write_text(STRATEGIES)
    metadata = directory / "brought-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return directory
