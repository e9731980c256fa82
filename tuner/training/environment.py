"""The environment of a training program: allow-listed, so that no real account is in reach.

A program run as a process of this user could otherwise find the user's own credentials, in the
environment, in ~/.aws or at a metadata address, and reach the real account behind them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tuner.domain.definitions import OBJECTIVE_HYPER_PARAMETER
from tuner.domain.jobs import TrainingJob
from tuner.training.containers import Container
from tuner.training.opt_ml import OPT_ML, input_data_config, resource_config

_INHERITED = (
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_MAX_BYTES = 128 * 1024
"""Linux refuses to start a program with a longer `NAME=value` (MAX_ARG_STRLEN)."""
_MAX_NESTING = 200
"""JSON nested more deeply than the interpreter's recursion limit cannot be written again."""


def program_environment(
    job: TrainingJob,
    container: Container,
    host: str,
    hosts: Sequence[str],
    base_dir: Path,
    *,
    private_opt_ml: bool,
    scratch: Path,
    endpoint_url: str | None,
    cpus: int,
    network_interface: str = "eth0",
) -> dict[str, str]:
    """All variables of one instance's program; the spec's Environment wins over ours.

    `base_dir` is the instance's tree, which the program sees as /opt/ml with `private_opt_ml`;
    HOME and TMPDIR are made in `scratch`. A variable that no program could be started with
    (too long, a NUL, a name with `=`) is left out.
    """
    home, temporary = scratch / "home", scratch / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    base = OPT_ML if private_opt_ml else str(base_dir)
    resources = resource_config(job, host, hosts, network_interface)
    region = job.scope.region
    variables = {
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PATH": _search_path(),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_BASE_DIR": base,
        **dict.fromkeys(_THREAD_COUNTS, str(cpus)),
        **_toolkit_variables(job, container, resources, base, cpus),
    }
    if endpoint_url is not None:
        variables["AWS_ENDPOINT_URL"] = endpoint_url
    variables.update(job.spec.environment or {})
    return {name: value for name, value in variables.items() if _passable(name, value)}


def _search_path() -> str:
    """PATH with the directory of our interpreter first, so that `python` is the same Python."""
    own = str(Path(sys.executable).parent)
    inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([own, *(entry for entry in inherited if entry != own)])


def _passable(name: str, value: str) -> bool:
    try:
        size = len(os.fsencode(f"{name}={value}")) + 1
    except UnicodeEncodeError:
        return False
    return bool(name) and not {"=", "\0"} & set(name) and "\0" not in value and size <= _MAX_BYTES


def _toolkit_variables(
    job: TrainingJob, container: Container, resources: Mapping[str, Any], base: str, cpus: int
) -> dict[str, str]:
    """The SM_* variables that sagemaker-training sets inside AWS's images.

    Source: aws/sagemaker-training-toolkit, environment.py and mapping.py. `resources` is
    what resourceconfig.json says.
    """
    inputs = input_data_config(job.spec)
    parameters = _user_parameters(job.hyper_parameters)
    channels = {name: f"{base}/input/data/{name}" for name in inputs}
    settings: dict[str, Any] = {
        "hosts": resources["hosts"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": resources["current_group_name"],
        "network_interface_name": resources["network_interface_name"],
        "resource_config": resources,
        "input_data_config": inputs,
        "input_dir": f"{base}/input",
        "input_config_dir": f"{base}/input/config",
        "model_dir": f"{base}/model",
        "output_dir": f"{base}/output",
        "output_data_dir": f"{base}/output/data",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "module_dir": f"{base}/code",
        "module_name": container.name,
        "user_entry_point": Path(container.command[-1]).name,
        "num_cpus": cpus,
        "num_gpus": job.resources.gpus,
        "log_level": 20,
    }
    training_env = {
        **settings,
        "hyperparameters": parameters,
        "channel_input_dirs": channels,
        "job_name": job.name,
        "is_master": resources["current_host"] == resources["hosts"][0],
        "master_hostname": resources["hosts"][0],
    }
    variables = {
        **settings,
        "hps": parameters,
        "channels": sorted(channels),
        "user_args": _arguments(parameters),
        "training_env": training_env,
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in parameters.items()},
    }
    return {f"SM_{name.upper()}": _text(value) for name, value in variables.items()}


def _user_parameters(hyper_parameters: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters as the toolkit hands them on: JSON where they parse, without SageMaker's."""
    return {
        name: _decoded(value)
        for name, value in hyper_parameters.items()
        if not name.startswith("sagemaker_") and name != OBJECTIVE_HYPER_PARAMETER
    }


def _decoded(value: str) -> Any:
    if value.count("[") + value.count("{") > _MAX_NESTING:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _arguments(parameters: Mapping[str, Any]) -> list[str]:
    names = sorted(parameters)
    pairs = ((f"--{name}" if len(name) > 1 else f"-{name}", parameters[name]) for name in names)
    return list(chain.from_iterable((flag, _argument(value)) for flag, value in pairs))


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
