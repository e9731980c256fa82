"""An engine of a test's own, which may be killed and restarted without harm to any other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tuner.backends.docker_connection import EngineUnavailable
from tuner.backends.docker_engine import Engine

PATIENCE = 60.0


class Daemon:
    """Its bridge has a name of its own, and leads nowhere: without one, an engine removes the
    bridge of the machine's engine."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("dockerd") is None or os.geteuid() != 0:
            pytest.skip("needs docker: an engine of its own needs dockerd and root")
        self._directory = directory
        self._bridge = f"amtl{os.getpid()}"
        subnet = f"198.18.{os.getpid() % 256}.1/24"  # reserved for tests (RFC 2544)
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", subnet, "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        self.address = f"unix://{directory}/s"
        self._process: subprocess.Popen[bytes] | None = None
        self._containerd = self._run_containerd()

    def start(self, *options: str) -> None:
        (self._directory / "pid").unlink(missing_ok=True)
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    *(f"--{name}={self._directory / place}" for name, place in places.items()),
                    f"--host={self.address}",
                    f"--containerd={self._directory / 'c'}",
                    f"--bridge={self._bridge}",
                    "--iptables=false",
                    *options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, (self._directory / "log").read_text()[-2000:]
            assert self._process.poll() is None, (self._directory / "log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)

    def close(self) -> None:
        self.stop(signal.SIGTERM)
        self._containerd.terminate()
        self._containerd.wait(PATIENCE)
        _ip("link", "delete", self._bridge)
        # it leaves its directory mounted on itself
        subprocess.run(["umount", self._directory / "data"], check=False)

    def _run_containerd(self) -> subprocess.Popen[bytes]:
        """Apart from the engine, so that killing the engine leaves it in order."""
        places = {"root": "croot", "state": "cstate", "address": "c"}
        options = (f"--{name}={self._directory / place}" for name, place in places.items())
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(["containerd", *options], stdout=log, stderr=log)

    def copy(self, image: str) -> None:
        """Give it an image that this machine's engine has."""
        theirs = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        subprocess.run(
            ["docker", "--host", self.address, "load"],
            stdin=theirs.stdout,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        assert theirs.wait() == 0

    def _answers(self) -> bool:
        try:
            Engine(5.0, self.address).ping()
        except EngineUnavailable:
            return False
        return True


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
