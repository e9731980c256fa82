"""The XGBoost program goes on from its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from opt_ml_tree import Outcome, build, run
from test_xgboost_hosts import HALVES, VALID, losses
from test_xgboost_training import (
    BINARY,
    CSV,
    ENDLESS,
    VALIDATION,
    loaded,
    matrix,
    stopped_in_training,
)

pytest.importorskip("xgboost", reason="needs xgboost: the package")


def configure(root: Path, local_path: str = "/opt/ml/checkpoints") -> None:
    document = {"LocalPath": local_path, "S3Uri": "s3://bucket/prefix"}
    (root / "input" / "config" / "checkpointconfig.json").write_text(json.dumps(document))


def trained(root: Path, rounds: int, start: Path | None = None, **more: str) -> Outcome:
    """A training with checkpoints, those of another tree being there at its start."""
    build(root, BINARY | {"num_round": str(rounds)} | more, CSV)
    configure(root)
    if start is not None:
        (start / "checkpoints").rename(root / "checkpoints")
    return run(root)


def names(root: Path) -> Sequence[str]:
    return sorted(path.name for path in (root / "checkpoints").iterdir())


def test_the_last_five_rounds_are_kept(tmp_path: Path) -> None:
    outcome = trained(tmp_path, 12)
    assert outcome.code == 0, outcome.output
    assert names(tmp_path) == sorted(f"xgboost-checkpoint.{number}" for number in range(7, 12))


def test_an_interrupted_training_gives_the_same_model_in_the_end(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 12)
    trained(tmp_path / "first", 4)
    second = trained(tmp_path / "second", 12, tmp_path / "first")
    assert second.code == 0, second.output
    assert "Resuming from iteration 4" in second.output
    assert second.rounds == whole.rounds[4:]
    ours, theirs = loaded(second.model), loaded(whole.model)
    assert ours.num_boosted_rounds() == 12
    assert np.allclose(ours.predict(matrix(VALIDATION)), theirs.predict(matrix(VALIDATION)))


def test_a_training_that_was_done_only_saves_its_model(tmp_path: Path) -> None:
    trained(tmp_path / "first", 5)
    second = trained(tmp_path / "second", 5, tmp_path / "first")
    assert (second.code, second.rounds) == (0, [])
    assert loaded(second.model).num_boosted_rounds() == 5


def test_a_checkpoint_that_is_no_model_is_passed_over(tmp_path: Path) -> None:
    trained(tmp_path / "first", 4)
    (tmp_path / "first" / "checkpoints" / "xgboost-checkpoint.3").write_bytes(b"{half")
    second = trained(tmp_path / "second", 6, tmp_path / "first")
    assert second.code == 0, second.output
    assert "Resuming from iteration 3" in second.output
    assert loaded(second.model).num_boosted_rounds() == 6


def test_early_stopping_after_a_resumption_keeps_the_best_round(tmp_path: Path) -> None:
    trained(tmp_path / "first", 2)
    stopping = {"early_stopping_rounds": "3", "eval_metric": "logloss", "eta": "1"}
    second = trained(tmp_path / "second", 200, tmp_path / "first", **stopping)
    assert second.code == 0, second.output
    values = losses(second)
    best = values.index(min(values)) + 2
    assert loaded(second.model).num_boosted_rounds() == best + 1 < 200


def test_a_program_that_is_stopped_leaves_its_rounds(tmp_path: Path) -> None:
    root = build(tmp_path, ENDLESS, CSV)
    configure(root)
    stopped_in_training(root)
    kept = [name for name in names(root) if name.startswith("xgboost-checkpoint.")]
    assert len(kept) >= 3


def test_the_directory_may_lie_elsewhere(tmp_path: Path) -> None:
    root = build(tmp_path / "ml", BINARY, CSV)
    configure(root, str(tmp_path / "away"))
    assert run(root).code == 0
    assert len(list((tmp_path / "away").iterdir())) == 5


def test_without_a_config_there_are_no_checkpoints(tmp_path: Path) -> None:
    root = build(tmp_path, BINARY, CSV)
    assert run(root).code == 0
    assert not (root / "checkpoints").exists()


def test_two_hosts_go_on_together(tmp_path: Path) -> None:
    from opt_ml_tree import finish, start

    roots: list[Path] = []
    for name, rounds in (("first", "3"), ("second", "6")):
        former, roots = roots, []
        for number, shard in enumerate(HALVES, 1):
            root = build(
                tmp_path / name / f"algo-{number}",
                BINARY | {"num_round": rounds},
                {"train": shard, "validation": VALID},
                hosts=["algo-1", "algo-2"],
                host=f"algo-{number}",
            )
            configure(root)
            (root / "checkpoints").mkdir()
            for path in (former[0] / "checkpoints").iterdir() if former else ():
                (root / "checkpoints" / path.name).write_bytes(path.read_bytes())
            roots.append(root)
        running = [start(root, TRAINING_JOB_NAME=f"{tmp_path}-{name}") for root in roots]
        ended = [finish(process, root) for process, root in zip(running, roots, strict=True)]
        assert [one.code for one in ended] == [0, 0], ended[0].output + ended[1].output
    assert [line[:3] for line in ended[0].rounds] == ["[3]", "[4]", "[5]"]
    assert loaded(ended[0].model).num_boosted_rounds() == 6
