"""Results on disk: a line of JSON per run, one file per method and number of parallel jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run; see simulate.Trajectory. `problem` is the instance's fingerprint."""

    method: str
    version: str
    task: str
    family: str
    problem: str
    seed: int
    parallel: int
    budget: int
    failed: int
    regrets: list[float]
    milliseconds: list[float]

    @property
    def key(self) -> tuple[str, str, str, str, int, int]:
        return self.method, self.version, self.task, self.problem, self.seed, self.parallel


class Results:
    """A directory of results. One process writes; any number read, also meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def all(self) -> Iterator[Result]:
        """Every whole line; what an interrupted run left half written is passed over."""
        for path in sorted(self._directory.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                try:
                    yield Result(**json.loads(line))
                except (ValueError, TypeError):
                    continue

    def add(self, result: Result) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        name = f"{result.method}-{result.version}-parallel{result.parallel}.jsonl"
        path = self._directory / name
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a") as file:
            file.write("\n" * torn + json.dumps(asdict(result)) + "\n")
