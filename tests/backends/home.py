"""A home with a real keeper, spoken to directly."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.backends import processes
from tuner.backends.keeper_client import KeeperClient

ROOT = str(Path(__file__).resolve().parents[2])
PATIENCE = 30.0


class Home:
    def __init__(self, directory: Path, idle_seconds: float = 5.0) -> None:
        self.directory = directory
        self.events: list[Mapping[str, Any]] = []
        self.lost = threading.Event()
        self.keeper = KeeperClient(
            directory, self.events.append, self.lost.set, idle_seconds=idle_seconds
        )

    def start_keeper(self, changes: str = "") -> int:
        """Start one by hand, after `changes` (Python source); its exit status once it listens."""
        source = f"""
import sys
sys.path.insert(0, {ROOT!r})
{changes}
from tuner.backends.keeper_start import main
main({str(self.directory)!r}, 5.0)
"""
        command = [sys.executable, "-I", "-S", "-c", source]
        return subprocess.run(command, timeout=PATIENCE, check=False).returncode

    @property
    def pid(self) -> int:
        return int(self.keeper.hello()["pid"])

    def attempt(self, key: str) -> Path:
        return self.directory / "attempts" / key

    def launch(self, key: str, source: str, memory_mib: int | None = None) -> None:
        directory = self.attempt(key)
        directory.mkdir(parents=True, exist_ok=True)
        program = {
            "host": "algo-1",
            "argv": [sys.executable, "-I", "-S", "-c", source],
            "env": {"PATH": "/usr/bin:/bin", processes.MARKER: str(directory)},
            "cwd": str(directory),
            "memory_mib": memory_mib,
            "view": None,
        }
        place = {"directory": str(directory), "log": str(directory / "log")}
        self.keeper.send(do="launch", key=key, instances=[program], feeds=[], **place)

    def report(self, key: str) -> None:
        self.keeper.send(do="report", key=key, directory=str(self.attempt(key)))

    def segments(self, key: str) -> list[Path]:
        return sorted((self.attempt(key) / "log").glob("*.log"))

    def event(self, kind: str, key: str) -> Mapping[str, Any]:
        def found() -> list[Mapping[str, Any]]:
            return [e for e in list(self.events) if (e["event"], e["key"]) == (kind, key)]

        self.wait(lambda: bool(found()))
        return found()[0]

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s; events: {self.events}"
            time.sleep(0.01)

    def close(self) -> None:
        pid = self.pid
        self.keeper.send(do="shutdown")
        self.wait(lambda: processes.find(pid) is None)
        self.keeper.close()
