"""The training platform as the program sees it: the /opt/ml tree, the log, the failure file."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

FAILURE_CAP = 1024


class UserError(Exception):
    """What the user can mend: the text goes to the log and to the failure file as it is."""


def log(text: object, level: str = "INFO") -> None:
    """A line as the AWS container writes it."""
    print(_line(text, level), flush=True)


def log_from_handler(text: object, level: str = "INFO") -> None:
    """The same from a signal handler: it may have interrupted a print, which is not reentrant."""
    os.write(1, f"{_line(text, level)}\n".encode())


def _line(text: object, level: str) -> str:
    return f"[{time.strftime('%Y-%m-%d:%H:%M:%S')}:{level}] {text}"


@dataclass(frozen=True)
class Platform:
    """One instance's tree and its place among the hosts of the training job."""

    root: Path
    hyperparameters: dict[str, str]
    channels: dict[str, dict[str, str]]
    hosts: tuple[str, ...]
    host: str
    checkpoints: Path | None = None
    """Where they are kept; None without them."""

    @classmethod
    def read(cls) -> Platform:
        """Raises UserError when a configuration file is missing or broken."""
        root = root_directory()
        resources = _load(root, "resourceconfig.json", {"hosts": ["algo-1"]})
        hosts = tuple(sorted(resources["hosts"]))
        return cls(
            root=root,
            hyperparameters=_load(root, "hyperparameters.json", {}),
            channels=_load(root, "inputdataconfig.json", {}),
            hosts=hosts,
            host=resources.get("current_host", hosts[0]),
            checkpoints=_checkpoints(root, _load(root, "checkpointconfig.json", {})),
        )

    @property
    def model_directory(self) -> Path:
        return self.root / "model"

    def channel(self, name: str) -> Path:
        return self.root / "input" / "data" / name


def root_directory() -> Path:
    """SAGEMAKER_BASE_DIR relocates /opt/ml, as in AWS's training toolkit."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def is_relocated() -> bool:
    return "SAGEMAKER_BASE_DIR" in os.environ


def write_failure(text: str) -> None:
    """Leave the reason where the platform reads it; the platform shows its first 1,024 bytes."""
    path = root_directory() / "output" / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode()[:FAILURE_CAP])


def fail(text: str) -> NoReturn:
    """Say why, leave the reason, and end the program."""
    log(text, "ERROR")
    write_failure(text)
    sys.stderr.flush()
    # Not sys.exit: the threads of a broken collective must not hold the program.
    os._exit(1)


def _checkpoints(root: Path, config: dict[str, str]) -> Path | None:
    path = config.get("LocalPath")
    if not path:
        return None
    given = Path(path)
    return root / given.relative_to("/opt/ml") if given.is_relative_to("/opt/ml") else given


def _load(root: Path, name: str, default: dict[str, Any]) -> Any:
    path = root / "input" / "config" / name
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return default
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
