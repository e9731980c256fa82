"""What a strategy asks of a tuning job, and how many training jobs there may be.

Sources: docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html,
automatic-model-tuning-how-it-works.html, API_HyperParameterTuningJobConfig.html and
API_HyperbandStrategyConfig.html; the texts on combinations and MaxResource are the service's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tuner.domain.definitions import (
    EarlyStoppingType,
    HyperbandStrategyConfig,
    TuningJobRequest,
)
from tuner.domain.errors import Fault
from tuner.domain.rules_ranges import combinations

MAX_TRAINING_JOBS = 750
MAX_TRAINING_JOBS_OF_OTHERS = 10_000
STRATEGIES_OF_MAX_TRAINING_JOBS = ("Bayesian", "Grid", "Hyperband")
"""Those that AWS has the smaller quota for. Random's is the larger one, and strategies that AWS
does not know have no reason for less."""
MAX_PARALLEL_TRAINING_JOBS = 100
MAX_HYPERBAND_RESOURCE = 20_000

NAMES_OF_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters that Hyperband takes its MaxResource from."""

_CONFIG = "HyperParameterTuningJobConfig."
_LIMITS = f"{_CONFIG}ResourceLimits."


def default_max_number(request: TuningJobRequest) -> int:
    """MaxNumberOfTrainingJobs where the user gave none: all combinations, up to the quota."""
    count = _combinations_of(request)
    return MAX_TRAINING_JOBS if count is None else min(count, MAX_TRAINING_JOBS)


def strategy_faults(request: TuningJobRequest) -> Iterator[Fault]:
    config = request.hyper_parameter_tuning_job_config
    hyperband = (
        config.strategy_config.hyperband_strategy_config if config.strategy_config else None
    )
    if config.strategy == "Hyperband":
        yield from _hyperband_faults(request, hyperband or HyperbandStrategyConfig())
    elif config.strategy_config is not None:
        text = "StrategyConfig is only supported for the strategy Hyperband."
        yield Fault(f"{_CONFIG}StrategyConfig", text)


def _hyperband_faults(
    request: TuningJobRequest, hyperband: HyperbandStrategyConfig
) -> Iterator[Fault]:
    config = request.hyper_parameter_tuning_job_config
    if config.training_job_early_stopping_type is EarlyStoppingType.AUTO:
        text = "The strategy Hyperband stops training jobs itself: set it to Off."
        yield Fault(f"{_CONFIG}TrainingJobEarlyStoppingType", text)
    member = f"{_CONFIG}StrategyConfig.HyperbandStrategyConfig"
    low, high = hyperband.min_resource, hyperband.max_resource
    if high is None:
        static = [item.static_hyper_parameters or {} for item in request.definitions]
        if not all(any(name in values for name in NAMES_OF_EPOCHS) for values in static):
            yield Fault(
                f"{member}.MaxResource",
                "MaxResource parameter is not provided and could not be inferred from provided "
                "static hyperparameters of TrainingJobDefinition.",
            )
        return
    if high > MAX_HYPERBAND_RESOURCE:
        text = f"MaxResource must be less than or equal to {MAX_HYPERBAND_RESOURCE}."
        yield Fault(f"{member}.MaxResource", text)
    if low is not None and low > high:
        yield Fault(f"{member}.MinResource", "MinResource must not be greater than MaxResource.")


def limit_faults(request: TuningJobRequest, countable: bool) -> Iterator[Fault]:
    """`countable`: all ranges are without fault, so that combinations can be counted."""
    config = request.hyper_parameter_tuning_job_config
    limits = config.resource_limits
    number, parallel = limits.max_number_of_training_jobs, limits.max_parallel_training_jobs
    if parallel > MAX_PARALLEL_TRAINING_JOBS:
        name, quota = "parallel training jobs", MAX_PARALLEL_TRAINING_JOBS
        yield _over_quota(f"{_LIMITS}MaxParallelTrainingJobs", name, quota, parallel)
    if number is not None and parallel > number:
        yield Fault(
            f"{_LIMITS}MaxParallelTrainingJobs",
            f"The value of MaxParallelTrainingJobs, [{parallel}], must be less than or equal to "
            f"the value of MaxNumberOfTrainingJobs, [{number}].",
        )
    few = config.strategy in STRATEGIES_OF_MAX_TRAINING_JOBS
    quota = MAX_TRAINING_JOBS if few else MAX_TRAINING_JOBS_OF_OTHERS
    if number is not None and number > quota:
        yield _over_quota(f"{_LIMITS}MaxNumberOfTrainingJobs", "training jobs", quota, number)
    if config.strategy == "Grid":
        yield from _grid_faults(request, countable)
    elif countable and number is not None:
        count = _combinations_of(request)
        if count is not None and count < number:
            yield Fault(
                f"{_LIMITS}MaxNumberOfTrainingJobs",
                "You don't have enough combinations of hyperparameter ranges. The total number of "
                f"hyperparameter combinations for the provided ranges [{float(count)}] must be "
                f"equal or greater than the value of MaxNumberOfJobs, [{number}]. Provide "
                "additional ranges.",
            )


def _grid_faults(request: TuningJobRequest, countable: bool) -> Iterator[Fault]:
    numeric = []
    for definition in request.definitions:
        ranges = request.ranges_of(definition)
        numeric += [item.name for item in ranges.integer_parameter_ranges]
        numeric += [item.name for item in ranges.continuous_parameter_ranges]
    if numeric:
        yield Fault(
            f"{_CONFIG}Strategy",
            "The strategy Grid supports categorical hyperparameters only. Other ranges are given "
            f"for [{', '.join(numeric)}].",
        )
    elif countable:
        limits = request.hyper_parameter_tuning_job_config.resource_limits
        number, count = limits.max_number_of_training_jobs, _combinations_of(request) or 0
        if number is not None and number != count:
            yield Fault(
                f"{_LIMITS}MaxNumberOfTrainingJobs",
                "With the strategy Grid, the value of MaxNumberOfTrainingJobs, "
                f"[{number}], must be equal to the total number of "
                f"hyperparameter combinations for the provided ranges, [{count}].",
            )
        elif count > MAX_TRAINING_JOBS:
            member = f"{_LIMITS}MaxNumberOfTrainingJobs"
            yield _over_quota(member, "training jobs", MAX_TRAINING_JOBS, count)


def _combinations_of(request: TuningJobRequest) -> int | None:
    """Of all definitions together; None when one of them has a continuous range."""
    total = 0
    for definition in request.definitions:
        count = combinations(request.ranges_of(definition))
        if count is None:
            return None
        total += count
    return total


def _over_quota(path: str, name: str, quota: int, wanted: int) -> Fault:
    text = (
        f"The account-level service limit 'Maximum number of {name} per hyperparameter tuning "
        f"job' is {quota}, with a request of {wanted}."
    )
    return Fault(path, text, quota=True)
