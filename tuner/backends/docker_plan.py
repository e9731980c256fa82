"""How a container of a training job is to be made: pure descriptions for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.backends.docker_network import Wiring
from tuner.domain.jobs import AttemptKey, Resources, TrainingJob
from tuner.training.checkpoints import place_in_tree
from tuner.training.opt_ml import CHECKPOINTS, OPT_ML

HOME = "amtlocal.home"
ATTEMPT = "amtlocal.attempt"
HOST = "amtlocal.host"
TRAINING_JOB = "amtlocal.training-job"
TUNING_JOB = "amtlocal.tuning-job-id"
GPUS = "amtlocal.gpus"
VOLUME = "amtlocal.volume-bytes"

_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "KILL",
    "SETGID",
    "SETUID",
    "NET_BIND_SERVICE",  # sshd between the hosts of an MPI job
    "SYS_CHROOT",
)
"""What programs that run as root in an image count on; all others are dropped."""
_HOLDING = ("created", "running")
"""States of containers that have their devices, or are about to."""
_PIDS = 4096
_LOG_FILE_BYTES, _LOG_FILES = 128 << 20, 16
"""How far behind the engine the reading of a log may fall before lines are lost."""
_DEFAULT_VOLUME_GB = 30


def attempt_label(home: str, key: AttemptKey) -> str:
    return f"{home}/{key}"


def key_of(label: str) -> AttemptKey:
    job_id, _, attempt = label.rpartition("/")[2].partition("-")
    return AttemptKey(int(job_id), int(attempt))


def labels(home: str, job: TrainingJob) -> dict[str, str]:
    found = {
        HOME: home,
        ATTEMPT: attempt_label(home, job.key),
        TRAINING_JOB: job.name,
    }
    if job.tuning_job_id is not None:
        found[TUNING_JOB] = str(job.tuning_job_id)
    return found


def volume_bytes(job: TrainingJob) -> int:
    """What the containers of a job may write, each: VolumeSizeInGB."""
    config = job.spec.resource_config
    size = config.volume_size_in_gb if config is not None else None
    return (size or _DEFAULT_VOLUME_GB) << 30


def command(job: TrainingJob) -> dict[str, Sequence[str]]:
    """Entry point and arguments as AWS passes them: `train` where the spec gives neither.

    Source: the developer guide, your-algorithms-training-algo-dockerfile.
    """
    algorithm = job.spec.algorithm_specification
    entrypoint, arguments = algorithm.container_entrypoint, algorithm.container_arguments
    if entrypoint:
        return {"entrypoint": list(entrypoint), "command": list(arguments or ())}
    return {"command": list(arguments or ("train",))}


def mounts(tree: Path | None, channels: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The input of a container, which it cannot write to; without a `tree` only channels."""
    places = {} if tree is None else {f"{OPT_ML}/input": tree / "input"}
    places.update({f"{OPT_ML}/input/data/{name}": view for name, view in channels.items()})
    return [_bind(source, target, read_only=True) for target, source in places.items()]


def data_mount(tree: Path) -> dict[str, Any]:
    """All channels, where FIFOs come and go while the program runs; it may write to them."""
    return _bind(tree / "input" / "data", f"{OPT_ML}/input/data", read_only=False)


def checkpoint_mounts(job: TrainingJob, tree: Path) -> list[dict[str, Any]]:
    if (config := job.spec.checkpoint_config) is None:
        return []
    target = config.local_path or CHECKPOINTS
    return [_bind(tree / place_in_tree(config), target, read_only=False)]


def _bind(source: Path, target: str, *, read_only: bool) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}


def container(
    job: TrainingJob,
    host: str,
    *,
    name: str,
    image: str,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    mounts: Sequence[Mapping[str, Any]],
    wiring: Wiring,
    given: Resources,
    cpus: int,
    gpus: Sequence[str],
) -> dict[str, Any]:
    """The arguments of `Engine.create`. `given` is what the instance may use, `cpus` what the
    engine has at most, `gpus` are the ids of the devices that this container gets."""
    memory = given.memory_mib << 20
    host_config: dict[str, Any] = {
        "mounts": list(mounts),
        "network_mode": wiring.mode,
        "extra_hosts": wiring.known_to(host),
        "init": True,  # a program without a handler ends at SIGTERM, and orphans are reaped
        "nano_cpus": min(given.cpus, cpus) * 10**9,
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": _PIDS,
        "shm_size": memory // 2,
        "cap_drop": ["ALL"],
        "cap_add": list(_CAPABILITIES),
        "security_opt": ["no-new-privileges"],
        "log_config": {
            "Type": "json-file",
            "Config": {"max-size": str(_LOG_FILE_BYTES), "max-file": str(_LOG_FILES)},
        },
    }
    if gpus:
        host_config["device_requests"] = [
            {"Driver": "nvidia", "DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}
        ]
    if job.spec.enable_network_isolation:
        host_config.update(dns=["127.0.0.1"], dns_opt=["timeout:1", "attempts:1"])
    address = wiring.addresses.get(host)
    networking = {"IPAMConfig": {"IPv4Address": address}, "Aliases": [host]} if address else None
    return {
        "name": name,
        "image": image,
        **command(job),
        "hostname": host,
        "environment": dict(environment),
        "labels": {**labels, HOST: host, GPUS: ",".join(gpus), VOLUME: str(volume_bytes(job))},
        "stop_signal": "SIGTERM",
        "healthcheck": {"test": ["NONE"]},
        "host": host_config,
        "networking_config": {"EndpointsConfig": {wiring.mode: networking}}
        if networking
        else None,
    }


def free_gpus(present: int, containers: Sequence[Mapping[str, Any]], wanted: int) -> list[str]:
    """The ids of up to `wanted` devices of `present` that none of these containers of the home
    holds, as the engine lists them: one that has ended holds none any more."""
    taken = {
        device
        for item in containers
        if item["State"] in _HOLDING
        for device in item["Labels"].get(GPUS, "").split(",")
    }
    free = [str(number) for number in range(present) if str(number) not in taken]
    return free[:wanted]


def image_variables(image: Mapping[str, Any]) -> dict[str, str]:
    found = image["Config"].get("Env") or ()
    return {name: value for name, _, value in (item.partition("=") for item in found)}
