"""Checks of a request that need the world: images, strategies, inputs, the backend's abilities."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tuner.domain.algorithms import Algorithm
from tuner.domain.definitions import TrainingSpec
from tuner.domain.errors import Fault
from tuner.domain.jobs import Resources
from tuner.service.context import Context
from tuner.store import samples
from tuner.training.containers import ContainerError, bundled_containers, find_container
from tuner.training.inputs import missing_input
from tuner.training.metrics import regex_fault

log = logging.getLogger("tuner.service")


def algorithm_of(context: Context, spec: TrainingSpec, path: str) -> Algorithm | Fault:
    """The algorithm behind the spec's image, or why nothing here can run it."""
    image = spec.algorithm_specification.training_image
    member = f"{path}AlgorithmSpecification.TrainingImage"
    if not image:
        return Fault(member, "A training image is required: provide TrainingImage.")
    try:
        container = find_container(image, context.settings.image_map)
    except ContainerError as error:
        return Fault(member, str(error))
    if container is None:
        bundled = ", ".join(item.name for item in bundled_containers())
        text = (
            f"No local container is known for the training image {image!r}. Bundled are "
            f"SageMaker's built-in images of: {bundled}. Map any other image to a directory with "
            "a container.json or a train program: TUNER_IMAGE_MAP='IMAGE=DIRECTORY'."
        )
        return Fault(member, text)
    return container.algorithm


def spec_faults(
    context: Context, spec: TrainingSpec, algorithm: Algorithm | None, path: str, region: str
) -> list[Fault]:
    """What this machine cannot do for the spec; sample data are put in place on the way."""
    return [
        *_instance_faults(context, spec, algorithm, path),
        *_regex_faults(spec, path),
        *_input_faults(context, spec, path, region),
    ]


def _instance_faults(
    context: Context, spec: TrainingSpec, algorithm: Algorithm | None, path: str
) -> Sequence[Fault]:
    """The programs that we bring find each other where hosts have no names, too."""
    count = spec.instance_count
    able = context.ports.backend.capabilities()
    bundled = algorithm is not None and algorithm.built_in
    if count > 1 and not able.multiple_instances and not bundled:
        name = context.ports.backend.name
        text = (
            f"InstanceCount {count} cannot be run by the {name} backend here: "
            f"{able.note or 'hosts cannot be given names of their own.'}"
        )
        return [Fault(f"{path}ResourceConfig.InstanceCount", text)]
    return []


def warn_of_size(context: Context, name: str, spec: TrainingSpec, share: Resources) -> None:
    """Say so where one training job needs more than there is: it is run alone."""
    count, capacity = spec.instance_count, context.ports.backend.capacity()
    cpus, memory, gpus = (count * n for n in (share.cpus, share.memory_mib, share.gpus))
    if cpus > capacity.cpus or memory > capacity.memory_mib or gpus > capacity.gpus:
        log.warning(
            "%s: a training job needs %d CPUs, %d MiB and %d GPUs for its %d instances, and there "
            "are %d CPUs, %d MiB and %d GPUs: it runs alone, and slower",
            *(name, cpus, memory, gpus, count),
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
