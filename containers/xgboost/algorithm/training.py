"""One training: parameters, rounds, early stopping, and the model that is kept."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

from .checkpoints import newest, progress
from .data import Table, matrix, read_channels
from .evaluation import added_metrics, evaluator
from .loading import load_xgboost
from .manifest import is_maximized
from .platform import Platform, UserError, log, log_from_handler

MODEL_NAME = "xgboost-model"
DEFAULT_OBJECTIVE = "reg:squarederror"

# What xgboost says of data or parameters that do not fit each other: the user's to mend, so it
# is reported as it is. Everything else carries AWS's prefix.
_CUSTOMER_ERRORS = (
    "label must be",
    "can only be used with binary labels",
    "feature_names mismatch",
    "preds.size() == info.labels_.size()",
    "the dataset only contains pos or neg samples",
    "base_score",
    "Parameter reg_lambda should be greater equal to 0",
)


def run(platform: Platform, hyperparameters: dict[str, Any]) -> None:
    """Train on the platform's data and save the model; raises UserError."""
    xgboost = _xgboost()
    _check_gpu(xgboost, hyperparameters)
    if len(platform.hosts) == 1:
        tables = _tables(platform, hyperparameters)
        log("Single node training.")
        _train_and_save(xgboost, platform, hyperparameters, tables)
    else:
        _run_distributed(xgboost, platform, hyperparameters)


def _run_distributed(xgboost: Any, platform: Platform, hyperparameters: dict[str, Any]) -> None:
    from .hosts import Report, together

    log(f"Distributed node training with {len(platform.hosts)} hosts: {list(platform.hosts)}")
    tables: dict[str, Table | None] = {}
    failure = None
    try:
        tables = read_channels(platform, bool(hyperparameters.get("csv_weights")))
    except UserError as error:
        failure = str(error)
    complete = failure is None and all(table is not None for table in tables.values())
    with together(platform, Report(platform.host, complete, failure), xgboost) as takes_part:
        if takes_part:
            _train_and_save(xgboost, platform, hyperparameters, tables)


def _tables(platform: Platform, hyperparameters: dict[str, Any]) -> dict[str, Table | None]:
    tables = read_channels(platform, bool(hyperparameters.get("csv_weights")))
    for name, table in tables.items():
        if table is None:
            label = "training" if name == "train" else name
            raise UserError(f"No data in {label} channel path {platform.channel(name)}")
    return tables


# ---- parameters ------------------------------------------------------------------------------


def _xgboost() -> Any:
    try:
        xgboost = load_xgboost()
    except ImportError as error:
        raise UserError(
            f"xgboost cannot be imported by {sys.executable} ({error}): "
            "pip install 'amtlocal[xgboost]'"
        ) from error
    warnings.showwarning = lambda message, *_, **__: log(message, "WARNING")
    return xgboost


def _check_gpu(xgboost: Any, hyperparameters: dict[str, Any]) -> None:
    count = int(os.environ.get("SM_NUM_GPUS") or 0)
    log(f"Determined {count} GPU(s) available on the instance.")
    wanted = [
        f"{name}={hyperparameters[name]}"
        for name in ("tree_method", "predictor")
        if hyperparameters.get(name, "").startswith("gpu_")
    ]
    if wanted and (count == 0 or not xgboost.build_info()["USE_CUDA"]):
        raise UserError(
            f"{wanted[0]} needs a GPU and an xgboost built with CUDA: this instance has "
            f"{count} GPU(s). Use tree_method=hist."
        )


def _parameters(hyperparameters: dict[str, Any], metrics: list[str] | None) -> dict[str, Any]:
    """What `xgboost.train` takes as params."""
    ours = (
        "num_round",
        "csv_weights",
        "early_stopping_rounds",
        "save_model_on_termination",
        "use_dask_gpu_training",
        "_tuning_objective_metric",
        "predictor",  # gone since xgboost 2; it never changed what is learnt
        "eval_metric",
    )
    parameters = {name: value for name, value in hyperparameters.items() if name not in ours}
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in parameters:  # as text they speak of columns, not of feature names
            parameters[name] = str(parameters[name])
    if parameters.get("tree_method") == "gpu_hist":
        parameters |= {"tree_method": "hist", "device": "cuda"}
    if parameters.get("objective") == "reg:linear":
        log("reg:linear is now deprecated in favor of reg:squarederror.", "WARNING")
        parameters["objective"] = "reg:squarederror"
    if metrics:
        parameters["eval_metric"] = metrics
    return parameters | _threads(hyperparameters)


def _threads(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """xgboost does not look at OMP_NUM_THREADS, which is how a share of the CPUs is given."""
    share = os.environ.get("OMP_NUM_THREADS", "")
    if "nthread" in hyperparameters or not share.isdigit() or int(share) < 1:
        return {}
    return {"nthread": int(share)}


def _evaluation(hyperparameters: dict[str, Any]) -> tuple[list[str], str | None]:
    """Metrics to compute in every round, and the one that early stopping looks at."""
    chosen = hyperparameters.get("eval_metric")
    tuned = hyperparameters.get("_tuning_objective_metric")
    if tuned is None:
        return chosen or [], chosen[-1] if chosen else None
    objective = tuned.split(":")[1]
    log(f"Setting up HPO optimized metric to be : {objective}")
    # Sorted, so that it is the same order on all hosts.
    return sorted({*(chosen or []), objective}), objective


# ---- training --------------------------------------------------------------------------------


def _train_and_save(
    xgboost: Any,
    platform: Platform,
    hyperparameters: dict[str, Any],
    tables: dict[str, Table | None],
) -> None:
    names, watched = _evaluation(hyperparameters)
    added = added_metrics(names)
    parameters = _parameters(hyperparameters, [name for name in names if name not in added])
    threads = {"nthread": parameters["nthread"]} if "nthread" in parameters else {}
    matrices = {
        name: matrix(table, xgboost.DMatrix, threads)
        for name, table in tables.items()
        if table is not None
    }
    train = matrices["train"]
    log(f"Train matrix has {train.num_row()} rows and {train.num_col()} columns")
    if "validation" in matrices:
        log(f"Validation matrix has {matrices['validation'].num_row()} rows")
    master = xgboost.collective.get_rank() == 0
    begun, rounds = newest(xgboost, platform.checkpoints)
    callbacks = [  # the one that may end the training comes last
        *progress(xgboost, platform.checkpoints if master else None, rounds),
        *_callbacks(xgboost, platform, hyperparameters, watched, matrices, master),
    ]
    try:
        booster = xgboost.train(
            parameters,
            train,
            hyperparameters["num_round"] - rounds,
            evals=[(matrices[name], name) for name in ("train", "validation") if name in matrices],
            custom_metric=evaluator(added, hyperparameters.get("objective", DEFAULT_OBJECTIVE)),
            callbacks=callbacks,
            xgb_model=begun,
            verbose_eval=False,
        )
    except ValueError as error:  # XGBoostError is one
        raise UserError(_complaint(error, hyperparameters)) from error
    if master:
        save(booster, platform.model_directory)


def _complaint(error: ValueError, hyperparameters: dict[str, Any]) -> str:
    text = str(error).partition("\nStack trace")[0].strip()
    if "base_score must be in (0,1)" in text and "base_score" not in hyperparameters:
        # xgboost takes the mean label for it, before it looks at the labels one by one.
        return f"label must be in [0,1] for logistic regression\n{text}"
    if any(part in text for part in _CUSTOMER_ERRORS):
        return text
    return f"XGB train call failed with exception:\n{text}"


def _callbacks(
    xgboost: Any,
    platform: Platform,
    hyperparameters: dict[str, Any],
    watched: str | None,
    matrices: dict[str, Any],
    master: bool,
) -> list[Any]:
    callbacks = []
    if hyperparameters.get("save_model_on_termination") == "true" and master:
        callbacks.append(_termination_callback(xgboost, platform.model_directory))
    rounds = hyperparameters.get("early_stopping_rounds")
    if rounds is None:
        return callbacks
    if watched is None or "validation" not in matrices:
        log(
            "early_stopping_rounds has no effect without a validation channel and an eval_metric.",
            "WARNING",
        )
        return callbacks
    stopping = xgboost.callback.EarlyStopping(
        rounds=rounds,
        data_name="validation",
        metric_name=watched,
        maximize=is_maximized(watched),
        save_best=master,
    )
    return [*callbacks, stopping]


def _termination_callback(xgboost: Any, directory: Path) -> Any:
    """On SIGTERM the model of the rounds so far is saved and the program ends with 0.

    AWS's image writes the model after every round instead; the file that is left is the same.
    """
    current: list[Any] = []

    def save_and_exit(number: int, frame: FrameType | None) -> None:
        if current:
            save(current[0], directory)
            saved = "Stopped by SIGTERM: saved the model of the rounds so far."
            log_from_handler(saved, "WARNING")
        os._exit(0)

    class Keep(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            current[:] = [model]
            return False

    signal.signal(signal.SIGTERM, save_and_exit)
    return Keep()


def save(booster: Any, directory: Path) -> None:
    """Write the model in one step; the name tells xgboost nothing, so the format (UBJSON, its
    default) is chosen by the temporary file's."""
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f".{MODEL_NAME}.ubj"
    booster.save_model(unfinished)
    unfinished.replace(directory / MODEL_NAME)
