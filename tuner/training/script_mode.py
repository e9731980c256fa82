"""Script mode: a user's own code in an image of AWS's, as the SageMaker SDKs ask for it.

SDK v2 JSON-encodes hyperparameters (`"\\"train.py\\""`), SDK v3 sends them raw; both name the
script in `sagemaker_program` and its archive in `sagemaker_submit_directory`.
"""

from __future__ import annotations

import json
import site
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.domain.definitions import (
    HyperParameterTrainingJobDefinition,
    TrainingJobRequest,
    TrainingSpec,
)

PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
_PROGRAM_VARIABLE = "SAGEMAKER_PROGRAM"
_DISTRIBUTIONS = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_torch_distributed_enabled",
    "sagemaker_distributed_dataparallel_enabled",
)


def hyper_parameters_of(spec: TrainingSpec) -> Mapping[str, str]:
    """Those that are known before a training job exists."""
    match spec:
        case TrainingJobRequest():
            return spec.hyper_parameters or {}
        case HyperParameterTrainingJobDefinition():
            return spec.static_hyper_parameters or {}
    return {}


def program_of(spec: TrainingSpec, hyper_parameters: Mapping[str, str]) -> str | None:
    """The entry point of the user's code; the variable goes before the hyperparameter."""
    given = (spec.environment or {}).get(_PROGRAM_VARIABLE)
    return given or _plain(hyper_parameters.get(PROGRAM))


def program_fault(program: str) -> str | None:
    """Why an entry point cannot be one: it is a file below the code directory."""
    if Path(program).is_absolute() or ".." in Path(program).parts or "\0" in program:
        return f"{PROGRAM} has to be a path within the source code, not [{program}]."
    return None


def submit_directory_of(hyper_parameters: Mapping[str, str]) -> str | None:
    """Where the code is: s3://, or a path below /opt/ml."""
    return _plain(hyper_parameters.get(SUBMIT_DIRECTORY))


def command_of(spec: TrainingSpec) -> Sequence[str]:
    """What CreateTrainingJob gives to be run in the image; nothing for the image's own."""
    algorithm = spec.algorithm_specification
    return (*(algorithm.container_entrypoint or ()), *(algorithm.container_arguments or ()))


def runs_user_code(spec: TrainingSpec, hyper_parameters: Mapping[str, str]) -> bool:
    """Whether an image of AWS's is asked to run something else than its own algorithm."""
    entrypoint = spec.algorithm_specification.container_entrypoint
    return bool(entrypoint or program_of(spec, hyper_parameters))


def distribution_of(hyper_parameters: Mapping[str, str]) -> str | None:
    """The hyperparameter that asks for a launcher of several processes, if one does."""
    return next(
        (name for name in _DISTRIBUTIONS if _plain(hyper_parameters.get(name)) == "true"), None
    )


def instructions(
    spec: TrainingSpec,
    hyper_parameters: Mapping[str, str],
    arguments: Sequence[str],
    archive: Path | None,
    environments: Path,
) -> dict[str, Any]:
    """What containers/script is told; `archive` is the code where it comes from S3."""
    return {
        "program": program_of(spec, hyper_parameters),
        "arguments": list(arguments),
        "source": str(archive) if archive else submit_directory_of(hyper_parameters),
        "environments": str(environments),
        "site_packages": site_packages(),
    }


def site_packages() -> list[str]:
    """Where our own interpreter has its packages, in the order of their search."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [place for place in (*user, *site.getsitepackages()) if Path(place).is_dir()]


def _plain(value: str | None) -> str | None:
    """A text that may be JSON-encoded, without that."""
    if value is None or not value.startswith('"'):
        return value or None
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value
