"""The SM_* variables that sagemaker-training sets inside AWS's images, and its arguments.

Source: aws/sagemaker-training-toolkit, environment.py, mapping.py and params.py, and
aws/sagemaker-tensorflow-training-toolkit, training.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

from tuner.domain.definitions import OBJECTIVE_HYPER_PARAMETER
from tuner.domain.jobs import Resources, TrainingJob
from tuner.training.containers import Container
from tuner.training.opt_ml import input_data_config
from tuner.training.script_mode import program_of, submit_directory_of

_PREFIX = "sagemaker_"
_KNOWN = frozenset(
    f"{_PREFIX}{name}"
    for name in (
        "program",
        "submit_directory",
        "enable_cloudwatch_metrics",
        "region",
        "container_log_level",
        "job_name",
        "s3_output",
    )
)
"""Those that the toolkit itself reads; the rest are a framework's (SM_FRAMEWORK_PARAMS)."""
_DEFAULT_LOG_LEVEL = 20
_TENSORFLOW = ("tensorflow-training", "sagemaker-tensorflow")
_MAX_NESTING = 200
"""JSON nested more deeply than the interpreter's recursion limit cannot be written again."""


def toolkit_variables(
    job: TrainingJob,
    container: Container,
    resources: Mapping[str, Any],
    base: str,
    given: Resources,
) -> dict[str, str]:
    """The variables of one instance; `resources` is what resourceconfig.json says, `base` the
    place of /opt/ml as the program sees it, `given` what it may use of the machine."""
    inputs = input_data_config(job.spec, resources["current_group_name"])
    ours = _sagemaker_parameters(job.hyper_parameters)
    parameters = script_parameters(job)
    channels = {name: f"{base}/input/data/{name}" for name in inputs}
    program = program_of(job.spec, job.hyper_parameters)
    groups = {group["instance_group_name"]: group for group in resources["instance_groups"]}
    distributed = ours.get("sagemaker_distribution_instance_groups")
    distributed = distributed if isinstance(distributed, list) else []
    distribution_hosts = [
        host for name, group in groups.items() if name in distributed for host in group["hosts"]
    ]
    master = (distribution_hosts or resources["hosts"])[0]
    settings: dict[str, Any] = {
        "hosts": resources["hosts"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": resources["current_group_name"],
        "current_instance_group_hosts": groups[resources["current_group_name"]]["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "distribution_instance_groups": distributed,
        "is_hetero": len(groups) > 1,
        "network_interface_name": resources["network_interface_name"],
        "resource_config": resources,
        "input_data_config": inputs,
        "input_dir": f"{base}/input",
        "input_config_dir": f"{base}/input/config",
        "model_dir": f"{base}/model",
        "output_dir": f"{base}/output",
        "output_data_dir": f"{base}/output/data",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "module_dir": submit_directory_of(job.hyper_parameters) or f"{base}/code",
        "module_name": (program or container.name).removesuffix(".py"),
        "user_entry_point": program or container.name,
        "framework_module": None,
        "num_cpus": given.cpus,
        "num_gpus": given.gpus,
        "num_neurons": 0,
        "log_level": ours.get("sagemaker_container_log_level", _DEFAULT_LOG_LEVEL),
    }
    extra = {name: value for name, value in ours.items() if name not in _KNOWN}
    training_env = {
        **settings,
        "additional_framework_parameters": extra,
        "hyperparameters": parameters,
        "channel_input_dirs": channels,
        "distribution_hosts": distribution_hosts,
        "job_name": job.name,
        "is_master": resources["current_host"] == master,
        "master_hostname": master,
    }
    variables = {
        **settings,
        "framework_params": extra,
        "hps": parameters,
        "channels": sorted(channels),
        "user_args": arguments(parameters),
        "training_env": training_env,
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in parameters.items()},
    }
    return {
        **{f"SM_{name.upper()}": _text(value) for name, value in variables.items()},
        "CURRENT_HOST": resources["current_host"],
        "SAGEMAKER_JOB_NAME": _text(ours.get("sagemaker_job_name", "")),
        "SAGEMAKER_REGION": _text(ours.get("sagemaker_region", job.scope.region)),
    }


def script_parameters(job: TrainingJob) -> dict[str, Any]:
    """The hyperparameters as the job's script gets them. AWS's image of TensorFlow gives each
    training job of a tuning job a place of its own below `model_dir`, the same for all."""
    parameters = user_parameters(job.hyper_parameters)
    image = job.spec.algorithm_specification.training_image or ""
    place = parameters.get("model_dir")
    if (
        OBJECTIVE_HYPER_PARAMETER in job.hyper_parameters
        and image.rpartition("/")[2].startswith(_TENSORFLOW)
        and isinstance(place, str)
        and not place.startswith("/opt/ml")
    ):
        parameters["model_dir"] = f"{place}/{job.name}/model"
    return parameters


def user_parameters(hyper_parameters: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters as the script gets them: JSON where they parse, without SageMaker's."""
    return {
        name: _decoded(value)
        for name, value in hyper_parameters.items()
        if not name.startswith(_PREFIX) and name != OBJECTIVE_HYPER_PARAMETER
    }


def arguments(parameters: Mapping[str, Any]) -> list[str]:
    """The script's arguments: sorted by name, `-n` for a name of one letter, every one with a
    value (`True`, `[1, 2]`, `a=1,b=2` for an object, nothing for null)."""
    names = sorted(parameters)
    pairs = ((f"--{name}" if len(name) > 1 else f"-{name}", parameters[name]) for name in names)
    return list(chain.from_iterable((flag, _argument(value)) for flag, value in pairs))


def _sagemaker_parameters(hyper_parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _decoded(value)
        for name, value in hyper_parameters.items()
        if name.startswith(_PREFIX)
    }


def _decoded(value: str) -> Any:
    if value.count("[") + value.count("{") > _MAX_NESTING:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
