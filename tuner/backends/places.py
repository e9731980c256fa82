"""Where attempts lie on this machine, and what their instances are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tuner.domain.jobs import AttemptKey, TrainingJob

_KEY = re.compile(r"(\d+)-(\d+)")


class Places:
    """`HOME/attempts/ID-ATTEMPT/`, or below another directory of the home: per attempt what the
    keeper writes (see `attempt_records.py`), the hosts file, `channels.json` from prepare to
    launch, `script.json` where a user's code is run, and per host its tree and scratch."""

    def __init__(self, home: Path, name: str = "attempts") -> None:
        self.root = home / name

    def directory(self, key: AttemptKey) -> Path:
        return self.root / str(key)

    def tree(self, key: AttemptKey, host: str) -> Path:
        """What the program sees as /opt/ml."""
        return self.directory(key) / host / "ml"

    def trees(self, job: TrainingJob) -> dict[str, Path]:
        """By host."""
        return {host: self.tree(job.key, host) for host in hosts_of(job)}

    def scratch(self, key: AttemptKey, host: str) -> Path:
        return self.directory(key) / host / "scratch"

    def written(self, key: AttemptKey, host: str, channel: str) -> Path:
        """Where what the program writes into a channel goes."""
        return self.directory(key) / host / "written" / channel

    def instructions(self, key: AttemptKey) -> Path:
        """What the program is told that runs a user's code."""
        return self.directory(key) / "script.json"

    def is_launched(self, key: AttemptKey) -> bool:
        return (self.directory(key) / "launch.json").exists()

    def on_disk(self) -> list[AttemptKey]:
        """Every attempt that has a directory; whatever else lies there is not ours."""
        names = [entry.name for entry in self.root.iterdir()]
        found = [match for name in names if (match := _KEY.fullmatch(name))]
        return [AttemptKey(int(match[1]), int(match[2])) for match in found]


def hosts_of(job: TrainingJob) -> list[str]:
    return [f"algo-{number}" for number in range(1, job.instance_count + 1)]


def hosts_file(key: AttemptKey, hosts: Sequence[str]) -> str:
    """A loopback address for each instance, and others for the next attempts: so two jobs that
    listen on the same port of `algo-1` do not meet."""
    number = (key.job_id * 7 + key.attempt) % (250 * 250)
    network = f"127.{1 + number // 250}.{1 + number % 250}"
    lines = [f"{network}.{index} {host}" for index, host in enumerate(hosts, start=1)]
    return "\n".join(["127.0.0.1 localhost", "::1 localhost", *lines, ""])
