"""The `/opt/ml` tree of one instance, as the platform lays it out before the program starts.

Source: the developer guide, your-algorithms-training-algo-running-container and -output.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.domain.clusters import channels_of
from tuner.domain.definitions import (
    Channel,
    InputMode,
    S3DataDistributionType,
    TrainingSpec,
)
from tuner.domain.jobs import TrainingJob

OPT_ML = "/opt/ml"
CHECKPOINTS = f"{OPT_ML}/checkpoints"
WRITTEN = ("model", "output", "output/data", "checkpoints", "tmp")
"""The directories that a program finds to write into."""
_DIRECTORIES = ("input", "input/config", "input/data", "code", *WRITTEN)


def build(
    root: Path, job: TrainingJob, host: str, hosts: Sequence[str], network_interface: str
) -> None:
    """Make a fresh tree at `root`; whatever lay there is removed.

    `input/data` is left empty: the caller mounts, links or copies the channels into it. Never
    call it for an instance that was launched.
    """
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    for name in _DIRECTORIES:
        (root / name).mkdir()
    config = root / "input" / "config"
    _write(config / "hyperparameters.json", dict(job.hyper_parameters))
    resources = resource_config(job, host, hosts, network_interface)
    _write(config / "resourceconfig.json", resources)
    inputs = input_data_config(job.spec, resources["current_group_name"])
    _write(config / "inputdataconfig.json", inputs)
    checkpoints = job.spec.checkpoint_config
    if checkpoints is not None:  # read by SageMaker's own containers, though in no guide
        local_path = checkpoints.local_path or CHECKPOINTS
        document = {"LocalPath": local_path, "S3Uri": checkpoints.s3_uri}
        _write(config / "checkpointconfig.json", document)


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document))


def resource_config(
    job: TrainingJob, host: str, hosts: Sequence[str], network_interface: str
) -> dict[str, Any]:
    """What resourceconfig.json says; hosts are in lexicographic order, as AWS has them. The
    instance groups get theirs in turn."""
    groups = []
    rest = list(hosts)
    for group in job.spec.groups:
        own, rest = rest[: group.instance_count], rest[group.instance_count :]
        groups.append(
            {
                "instance_group_name": group.instance_group_name,
                "instance_type": group.instance_type,
                "hosts": sorted(own),
            }
        )
    current = next(group for group in groups if host in group["hosts"])
    return {
        "current_host": host,
        "current_instance_type": current["instance_type"],
        "current_group_name": current["instance_group_name"],
        "hosts": sorted(hosts),
        "instance_groups": groups,
        "network_interface_name": network_interface,
    }


def input_data_config(spec: TrainingSpec, group: str) -> dict[str, dict[str, str]]:
    """What inputdataconfig.json says to the instances of a group: their channels, without the
    S3 URIs."""
    default = spec.algorithm_specification.training_input_mode
    channels = channels_of(spec, group)
    return {channel.channel_name: _describe(channel, default) for channel in channels}


def _describe(channel: Channel, default: InputMode) -> dict[str, str]:
    source = channel.data_source.s3_data_source
    distribution = source.s3_data_distribution_type if source is not None else None
    entry = {
        "TrainingInputMode": str(channel.input_mode or default),
        "S3DistributionType": str(distribution or S3DataDistributionType.FULLY_REPLICATED),
        "RecordWrapperType": channel.record_wrapper_type or "None",
    }
    if channel.content_type is not None:
        entry["ContentType"] = channel.content_type
    return entry
