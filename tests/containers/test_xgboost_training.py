"""The program of containers/xgboost as a process: what it prints, learns, saves and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from opt_ml_tree import CONTAINERS, Outcome, build, run, start

xgboost = pytest.importorskip("xgboost", reason="needs xgboost: the package")

BINARY = {"num_round": "5", "objective": "binary:logistic", "seed": "7"}


def rows(count: int, seed: int, classes: int = 2) -> np.ndarray:
    """Labels that depend on two of five features, rounded so that the text says all."""
    random = np.random.default_rng(seed)
    features = np.round(random.normal(size=(count, 5)), 4)
    score = features[:, 0] + features[:, 1] + random.normal(scale=0.5, size=count)
    labels = np.clip(np.floor(score + classes / 2), 0, classes - 1)
    return np.column_stack((labels, features))


def as_csv(table: np.ndarray, delimiter: str = ",") -> str:
    return "".join(delimiter.join(f"{x:g}" for x in row) + "\n" for row in table)


def as_libsvm(table: np.ndarray) -> str:
    return "".join(
        f"{row[0]:g} " + " ".join(f"{i}:{x:g}" for i, x in enumerate(row[1:])) + "\n"
        for row in table
    )


TRAIN, VALIDATION = rows(200, 1), rows(60, 2)
CSV = {"train": {"train.csv": as_csv(TRAIN)}, "validation": {"validation.csv": as_csv(VALIDATION)}}
TRAIN_ONLY = {"train": CSV["train"]}

Train = Callable[..., Outcome]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    def on(hyperparameters: dict[str, str], channels=CSV, **config: str) -> Outcome:
        return run(build(tmp_path / "ml", hyperparameters, channels, **config))

    return on


def matrix(table: np.ndarray) -> xgboost.DMatrix:
    return xgboost.DMatrix(table[:, 1:], table[:, 0], nthread=1)


def directly(parameters: dict[str, object], num_round: int, **more: object):
    """What the xgboost package gives when it is called by hand."""
    results: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        {"nthread": 1, **parameters},
        matrix(TRAIN),
        num_round,
        evals=[(matrix(TRAIN), "train"), (matrix(VALIDATION), "validation")],
        evals_result=results,
        verbose_eval=False,
        **more,
    )
    return booster, results


def loaded(path: Path) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    return booster


# ---- results ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"eta": "0.1", "max_depth": "3", "subsample": "0.7", "colsample_bytree": "0.6"},
        {"booster": "dart", "rate_drop": "0.3"},
        {"booster": "gblinear", "updater": "coord_descent", "lambda": "0.5"},
        {"tree_method": "exact", "monotone_constraints": "(1,0,0,0,-1)"},
        {"tree_method": "hist", "interaction_constraints": "[[1,2],[3,4]]"},
    ],
    ids=lambda extra: next(iter(extra), "defaults"),
)
def test_the_model_is_the_one_that_xgboost_trains_when_called_directly(
    extra: dict[str, str], train: Train
) -> None:
    outcome = train(BINARY | extra)
    parameters = {name: value for name, value in BINARY.items() if name != "num_round"} | extra
    expected, results = directly(parameters, 5)
    assert outcome.code == 0, outcome.output
    ours = loaded(outcome.model)
    assert ours.num_boosted_rounds() == expected.num_boosted_rounds()
    assert np.array_equal(ours.predict(matrix(VALIDATION)), expected.predict(matrix(VALIDATION)))
    assert outcome.rounds == [
        f"[{index}]\ttrain-logloss:{ours:.5f}\tvalidation-logloss:{theirs:.5f}"
        for index, (ours, theirs) in enumerate(
            zip(results["train"]["logloss"], results["validation"]["logloss"], strict=True)
        )
    ]


def test_lines_of_a_round_are_matched_by_the_declared_regexes(train: Train) -> None:
    outcome = train(
        BINARY | {"eval_metric": "auc,error", "_tuning_objective_metric": "validation:f1"}
    )
    manifest = json.loads((CONTAINERS / "xgboost" / "container.json").read_text())
    line = next(line for line in outcome.lines if "[4]" in line).replace("\t", "#011")
    found = {
        item["Name"]
        for item in manifest["metrics"]
        if (match := re.search(item["Regex"], line)) and 0 <= float(match[1]) <= 1
    }
    assert found == {
        f"{part}:{m}" for part in ("train", "validation") for m in ("auc", "error", "f1")
    }


def test_csv_and_libsvm_give_the_same_model(tmp_path: Path) -> None:
    sparse = {"train": {"a.svm": as_libsvm(TRAIN)}, "validation": {"b.svm": as_libsvm(VALIDATION)}}
    dense = run(build(tmp_path / "csv", BINARY, CSV))
    for place, kind in enumerate([None, "text/x-libsvm", "libsvm"]):
        outcome = run(build(tmp_path / str(place), BINARY, sparse, content_type=kind))
        assert outcome.rounds == dense.rounds


@pytest.mark.parametrize("kind", ["csv", "text/csv; label_size=1", "text/csv;charset=utf-8"])
def test_files_of_a_channel_are_read_in_the_order_of_their_paths(
    kind: str, tmp_path: Path
) -> None:
    parts = {
        "train": {
            "b/2.csv": as_csv(TRAIN[150:]),
            "a.csv": as_csv(TRAIN[:50]),
            "b/1.csv": as_csv(TRAIN[50:150]),
            "b/_SUCCESS": "",
        },
        "validation": CSV["validation"],
    }
    split = run(build(tmp_path / "split", BINARY, parts, content_type=kind))
    assert split.rounds == run(build(tmp_path / "whole", BINARY, CSV)).rounds


def test_csv_through_a_pipe_is_read_as_from_files(tmp_path: Path) -> None:
    root = build(
        tmp_path / "piped", BINARY, {"train": {}, "validation": {}}, TrainingInputMode="Pipe"
    )
    for name, files in CSV.items():
        fifo = root / "input" / "data" / f"{name}_0"
        os.mkfifo(fifo)
        threading.Thread(target=fifo.write_text, args=files.values(), daemon=True).start()
    piped = run(root)
    assert piped.code == 0, piped.output
    assert piped.rounds == run(build(tmp_path / "whole", BINARY, CSV)).rounds


def test_empty_cells_are_missing_values_and_quotes_and_tabs_are_read(train: Train) -> None:
    table = TRAIN.copy()
    table[::7, 3] = np.nan
    text = as_csv(table, "\t").replace("nan", "")
    quoted = re.sub(r"^(\d)", r'"\1"', text, flags=re.MULTILINE)
    outcome = train(BINARY, {"train": {"a.csv": quoted}})
    expected = xgboost.train(
        {"objective": "binary:logistic", "seed": 7, "nthread": 1}, matrix(table), 5
    )
    assert np.array_equal(
        loaded(outcome.model).predict(matrix(VALIDATION)), expected.predict(matrix(VALIDATION))
    )


def test_csv_weights_makes_the_second_column_the_weight_of_the_row(train: Train) -> None:
    weights = np.where(TRAIN[:, 1] > 0, 3.0, 0.5)
    table = np.column_stack((TRAIN[:, 0], weights, TRAIN[:, 1:]))
    outcome = train(BINARY | {"csv_weights": "1"}, {"train": {"a.csv": as_csv(table)}})
    expected = xgboost.train(
        {"objective": "binary:logistic", "seed": 7, "nthread": 1},
        xgboost.DMatrix(TRAIN[:, 1:], TRAIN[:, 0], weight=weights, nthread=1),
        5,
    )
    assert np.array_equal(
        loaded(outcome.model).predict(matrix(VALIDATION)), expected.predict(matrix(VALIDATION))
    )


def test_groups_of_libsvm_rows_are_ranked(train: Train) -> None:
    lines = as_libsvm(TRAIN).splitlines()
    grouped = "\n".join(
        line.replace(" ", f" qid:{place // 20} ", 1) for place, line in enumerate(lines)
    )
    hyperparameters = {"num_round": "3", "objective": "rank:ndcg", "eval_metric": "ndcg@5,map"}
    outcome = train(hyperparameters, {"train": {"a": grouped}}, content_type="text/libsvm")
    assert outcome.code == 0, outcome.output
    assert re.fullmatch(r"\[2\]\ttrain-ndcg@5:\S+\ttrain-map:\S+", outcome.rounds[-1])


def test_aliases_are_taken_for_the_hyperparameters_they_stand_for(tmp_path: Path) -> None:
    alias = {"learning_rate": "0.2", "reg_lambda": "3", "reg_alpha": "0.1", "min_split_loss": "1"}
    names = {"eta": "0.2", "lambda": "3", "alpha": "0.1", "gamma": "1"}
    first = run(build(tmp_path / "1", BINARY | alias, CSV))
    assert first.rounds == run(build(tmp_path / "2", BINARY | names, CSV)).rounds


# ---- early stopping --------------------------------------------------------------------------


def test_early_stopping_follows_the_objective_and_keeps_the_best_round(train: Train) -> None:
    outcome = train(
        BINARY
        | {
            "num_round": "200",
            "eta": "1",
            "eval_metric": "error",
            "early_stopping_rounds": "3",
            "_tuning_objective_metric": "validation:logloss",
        }
    )
    losses = [float(re.search(r"validation-logloss:(\S+)", line)[1]) for line in outcome.rounds]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 200
    assert loaded(outcome.model).num_boosted_rounds() == best + 1


def test_early_stopping_maximizes_a_metric_where_more_is_better(train: Train) -> None:
    outcome = train(
        BINARY | {"num_round": "200", "eval_metric": "auc", "early_stopping_rounds": "4"}
    )
    scores = [float(re.search(r"validation-auc:(\S+)", line)[1]) for line in outcome.rounds]
    assert scores[0] < max(scores)
    assert 5 < len(scores) < 200


def test_early_stopping_without_validation_is_said_to_have_no_effect(train: Train) -> None:
    outcome = train(BINARY | {"early_stopping_rounds": "1", "eval_metric": "auc"}, TRAIN_ONLY)
    assert len(outcome.rounds) == 5
    assert "early_stopping_rounds has no effect" in outcome.output


# ---- refusals --------------------------------------------------------------------------------

MULTI = "Require input for parameter 'num_class' for multi-classification"


@pytest.mark.parametrize(
    ("hyperparameters", "text"),
    [
        ({"objective": "binary:logistic"}, "Missing required hyperparameter: num_round"),
        (BINARY | {"depth": "3"}, "Extraneous hyperparameter found: depth"),
        (BINARY | {"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +inf)"),
        (BINARY | {"eta": "1.5"}, "Hyperparameter eta: 1.5 is not in [0, 1]"),
        (BINARY | {"eta": "nan"}, "Hyperparameter eta: nan is not in [0, 1]"),
        (BINARY | {"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        (BINARY | {"max_depth": "3.5"}, "Hyperparameter max_depth: could not parse value"),
        (BINARY | {"booster": "forest"}, "Hyperparameter booster: forest is not in ["),
        (BINARY | {"objective": "multi:softmax"}, MULTI),
        (BINARY | {"num_class": "3"}, "Do not need to setup parameter 'num_class'"),
        (BINARY | {"eval_metric": "auc,accuracies"}, "Hyperparameter eval_metric: value ['auc', "),
        (BINARY | {"eval_metric": "auc@2"}, "Metric 'auc@2' is not supported."),
        ({"num_round": "1", "eval_metric": "auc"}, "Metric 'auc' can only be applied for"),
        (
            BINARY | {"_tuning_objective_metric": "train:auc"},
            "_tuning_objective_metric: train:auc",
        ),
        (BINARY | {"monotone_constraints": "(1,0)"}, "monotone_constraints can be used only when"),
        (BINARY | {"monotone_constraints": "__import__('os')"}, "could not parse value"),
        (BINARY | {"updater": "grow"}, "Tree updater should be selected from these options"),
        (BINARY | {"tree_method": "gpu_hist"}, "tree_method=gpu_hist needs a GPU"),
        (BINARY | {"_kfold": "3"}, "cross validation is not supported here"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:50],
)
def test_wrong_hyperparameters_are_refused_in_aws_words(
    hyperparameters: dict[str, str], text: str, train: Train
) -> None:
    outcome = train(hyperparameters)
    assert outcome.code == 1
    assert text in outcome.failure
    assert text in outcome.output
    assert "Traceback" not in outcome.output
    assert not outcome.model.exists()


BAD_DATA = [
    ({"a.csv": "label,x,y\n1,2,3\n"}, "text/csv", "line 1, column 1: 'label' is not a number"),
    ({"a.csv": "1,2,3\n0,2\n"}, "text/csv", "line 2 has 2 columns, the first has 3"),
    ({"a.csv": "1,2\n", "b.csv": "1,2,3\n"}, "text/csv", "'b.csv' has 3 columns, 'a.csv' has 2"),
    ({"a.csv": "word\n"}, "text/csv", "Could not determine delimiter on line word"),
    ({"a.csv": "1,2,3\n5,1,1\n"}, "text/csv", "label must be in"),
    ({"a.csv": "1,inf,3\n0,1,1\n"}, "text/csv", "contains `inf`"),
    ({"a.csv": ""}, "text/csv", "No data in training channel path"),
    ({"a.csv": "\n\n"}, "text/csv", "Could not determine delimiter"),
    ({".a.csv": "1,2\n"}, "text/csv", "Hidden file found in the data path!"),
    ({"a.csv": "1,2,3\n"}, "text/csv; label_size=2", "label_size must be equal to 1"),
    ({"a.csv": "1,2,3\n"}, "image/png", "image/png is not an accepted ContentType"),
    ({"a.csv": "1,2,3\n"}, "application/x-parquet", "is not supported here: use text/csv"),
    ({"a.csv": "1,2,3\n"}, "text/csv; charset=klingon", "a charset that does not exist"),
    ({"a.csv": "1,2,3\n"}, None, "First line '1,2,3...' of file 'a.csv' is not 'LIBSVM' format"),
    ({"a": "1 0:1\n0 0:1 x\n"}, "text/libsvm", "Line 2 '0 0:1 x...' of file 'a'"),
    ({"a": "1:2 0:1\n0 0:1\n"}, "text/libsvm", "1 of 2 rows have a weight"),
]


@pytest.mark.parametrize(
    ("files", "kind", "text"), BAD_DATA, ids=[item[2][:50] for item in BAD_DATA]
)
def test_wrong_data_are_refused_with_the_place_and_without_a_traceback(
    files: dict[str, str], kind: str | None, text: str, train: Train
) -> None:
    outcome = train(BINARY, {"train": files}, content_type=kind)
    assert outcome.code == 1
    assert text in outcome.failure
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize(
    ("channels", "config", "text"),
    [
        ({"validation": CSV["validation"]}, {}, "Missing required channel: train"),
        (CSV | {"test": CSV["train"]}, {}, "Extraneous channel found: test"),
        (CSV | {"validation": {}}, {}, "No data in validation channel path"),
        (
            CSV,
            {"TrainingInputMode": "Pipe", "content_type": "text/libsvm"},
            "Pipe mode not supported for LibSVM.",
        ),
    ],
)
def test_wrong_channels_are_refused(
    channels: dict[str, dict[str, str]], config: dict[str, str], text: str, train: Train
) -> None:
    outcome = train(BINARY, channels, **config)
    assert outcome.code == 1
    assert text in outcome.failure


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    root = build(tmp_path, BINARY, TRAIN_ONLY)
    (root / "input" / "data" / "train" / "train.csv").write_bytes(b"1,\xff\xfe,\x00\x01\n" * 9)
    outcome = run(root)
    assert outcome.code == 1
    assert "Failed to load csv data with exception" in outcome.failure
    assert "Traceback" not in outcome.output


def test_a_broken_configuration_file_is_named(tmp_path: Path) -> None:
    root = build(tmp_path, BINARY, CSV)
    (root / "input" / "config" / "hyperparameters.json").write_text("{")
    outcome = run(root)
    assert outcome.code == 1
    assert "hyperparameters.json cannot be read" in outcome.failure


# ---- stopping --------------------------------------------------------------------------------


def stopped_in_training(root: Path) -> tuple[int, str]:
    """Exit code and output of a program that got SIGTERM after its first rounds."""
    process = start(root)
    assert process.stdout is not None
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        seen = []
        for line in process.stdout:  # to the end: communicate() would lose what is read ahead
            seen.append(line)
            if line.startswith("[3]"):
                process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        limit.cancel()
        process.kill()
    return process.returncode, "".join(seen)


ENDLESS = BINARY | {"num_round": "1000000", "max_depth": "2"}


def test_sigterm_saves_the_model_of_the_rounds_so_far_when_asked(tmp_path: Path) -> None:
    root = build(tmp_path, ENDLESS | {"save_model_on_termination": "true"}, CSV)
    code, output = stopped_in_training(root)
    assert code == 0, output
    assert [path.name for path in (root / "model").iterdir()] == ["xgboost-model"]
    rounds = loaded(root / "model" / "xgboost-model").num_boosted_rounds()
    printed = output.count("\ttrain-logloss")
    assert 4 <= rounds <= printed + 1


def test_sigterm_without_it_ends_the_program_without_a_model(tmp_path: Path) -> None:
    root = build(tmp_path, ENDLESS, CSV)
    code, output = stopped_in_training(root)
    assert code == 128 + signal.SIGTERM
    assert "Stopped by SIGTERM" in output
    assert not (root / "model" / "xgboost-model").exists()


# ---- start -----------------------------------------------------------------------------------


def test_scikit_learn_and_pandas_are_not_imported(tmp_path: Path) -> None:
    root = build(tmp_path, BINARY | {"eval_metric": "accuracy,f1,r2,auc"}, CSV)
    program = (
        "import atexit, os, runpy, sys\n"
        "def check(code):\n"
        "    bad = {'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "    sys.exit(f'imported {bad}' if bad else code)\n"
        f"sys.path.insert(0, {str(CONTAINERS / 'xgboost')!r}); sys.argv = ['train']\n"
        f"runpy.run_path({str(CONTAINERS / 'xgboost' / 'train')!r}); check(0)\n"
    )
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(root)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


def test_the_number_of_threads_is_the_share_of_cpus_given(tmp_path: Path) -> None:
    root = build(tmp_path, BINARY | {"verbosity": "3"}, CSV)
    assert run(root, OMP_NUM_THREADS="1").code == 0
    config = json.loads(loaded(root / "model" / "xgboost-model").save_config())
    assert config["learner"]["generic_param"]["nthread"] in ("0", "1")
