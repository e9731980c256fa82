"""The environment of a training program: allow-listed, so that no real account is in reach.

A program run as a process of this user could otherwise find the user's own credentials, in the
environment, in ~/.aws or at a metadata address, and reach the real account behind them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.domain.jobs import Resources, TrainingJob
from tuner.training.containers import Container
from tuner.training.interpreter import private_python
from tuner.training.opt_ml import OPT_ML, resource_config
from tuner.training.toolkit import toolkit_variables

INSTRUCTIONS = "TUNER_SCRIPT"
"""Names the file that tells containers/script what to run."""
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
_PIP_SETTINGS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
)
"""For programs that install what a user's code asks for: where packages come from here."""
_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_MAX_BYTES = 128 * 1024
"""Linux refuses to start a program with a longer `NAME=value` (MAX_ARG_STRLEN)."""


def program_environment(
    job: TrainingJob,
    container: Container,
    host: str,
    hosts: Sequence[str],
    base_dir: Path,
    *,
    private_opt_ml: bool,
    scratch: Path,
    endpoint: Mapping[str, str],
    given: Resources,
    network_interface: str = "eth0",
    instructions: Path | None = None,
) -> dict[str, str]:
    """All variables of one instance's program; the spec's Environment wins over ours.

    `base_dir` is the instance's tree, which the program sees as /opt/ml with `private_opt_ml`;
    HOME and TMPDIR are made in `scratch`, and for a program that is not ours the Python that goes
    first on its PATH. `given` is what the instance may use of the machine. `instructions` is the
    file that a container which runs a user's code reads.
    `endpoint` has the variables by which it reaches the home's AWS endpoint. A variable that no
    program could be started with (too long, a NUL, a name with `=`) is left out.
    """
    home, temporary = scratch / "home", scratch / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    base = OPT_ML if private_opt_ml else str(base_dir)
    resources = resource_config(job, host, hosts, network_interface)
    of_the_user = not container.algorithm.built_in
    inherited = (*_INHERITED, *_PIP_SETTINGS) if of_the_user else _INHERITED
    own_python = of_the_user and not container.runs_user_code
    variables = {
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in inherited if name in os.environ},
        "PATH": _search_path(private_python(scratch / "python") if own_python else None),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        **_for_any_program(job, given.cpus, endpoint),
        "SAGEMAKER_BASE_DIR": base,
        **toolkit_variables(job, container, resources, base, given),
    }
    variables.update(job.spec.environment or {})
    if instructions is not None:
        variables[INSTRUCTIONS] = str(instructions)
    return {name: value for name, value in variables.items() if _passable(name, value)}


def image_environment(
    job: TrainingJob, cpus: int, endpoint: Mapping[str, str], image: Mapping[str, str]
) -> dict[str, str]:
    """What a container gets beside the variables of its `image`, which win over our defaults;
    the spec's Environment wins over all. SM_* are the business of a toolkit in the image."""
    ours = _for_any_program(job, cpus, endpoint)
    variables = {
        **{name: value for name, value in ours.items() if name not in image},
        **_identity(job),
        **(job.spec.environment or {}),
    }
    return {name: value for name, value in variables.items() if _passable(name, value)}


def _for_any_program(job: TrainingJob, cpus: int, endpoint: Mapping[str, str]) -> dict[str, str]:
    return {
        "PYTHONUNBUFFERED": "1",
        **_identity(job),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(_THREAD_COUNTS, str(cpus)),
        # threads that spin while they wait keep the CPU from those they wait for
        "OMP_WAIT_POLICY": "PASSIVE",
        **endpoint,
    }


def _identity(job: TrainingJob) -> dict[str, str]:
    return {
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "AWS_REGION": job.scope.region,
        "AWS_DEFAULT_REGION": job.scope.region,
    }


def _search_path(programs: Path | None) -> str:
    """PATH with `programs` first, then the directory of our interpreter."""
    own = str(Path(sys.executable).parent)
    inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
    first = [own] if programs is None else [str(programs), own]
    return os.pathsep.join([*first, *(entry for entry in inherited if entry != own)])


def _passable(name: str, value: str) -> bool:
    try:
        size = len(os.fsencode(f"{name}={value}")) + 1
    except UnicodeEncodeError:
        return False
    return bool(name) and not {"=", "\0"} & set(name) and "\0" not in value and size <= _MAX_BYTES
