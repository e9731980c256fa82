"""Several instances of the XGBoost program train as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from opt_ml_tree import Outcome, build, finish, run, start
from test_xgboost_training import BINARY, TRAIN, VALIDATION, as_csv, loaded, matrix

pytest.importorskip("xgboost", reason="needs xgboost: the package")

VALID = {"validation.csv": as_csv(VALIDATION)}
HALVES = ({"a.csv": as_csv(TRAIN[:100])}, {"b.csv": as_csv(TRAIN[100:])})


def together(
    directory: Path, shards: Sequence[dict[str, str]], hyperparameters: dict[str, str] = BINARY
) -> list[Outcome]:
    """All instances of one training job at the same time, one shard of train for each."""
    hosts = [f"algo-{number}" for number in range(1, len(shards) + 1)]
    job = str(directory)
    roots = [
        build(
            directory / host,
            hyperparameters,
            {"train": shard, "validation": VALID},
            hosts=hosts,
            host=host,
        )
        for host, shard in zip(hosts, shards, strict=True)
    ]
    processes = [start(root, TRAINING_JOB_NAME=job) for root in roots]
    return [finish(process, root) for process, root in zip(processes, roots, strict=True)]


def losses(outcome: Outcome) -> list[float]:
    return [float(re.search(r"validation-logloss:(\S+)", line)[1]) for line in outcome.rounds]


def test_shards_of_two_hosts_give_the_model_of_the_whole_data(tmp_path: Path) -> None:
    first, second = together(tmp_path, HALVES)
    whole = run(
        build(tmp_path / "whole", BINARY, {"train": {"a": as_csv(TRAIN)}, "validation": VALID})
    )
    assert (first.code, second.code) == (0, 0), first.output + second.output
    assert np.allclose(losses(first), losses(whole), atol=1e-3)
    assert len(first.rounds) == 5 and not second.rounds
    assert first.model.exists() and not second.model.exists()
    ours, theirs = (loaded(one.model).predict(matrix(VALIDATION)) for one in (first, whole))
    assert np.allclose(ours, theirs, atol=0.05)


def test_the_same_run_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    models = [together(tmp_path / name, HALVES)[0].model.read_bytes() for name in "ab"]
    assert models[0] == models[1]


def test_added_metrics_and_early_stopping_agree_between_hosts(tmp_path: Path) -> None:
    hyperparameters = BINARY | {
        "num_round": "100",
        "eta": "1",
        "early_stopping_rounds": "3",
        "_tuning_objective_metric": "validation:f1",
    }
    first, second = together(tmp_path, HALVES, hyperparameters)
    assert (first.code, second.code) == (0, 0), first.output + second.output
    assert len(first.rounds) < 100
    assert "validation-f1" in first.rounds[0]
    assert loaded(first.model).num_boosted_rounds() == len(first.rounds) - 3


def test_a_host_without_data_takes_no_part_and_says_so(tmp_path: Path) -> None:
    first, second, third = together(tmp_path, [{}, *HALVES])
    assert [one.code for one in (first, second, third)] == [0, 0, 0], first.output
    assert "Host algo-1 does not have training data" in first.output
    assert second.model.exists() and not first.model.exists() and not third.model.exists()


def test_data_on_one_host_alone_train_there(tmp_path: Path) -> None:
    first, second = together(tmp_path, [{}, {"a.csv": as_csv(TRAIN)}])
    assert (first.code, second.code) == (0, 0)
    assert len(second.rounds) == 5 and second.model.exists()


BAD_SHARD = {"b.csv": "M,1,2,3,4,5\n"}
BAD_LABELS = {"b.csv": "1,1,2,3,4,5\n7,5,4,3,2,1\n"}


@pytest.mark.parametrize(
    ("shards", "text"),
    [
        ((HALVES[0], BAD_SHARD), "file 'b.csv': line 1, column 1: 'M' is not a number"),
        ((BAD_SHARD, HALVES[0]), "file 'b.csv': line 1, column 1: 'M' is not a number"),
        ((*HALVES, BAD_LABELS), "label must be in"),
        ((BAD_LABELS, *HALVES), "label must be in"),
        (({}, {}), "No hosts received training data."),
    ],
)
def test_what_is_wrong_on_one_host_ends_all_with_its_reason(
    shards: Sequence[dict[str, str]], text: str, tmp_path: Path
) -> None:
    outcomes = together(tmp_path, shards)
    assert all(outcome.code == 1 for outcome in outcomes)
    assert all(text in outcome.failure for outcome in outcomes), outcomes
    assert not any("Traceback" in outcome.output for outcome in outcomes)


def test_a_host_that_dies_in_training_ends_the_others(tmp_path: Path) -> None:
    hyperparameters = BINARY | {"num_round": "1000000", "max_depth": "2"}
    roots = [
        build(
            tmp_path / host,
            hyperparameters,
            {"train": shard},
            hosts=("algo-1", "algo-2"),
            host=host,
        )
        for host, shard in zip(("algo-1", "algo-2"), HALVES, strict=True)
    ]
    first, second = (start(root, TRAINING_JOB_NAME=str(tmp_path)) for root in roots)
    assert first.stdout is not None
    try:
        assert any("[3]\t" in line for line in first.stdout)
    finally:
        second.kill()
    outcome = finish(first, roots[0])
    finish(second, roots[1])
    assert outcome.code == 1
    assert outcome.failure == "Host algo-2 failed: Its program ended too early."
