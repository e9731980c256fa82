"""The rules of automatic model tuning that no schema holds, with the service's texts.

A rule is a sentence about a request whose structure has been checked. Texts in quotation marks
in the developer guide or in users' reports of errors are verbatim; where none is known, ours
names the member in the same voice. Sources: docs.aws.amazon.com/sagemaker/latest/dg/
automatic-model-tuning-how-it-works.html, -define-ranges.html, -define-metrics-variables.html,
-limits.html, multiple-algorithm-hpo.html, -warm-start.html.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import (
    OBJECTIVE_HYPER_PARAMETER,
    EarlyStoppingType,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningJobConfig,
    HyperParameterTuningJobObjective,
    TrainingJobRequest,
    TuningJobRequest,
)
from tuner.domain.errors import Fault
from tuner.domain.rules_instances import plain_resource_config, resource_faults
from tuner.domain.rules_limits import limit_faults, strategy_faults
from tuner.domain.rules_ranges import range_faults, tunable_names
from tuner.domain.rules_training import spec_faults, tag_faults
from tuner.domain.rules_unserved import unserved_faults

__all__ = ["training_job_faults", "tuning_job_faults", "unserved_faults"]

MAX_HYPER_PARAMETERS = 100
MAX_ENVIRONMENT = 48

_CONFIG = "HyperParameterTuningJobConfig."
_OBJECTIVE = f"{_CONFIG}HyperParameterTuningJobObjective"
_RANGES = f"{_CONFIG}ParameterRanges"
_NO_METRIC = (
    "A metric is required for this hyperparameter tuning job objective. Provide a metric in the "
    "metric definitions."
)


def tuning_job_faults(
    request: TuningJobRequest, algorithms: Sequence[Algorithm | None]
) -> list[Fault]:
    """Every rule that the request breaks.

    `algorithms` has one entry per definition; None is an image whose metrics are not known.
    """
    places = _places(request)
    faults = [*_definitions_faults(request), *tag_faults(request.tags or ())]
    of_ranges: list[Fault] = []
    for place, algorithm in zip(places, algorithms, strict=True):
        faults += spec_faults(place.definition, algorithm, place.path)
        faults += _tuning_resource_faults(place)
        faults += _objective_faults(place, algorithm)
        faults += _static_faults(place)
        of_ranges += range_faults(request.ranges_of(place.definition), place.ranges_path)
    faults += [*of_ranges, *strategy_faults(request), *_warm_start_faults(request)]
    faults += limit_faults(request, countable=bool(places) and not of_ranges)
    return faults


def training_job_faults(request: TrainingJobRequest, algorithm: Algorithm | None) -> list[Fault]:
    """Every rule that the request breaks; `algorithm` is None for an unknown image."""
    faults = [*spec_faults(request, algorithm, ""), *tag_faults(request.tags or ())]
    if request.resource_config is not None:
        faults += resource_faults(request.resource_config, "ResourceConfig")
    return faults


# ---- definitions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A definition with what it tunes, and where the user wrote these down."""

    definition: HyperParameterTrainingJobDefinition
    path: str
    objective: HyperParameterTuningJobObjective | None
    objective_path: str
    tunable: tuple[str, ...]
    ranges_path: str


def _places(request: TuningJobRequest) -> list[_Place]:
    single = request.training_job_definition is not None
    places = []
    for index, definition in enumerate(request.definitions):
        path = "TrainingJobDefinition." if single else f"TrainingJobDefinitions[{index}]."
        own_objective = not single or definition.tuning_objective is not None
        own_ranges = not single or definition.hyper_parameter_ranges is not None
        places.append(
            _Place(
                definition=definition,
                path=path,
                objective=request.objective_of(definition),
                objective_path=f"{path}TuningObjective" if own_objective else _OBJECTIVE,
                tunable=tuple(tunable_names(request.ranges_of(definition))),
                ranges_path=f"{path}HyperParameterRanges" if own_ranges else _RANGES,
            )
        )
    return places


def _definitions_faults(request: TuningJobRequest) -> Iterator[Fault]:
    several = request.training_job_definitions
    if (request.training_job_definition is None) == (several is None):
        text = "Provide either TrainingJobDefinition or TrainingJobDefinitions, and not both."
        yield Fault("TrainingJobDefinition", text)
    config = request.hyper_parameter_tuning_job_config
    single = request.training_job_definition
    if single is not None:
        yield from _given_twice(config, single)
    elif several is not None:
        yield from _several_definitions_faults(config, several)


def _given_twice(
    config: HyperParameterTuningJobConfig, single: HyperParameterTrainingJobDefinition
) -> Iterator[Fault]:
    """A single definition may carry objective and ranges itself, but not beside the config's."""
    if single.tuning_objective and config.hyper_parameter_tuning_job_objective not in (
        None,
        single.tuning_objective,
    ):
        text = "Provide either HyperParameterTuningJobObjective or TuningObjective, and not both."
        yield Fault("TrainingJobDefinition.TuningObjective", text)
    if single.hyper_parameter_ranges and config.parameter_ranges not in (
        None,
        single.hyper_parameter_ranges,
    ):
        text = "Provide either ParameterRanges or HyperParameterRanges, and not both."
        yield Fault("TrainingJobDefinition.HyperParameterRanges", text)


def _several_definitions_faults(
    config: HyperParameterTuningJobConfig,
    definitions: Sequence[HyperParameterTrainingJobDefinition],
) -> Iterator[Fault]:
    for value, member, instead in (
        (config.hyper_parameter_tuning_job_objective, _OBJECTIVE, "TuningObjective"),
        (config.parameter_ranges, _RANGES, "HyperParameterRanges"),
    ):
        if value is not None:
            text = f"With TrainingJobDefinitions, provide {instead} in each definition instead."
            yield Fault(member, text)
    names = Counter(item.definition_name for item in definitions)
    for index, item in enumerate(definitions):
        path = f"TrainingJobDefinitions[{index}]"
        if item.definition_name is None or names[item.definition_name] > 1:
            text = "Each training job definition must have a unique DefinitionName."
            yield Fault(f"{path}.DefinitionName", text)
        if item.hyper_parameter_ranges is None:
            text = "Provide HyperParameterRanges in each training job definition."
            yield Fault(f"{path}.HyperParameterRanges", text)
    if len({item.tuning_objective.type for item in definitions if item.tuning_objective}) > 1:
        text = "The objectives of all training job definitions must be of one Type."
        yield Fault("TrainingJobDefinitions", text)
    if sum(len(item.environment or ()) for item in definitions) > MAX_ENVIRONMENT:
        text = (
            f"The training job definitions may have at most {MAX_ENVIRONMENT} environment "
            "variables together."
        )
        yield Fault("TrainingJobDefinitions", text)
    if len(definitions) > 1 and config.training_job_early_stopping_type is EarlyStoppingType.AUTO:
        text = "Early stopping isn't supported for several training job definitions."
        yield Fault(f"{_CONFIG}TrainingJobEarlyStoppingType", text)


def _tuning_resource_faults(place: _Place) -> Iterator[Fault]:
    """Both members are given only where the one repeats the other, as Describe answers."""
    plain = place.definition.resource_config
    tuning = place.definition.hyper_parameter_tuning_resource_config
    member = f"{place.path}HyperParameterTuningResourceConfig"
    if plain is None and tuning is None:
        text = "Provide ResourceConfig or HyperParameterTuningResourceConfig."
        yield Fault(f"{place.path}ResourceConfig", text)
    if plain is not None and tuning is not None and plain != plain_resource_config(tuning):
        text = "Provide either ResourceConfig or HyperParameterTuningResourceConfig, and not both."
        yield Fault(member, text)
    if plain is not None:
        yield from resource_faults(plain, f"{place.path}ResourceConfig")
    elif tuning is not None:
        yield from resource_faults(tuning, member)


# ---- objective and static hyperparameters ----------------------------------------------------


def _objective_faults(place: _Place, algorithm: Algorithm | None) -> Iterator[Fault]:
    objective = place.objective
    if objective is None:
        name = place.objective_path.rpartition(".")[2]
        yield Fault(place.objective_path, f"An objective is required. Provide {name}.")
        return
    if algorithm is not None and algorithm.built_in:
        yield from _built_in_objective_faults(place.objective_path, objective, algorithm)
        return
    given = place.definition.algorithm_specification.metric_definitions
    definitions = given or (algorithm.metric_definitions if algorithm else ())
    if objective.metric_name not in {item.name for item in definitions}:
        yield Fault(f"{place.objective_path}.MetricName", _NO_METRIC)


def _built_in_objective_faults(
    path: str, objective: HyperParameterTuningJobObjective, algorithm: Algorithm
) -> Iterator[Fault]:
    """Metrics of built-in algorithms have a direction that the objective must agree with."""
    types = {item.name: item.objective_type for item in algorithm.metrics if item.objective_type}
    wanted = types.get(objective.metric_name)
    if wanted is None:
        yield Fault(
            f"{path}.MetricName",
            f"The objective metric, [{objective.metric_name}], isn't valid for the "
            f"[{algorithm.name}] algorithm. Choose one of: {', '.join(sorted(types))}.",
        )
    elif wanted is not objective.type:
        yield Fault(
            f"{path}.Type",
            f"The objective metric type, [{objective.type}], that you specified for objective "
            f"metric, [{objective.metric_name}], isn't valid for the [{algorithm.name}] "
            "algorithm. Choose a valid objective metric type.",
        )


def _static_faults(place: _Place) -> Iterator[Fault]:
    static = place.definition.static_hyper_parameters or {}
    member = f"{place.path}StaticHyperParameters"
    for name in place.tunable:
        if name in static:
            text = (
                f"The hyperparameter [{name}] has both a range and a static value. Provide one of "
                "the two."
            )
            yield Fault(f"{member}.{name}", text)
    reserved = f"The hyperparameter name {OBJECTIVE_HYPER_PARAMETER} is reserved."
    if OBJECTIVE_HYPER_PARAMETER in place.tunable:
        yield Fault(place.ranges_path, reserved)
    metric = place.objective.metric_name if place.objective else None
    if static.get(OBJECTIVE_HYPER_PARAMETER, metric) != metric:
        yield Fault(f"{member}.{OBJECTIVE_HYPER_PARAMETER}", reserved)
    total = len({*static, *place.tunable, OBJECTIVE_HYPER_PARAMETER})
    if total > MAX_HYPER_PARAMETERS:
        text = (
            f"The number of static and tunable hyperparameters, [{total}] with "
            f"{OBJECTIVE_HYPER_PARAMETER} that is added, must be less than or equal to "
            f"{MAX_HYPER_PARAMETERS}."
        )
        yield Fault(member, text)


# ---- warm start ------------------------------------------------------------------------------


def _warm_start_faults(request: TuningJobRequest) -> Iterator[Fault]:
    """What can be told without looking at the parents."""
    warm_start = request.warm_start_config
    if warm_start is None:
        return
    strategy = request.hyper_parameter_tuning_job_config.strategy
    if strategy in ("Hyperband", "Grid"):
        text = f"Warm start isn't supported for the strategy {strategy}."
        yield Fault("WarmStartConfig", text)
    if len(request.definitions) > 1:
        text = "Warm start isn't supported for several training job definitions."
        yield Fault("WarmStartConfig", text)
    parents = warm_start.parent_hyper_parameter_tuning_jobs
    names = Counter((item.hyper_parameter_tuning_job_name or "").lower() for item in parents)
    for index, item in enumerate(parents):
        path = f"WarmStartConfig.ParentHyperParameterTuningJobs[{index}]"
        if item.hyper_parameter_tuning_job_name is None:
            yield Fault(path, "Provide the HyperParameterTuningJobName of each parent.")
        elif names[item.hyper_parameter_tuning_job_name.lower()] > 1:
            yield Fault(path, "Each parent tuning job must be given once.")
