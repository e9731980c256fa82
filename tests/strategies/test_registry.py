"""Strategies by name: ours, and those of other packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.strategies.base import StrategyError
from tuner.strategies.registry import find_strategy, missing_requirement, strategy_names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings a strategy, and one that cannot be loaded."""
    (tmp_path / "brought_strategy.py").write_text("class Brought:\n    name = 'Brought'\n")
    metadata = tmp_path / "brought-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[amtlocal.strategies]\n"
        "Brought = brought_strategy:Brought\n"
        "Broken = brought_strategy:Missing\n"
        "Random = brought_strategy:Brought\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_the_wire_names_are_known_and_give_one_instance_each() -> None:
    assert {"Bayesian", "Grid", "Random", "SkoptGP"} <= set(strategy_names())
    assert find_strategy("Grid") is find_strategy("Grid")
    assert find_strategy("Random").name == "Random"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(LookupError, match=r"no strategy named 'Rnadom'.*Bayesian, Grid, Random, SkoptGP"):
        find_strategy("Rnadom")


@pytest.mark.usefixtures("package")
def test_another_package_brings_a_strategy_but_cannot_replace_ours() -> None:
    assert "Brought" in strategy_names()
    assert find_strategy("Brought").name == "Brought"
    assert find_strategy("Random").name == "Random"
    find_strategy.cache_clear()


@pytest.mark.usefixtures("package")
def test_a_strategy_that_cannot_be_loaded_is_named() -> None:
    with pytest.raises(StrategyError, match=r"'Broken' \(brought_strategy:Missing\)"):
        find_strategy("Broken")


def test_only_a_strategy_that_lacks_its_package_has_a_missing_requirement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert missing_requirement("Random") is None
    monkeypatch.setattr("tuner.strategies.registry.find_spec", lambda name: None)
    assert missing_requirement("Random") is None
    assert "pip install 'amtlocal[skopt]'" in (missing_requirement("SkoptGP") or "")
