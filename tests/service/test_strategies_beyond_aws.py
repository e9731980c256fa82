"""Strategies that AWS does not have, through the operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.service_home import Home, changed, tuning
from tests.strategies.brought import install
from tuner.domain.errors import ValidationException
from tuner.strategies.registry import find_strategy

STRATEGY = "HyperParameterTuningJobConfig.Strategy"


def with_strategy(name: str, strategy: str, jobs: int = 3) -> dict[str, Any]:
    return changed(tuning(name, jobs=jobs), STRATEGY, strategy)


def refused(home: Home, spec: dict[str, Any]) -> str:
    """Why it is refused, by Create as by Validate; nothing is stored."""
    before = home.stored()
    with pytest.raises(ValidationException) as caught:
        home.call("CreateHyperParameterTuningJob", **spec)
    (fault,) = home.call("Tuner.ValidateTuningJob", **spec)["Faults"]
    assert fault["Path"] == STRATEGY
    assert fault["Message"] in caught.value.message
    assert home.stored() == before
    return caught.value.message


def test_scikit_optimize_tunes_beyond_its_initial_design(home: Home) -> None:
    pytest.importorskip("skopt", reason="needs skopt: pip install 'amtlocal[skopt]'")
    home.call("CreateHyperParameterTuningJob", **with_strategy("yardstick", "SkoptGP", jobs=12))
    found = home.wait("yardstick")
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["HyperParameterTuningJobConfig"]["Strategy"] == "SkoptGP"
    assert found["ObjectiveStatusCounters"]["Succeeded"] == 12
    listed = home.call("ListHyperParameterTuningJobs", NameContains="yardstick")
    assert listed["HyperParameterTuningJobSummaries"][0]["Strategy"] == "SkoptGP"
    assert float(found["BestTrainingJob"]["TunedHyperParameters"]["x"]) < 0.1


def test_a_strategy_whose_package_is_missing_is_refused_with_how_to_get_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.strategies.registry.find_spec", lambda name: None)
    assert refused(home, with_strategy("without", "SkoptGP")) == (
        "The SkoptGP strategy needs scikit-optimize: pip install 'amtlocal[skopt]'"
    )


def test_an_unknown_strategy_is_refused_in_the_words_of_aws_with_all_names(home: Home) -> None:
    assert refused(home, with_strategy("unknown", "Skopt")) == (
        "1 validation error detected: Value 'Skopt' at 'hyperParameterTuningJobConfig.strategy' "
        "failed to satisfy constraint: Member must satisfy enum value set: "
        "[Bayesian, Random, Hyperband, Grid, SkoptGP]"
    )


def test_a_package_that_is_installed_later_brings_its_strategies(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = with_strategy("later", "Halving")
    assert "enum value set" in refused(home, spec)
    monkeypatch.syspath_prepend(install(tmp_path))
    assert home.call("Tuner.ValidateTuningJob", **spec) == {"Faults": []}
    text = refused(home, with_strategy("later", "Missing"))
    assert "'Missing' (brought_strategies:Missing) cannot be loaded" in text
    find_strategy.cache_clear()


def test_the_doctor_says_what_scikit_optimize_is_for(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rows = {row["name"]: row for row in home.call("Tuner.Doctor")["checks"]}
    assert not rows["skopt"]["ok"]
    assert rows["skopt"]["detail"] == "the SkoptGP strategy: pip install 'amtlocal[skopt]'"
