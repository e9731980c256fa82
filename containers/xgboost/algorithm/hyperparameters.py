"""Hyperparameters from AWS's strings to xgboost's parameters, refused in AWS's words.

Ranges and rules: docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html and the
public source of the AWS container.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from .manifest import hyperparameter_declarations, metric_names, objective_metrics
from .platform import UserError

ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}

_TREE_BUILDERS = ("grow_colmaker", "distcol", "grow_histmaker", "grow_quantile_histmaker")
_TREE_UPDATERS = (*_TREE_BUILDERS, "grow_skmaker", "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
_THRESHOLD_METRICS = ("error", "ndcg", "map")


def validate(given: Mapping[str, str]) -> dict[str, Any]:
    """All hyperparameters parsed, under their own names; raises UserError for the first fault."""
    named = {ALIASES.get(name, name): value for name, value in given.items()}
    declarations = hyperparameter_declarations()
    for name, declaration in declarations.items():
        if declaration["Required"] and name not in named:
            raise UserError(f"Missing required hyperparameter: {name}")
    parsed = {}
    for name, value in named.items():
        if name not in declarations:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        parsed[name] = _parse(name, declarations[name]["Type"], value)
    for name, value in parsed.items():
        _check_range(name, declarations[name], value)
    for rule in _RULES:
        rule(parsed)
    return parsed


# ---- one hyperparameter ----------------------------------------------------------------------


def _parse(name: str, kind: str, value: str) -> Any:
    try:
        return _PARSERS.get(name, _PARSERS_BY_TYPE[kind])(str(value))
    except (ValueError, SyntaxError) as error:
        cause = type(error).__name__
        raise UserError(
            f"Hyperparameter {name}: could not parse value (caused by {cause})"
        ) from error


def _parse_list(value: str) -> list[str]:
    return value.split(",")


def _parse_tuple(value: str) -> tuple[int, ...]:
    items = ast.literal_eval(value)
    if not isinstance(items, (tuple, list)) or not all(isinstance(item, int) for item in items):
        raise ValueError("not a tuple of integers")
    return tuple(items)


def _parse_nested(value: str) -> list[list[int]]:
    groups = ast.literal_eval(value)
    if not isinstance(groups, (tuple, list)):
        raise ValueError("not a list of lists")
    return [list(_parse_tuple(repr(group))) for group in groups]


_PARSERS_BY_TYPE: dict[str, Callable[[str], Any]] = {
    "Integer": int,
    "Continuous": float,
    "Categorical": str,
    "FreeText": str,
}
_PARSERS: dict[str, Callable[[str], Any]] = {
    "updater": _parse_list,
    "eval_metric": _parse_list,
    "monotone_constraints": _parse_tuple,
    "interaction_constraints": _parse_nested,
}


def _check_range(name: str, declaration: Mapping[str, Any], value: Any) -> None:
    allowed = declaration.get("Range")
    if isinstance(allowed, str) and not within(value, allowed):
        raise UserError(f"Hyperparameter {name}: {value} is not in {allowed}")
    if isinstance(allowed, list) and value not in allowed:
        raise UserError(f"Hyperparameter {name}: {value} is not in {allowed}")


def within(value: float, interval: str) -> bool:
    """Whether a number lies in an interval written as `[0, 1)`; NaN lies in none."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    return above and below


# ---- rules over several ----------------------------------------------------------------------


def _updater_rule(given: Mapping[str, Any]) -> None:
    updaters = given.get("updater")
    if updaters is None:
        return
    if given.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            options = ", ".join(f"'{name}'" for name in _LINEAR_UPDATERS)
            raise UserError(f"Linear updater should be one of these options: {options}.")
    elif given.get("process_type") == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise UserError(
                "process_type 'update' can only be used with updater 'refresh' and 'prune'"
            )
    elif not set(updaters) <= set(_TREE_UPDATERS):
        options = ", ".join(f"'{name}'" for name in _TREE_UPDATERS)
        raise UserError(f"Tree updater should be selected from these options: {options}.")
    elif sum(name in _TREE_BUILDERS for name in updaters) > 1:
        options = ", ".join(f"'{name}'" for name in _TREE_BUILDERS)
        raise UserError(
            f"Only one tree grow plugin can be selected. Choose one from the following: {options}"
        )


def _objective_rule(given: Mapping[str, Any]) -> None:
    multi = given.get("objective") in ("multi:softmax", "multi:softprob")
    if multi and "num_class" not in given:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if not multi and "num_class" in given:
        raise UserError(
            "Do not need to setup parameter 'num_class' for learning task other than "
            "multi-classification."
        )


def _eval_metric_rule(given: Mapping[str, Any]) -> None:
    metrics = given.get("eval_metric", [])
    for metric in metrics:
        _check_metric(metric, metrics)
    objective = given.get("objective", "reg:squarederror")
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        raise UserError(
            "Metric 'auc' can only be applied for classification and ranking problems."
        )
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_metric(metric: str, metrics: list[str]) -> None:
    name, at, threshold = metric.partition("@")
    if not at:
        if name not in metric_names():
            raise UserError(
                f"Hyperparameter eval_metric: value {metrics} not in range {metric_names()}"
            )
        return
    if name not in _THRESHOLD_METRICS:
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized "
            "threshold should be one of these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(threshold.removesuffix("-"))
    except ValueError:
        raise UserError(f"Threshold value 't' in '{name}@t' expects float input.") from None


def _tuning_objective_rule(given: Mapping[str, Any]) -> None:
    metric = given.get("_tuning_objective_metric")
    if metric is not None and metric not in objective_metrics():
        raise UserError(
            f"Hyperparameter _tuning_objective_metric: {metric} is not in "
            f"{list(objective_metrics())}"
        )


def _constraint_rules(given: Mapping[str, Any]) -> None:
    method = given.get("tree_method")
    monotone = given.get("monotone_constraints")
    if monotone is not None:
        if not set(monotone) <= {-1, 0, 1}:
            raise UserError(
                f"Hyperparameter monotone_constraints: value {monotone} not in range [-1, 0, 1]"
            )
        if method not in ("exact", "hist"):
            raise UserError(
                "monotone_constraints can be used only when the tree_method parameter is set to "
                "either 'exact' or 'hist'."
            )
    if given.get("interaction_constraints") is not None and method not in (
        "exact",
        "hist",
        "approx",
    ):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is set to "
            "either 'exact', 'hist' or 'approx'."
        )


def _unserved_rule(given: Mapping[str, Any]) -> None:
    """What AWS's image can do and this one cannot."""
    for name in ("_kfold", "_num_cv_round"):
        if name in given:
            raise UserError(f"Hyperparameter {name}: cross validation is not supported here.")
    if given.get("use_dask_gpu_training") == "true":
        raise UserError(
            "Hyperparameter use_dask_gpu_training: training on several GPUs is not supported here."
        )


_RULES: tuple[Callable[[Mapping[str, Any]], None], ...] = (
    _updater_rule,
    _objective_rule,
    _eval_metric_rule,
    _tuning_objective_rule,
    _constraint_rules,
    _unserved_rule,
)
