"""Strategies by name: ours, and those of other packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strategies.brought import install
from tuner.strategies.base import StrategyError
from tuner.strategies.registry import find_strategy, missing_requirement, strategy_names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installed while the test runs."""
    find_strategy.cache_clear()
    monkeypatch.syspath_prepend(install(tmp_path))
    yield
    find_strategy.cache_clear()


def test_the_wire_names_are_known_and_give_one_instance_each() -> None:
    assert {"Bayesian", "Grid", "Random", "SkoptGP"} <= set(strategy_names())
    assert find_strategy("Grid") is find_strategy("Grid")
    assert find_strategy("Random").name == "Random"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(
        LookupError, match=r"no strategy named 'Rnadom'.*Bayesian, Grid, Random, SkoptGP"
    ):
        find_strategy("Rnadom")


@pytest.mark.usefixtures("package")
def test_another_package_brings_a_strategy_but_cannot_replace_ours() -> None:
    assert "Halving" in strategy_names()
    assert find_strategy("Halving").needs_history(1)
    assert not find_strategy("Random").needs_history(1)


@pytest.mark.usefixtures("package")
def test_a_strategy_that_cannot_be_loaded_is_named() -> None:
    with pytest.raises(StrategyError, match=r"'Missing' \(brought_strategies:Missing\)"):
        find_strategy("Missing")


@pytest.mark.usefixtures("package")
def test_why_a_strategy_cannot_be_loaded_is_told_without_a_path() -> None:
    with pytest.raises(StrategyError, match="cannot import name 'nothing_of_that_name'") as caught:
        find_strategy("Unimportable")
    assert str(Path(json.__file__).parent) not in str(caught.value)


def test_only_a_strategy_that_lacks_its_package_has_a_missing_requirement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert missing_requirement("Random") is None
    monkeypatch.setattr("tuner.strategies.registry.find_spec", lambda name: None)
    assert missing_requirement("Random") is None
    assert "pip install 'amtlocal[skopt]'" in (missing_requirement("SkoptGP") or "")
