"""Checks of a request that need the world: images, strategies, inputs, the backend's abilities."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from tuner.domain.algorithms import Algorithm
from tuner.domain.clusters import gang
from tuner.domain.definitions import TrainingJobRequest, TrainingSpec
from tuner.domain.errors import Fault
from tuner.domain.jobs import Resources
from tuner.domain.ports import Capabilities
from tuner.service.context import Context
from tuner.shapes.extensions import with_strategies
from tuner.store import samples
from tuner.strategies.registry import strategy_names
from tuner.training import script_mode
from tuner.training.checkpoints import below_opt_ml
from tuner.training.containers import ContainerError, find_container
from tuner.training.metrics import regex_fault
from tuner.training.opt_ml import CHECKPOINTS, OPT_ML
from tuner.training.sources import missing_input, missing_object

log = logging.getLogger("tuner.service")

ACCEPTED = with_strategies(strategy_names)
"""Values of enums beyond AWS's: every strategy that is installed is one."""


def algorithm_of(context: Context, spec: TrainingSpec, path: str) -> Algorithm | Fault:
    """The algorithm behind the spec's image, or why nothing here can run it."""
    image = spec.algorithm_specification.training_image
    member = f"{path}AlgorithmSpecification.TrainingImage"
    if not image:
        return Fault(member, "A training image is required: provide TrainingImage.")
    user_code = script_mode.runs_user_code(spec, script_mode.hyper_parameters_of(spec))
    fault = context.ports.backend.image_fault(image, user_code=user_code)
    if fault is not None:
        return Fault(member, fault)
    try:
        container = find_container(image, context.settings.image_map, user_code=user_code)
    except ContainerError as error:
        return Fault(member, str(error))
    if container is None:
        return Algorithm(name=image, built_in=False)
    if container.runs_user_code and not user_code:
        text = (
            f"The training image {image!r} runs a script of yours: name it and its archive in the "
            f"hyperparameters {script_mode.PROGRAM} and {script_mode.SUBMIT_DIRECTORY}."
        )
        return Fault(member, text)
    return container.algorithm


def spec_faults(
    context: Context, spec: TrainingSpec, algorithm: Algorithm | None, path: str, region: str
) -> list[Fault]:
    """What this machine cannot do for the spec; sample data are put in place on the way."""
    return [
        *_instance_faults(context, spec, algorithm, path),
        *_isolation_faults(context, spec, path),
        *_regex_faults(spec, path),
        *_input_faults(context, spec, path, region),
        *_command_faults(context, spec, path),
        *_checkpoint_faults(context, spec, path),
        *_script_faults(context, spec, path, region),
    ]


def _able(context: Context, spec: TrainingSpec) -> Capabilities:
    image = spec.algorithm_specification.training_image
    user_code = script_mode.runs_user_code(spec, script_mode.hyper_parameters_of(spec))
    return context.ports.backend.capabilities(image, user_code=user_code)


def _instance_faults(
    context: Context, spec: TrainingSpec, algorithm: Algorithm | None, path: str
) -> Sequence[Fault]:
    """The programs that we bring find each other where hosts have no names, too."""
    count = spec.instance_count
    able = _able(context, spec)
    bundled = algorithm is not None and algorithm.built_in
    if count > 1 and not able.multiple_instances and not bundled:
        name = context.ports.backend.name
        text = (
            f"InstanceCount {count} cannot be run by the {name} backend here: "
            f"{able.note or 'hosts cannot be given names of their own.'}"
        )
        groups = spec.resource_config is not None and spec.resource_config.instance_groups
        member = "InstanceGroups" if groups else "InstanceCount"
        return [Fault(f"{path}ResourceConfig.{member}", text)]
    return []


def _isolation_faults(context: Context, spec: TrainingSpec, path: str) -> Iterator[Fault]:
    able = _able(context, spec)
    if spec.enable_network_isolation and not able.network_isolation:
        text = (
            "EnableNetworkIsolation cannot be enforced for training jobs that run as processes of "
            "this machine: leave it out, set it to false, or use a container image."
        )
        yield Fault(f"{path}EnableNetworkIsolation", text)


def warn_of_size(context: Context, name: str, spec: TrainingSpec, share: Resources) -> None:
    """Say so where one training job needs more than there is: it is run alone."""
    need, capacity = gang(spec, share), context.ports.backend.capacity()
    if (
        need.cpus > capacity.cpus
        or need.memory_mib > capacity.memory_mib
        or need.gpus > capacity.gpus
    ):
        log.warning(
            "%s: a training job needs %d CPUs, %d MiB and %d GPUs for its %d instances, and there "
            "are %d CPUs, %d MiB and %d GPUs: it runs alone, and slower",
            *(name, need.cpus, need.memory_mib, need.gpus, spec.instance_count),
            *(capacity.cpus, capacity.memory_mib, capacity.gpus),
        )


def _regex_faults(spec: TrainingSpec, path: str) -> Sequence[Fault]:
    found = []
    for index, item in enumerate(spec.algorithm_specification.metric_definitions or ()):
        fault = regex_fault(item.regex)
        if fault is not None:
            member = f"{path}AlgorithmSpecification.MetricDefinitions[{index}].Regex"
            found.append(Fault(member, fault))
    return found


def _input_faults(context: Context, spec: TrainingSpec, path: str, region: str) -> Sequence[Fault]:
    found = []
    for index, channel in enumerate(spec.input_data_config or ()):
        source = channel.data_source.s3_data_source
        if source is None:
            continue
        member = f"{path}InputDataConfig[{index}].DataSource.S3DataSource.S3Uri"
        try:
            samples.fill(context.ports.objects, source.s3_uri)
        except samples.SampleError as error:
            found.append(Fault(member, str(error)))
            continue
        text = missing_input(channel, context.ports.objects, spec.role_arn, region)
        if text is not None:
            found.append(Fault(member, text))
    return found


def _command_faults(context: Context, spec: TrainingSpec, path: str) -> Iterator[Fault]:
    able = _able(context, spec)
    if not able.private_opt_ml and any("/opt/ml" in word for word in script_mode.command_of(spec)):
        text = (
            "ContainerEntrypoint and ContainerArguments name /opt/ml, which training jobs cannot "
            f"have for themselves here: {able.note}"
        )
        yield Fault(f"{path}AlgorithmSpecification.ContainerEntrypoint", text)


def _checkpoint_faults(context: Context, spec: TrainingSpec, path: str) -> Iterator[Fault]:
    """A directory of the program's choice is one within its own /opt/ml, or its own container."""
    config = spec.checkpoint_config
    able = context.ports.backend.capabilities(spec.algorithm_specification.training_image)
    if config is None or able.images:
        return
    below = below_opt_ml(config)
    if below is None:
        text = (
            f"The checkpoints of training jobs that run as processes of this machine lie below "
            f"/opt/ml, not in {config.local_path}."
        )
        yield Fault(f"{path}CheckpointConfig.LocalPath", text)
    elif f"{OPT_ML}/{below}" != CHECKPOINTS and not able.private_opt_ml:
        text = (
            f"{config.local_path} cannot be had by a training job for itself here: {able.note}. "
            "Leave LocalPath out, and look for checkpoints below SAGEMAKER_BASE_DIR."
        )
        yield Fault(f"{path}CheckpointConfig.LocalPath", text)


def _script_faults(
    context: Context, spec: TrainingSpec, path: str, region: str
) -> Iterator[Fault]:
    """In script mode the code has to be there, and its launcher one that we have."""
    parameters = script_mode.hyper_parameters_of(spec)
    name = "HyperParameters" if isinstance(spec, TrainingJobRequest) else "StaticHyperParameters"
    program = script_mode.program_of(spec, parameters)
    if program is None or script_mode.command_of(spec) or not _is_ours(context, spec):
        return
    distribution = script_mode.distribution_of(parameters)
    if distribution is not None:
        text = (
            f"The hyperparameter {distribution} asks for a distributed launcher, which is not "
            "served: the script is run once on each instance. Leave `distribution` out."
        )
        yield Fault(f"{path}{name}.{distribution}", text)
    member = f"{path}{name}.{script_mode.SUBMIT_DIRECTORY}"
    fault = script_mode.program_fault(program)
    if fault is not None:
        yield Fault(f"{path}{name}.{script_mode.PROGRAM}", fault)
    source = script_mode.submit_directory_of(parameters)
    if source is not None and source.startswith("s3://"):
        missing = missing_object(source, context.ports.objects, spec.role_arn, region)
        if missing is not None:
            yield Fault(member, missing)
    elif source is None or not source.startswith("/opt/ml/input/data/"):
        text = (
            f"The code of {program} has to be an archive in S3, or lie in a channel below "
            f"/opt/ml/input/data: {script_mode.SUBMIT_DIRECTORY} is {source or 'not given'}."
        )
        yield Fault(member, text)


def _is_ours(context: Context, spec: TrainingSpec) -> bool:
    """A container of the user's own reads what it likes from the hyperparameters."""
    image = spec.algorithm_specification.training_image or ""
    try:
        container = find_container(image, context.settings.image_map, user_code=True)
    except ContainerError:
        return False
    return container is not None and container.runs_user_code
