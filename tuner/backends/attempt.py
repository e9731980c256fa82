"""One attempt in the keeper: its instances and its log."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.backends import instance, namespaces, processes
from tuner.backends.attempt_records import LAUNCH, STARTED, exit_path, write_atomically
from tuner.backends.log_writer import LineSplitter, LogWriter
from tuner.backends.memory_group import MemoryGroup, make_group, remove_group

_READ_BYTES = 256 * 1024
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_MIB = 1 << 20


class AlreadyLaunched(Exception):
    """The attempt's launch.json is there: it was launched before."""


@dataclass(slots=True)
class Instance:
    """`output` and `status` are the reading ends of its pipes; `output` is -1 once closed.
    `end` is set when the instance has ended: the content of its exit.json."""

    host: str
    pid: int
    start: int
    output: int
    status: int
    splitter: LineSplitter
    group: MemoryGroup | None
    limit: int | None
    private: bool
    killed: bool = False
    cause: str | None = None
    fault: str | None = None
    end: dict[str, Any] | None = None

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Asked a second time, it no longer counts on the init process to do its part."""
        if self.private or self.killed:
            self._signal(signal.SIGKILL)
        else:
            self._signal(instance.KILL)
            self._signal(signal.SIGCONT)  # its program may have stopped it
        self.killed = True

    def _signal(self, number: signal.Signals) -> None:
        if self.end is None:  # our child, not reaped yet: the pid is its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Attempt:
    """`pending` is the time of the first output nobody was told of; times are monotonic."""

    def __init__(self, key: str, directory: Path, log: Path) -> None:
        self.key = key
        self.directory = directory
        self.instances: list[Instance] = []
        self.pending: float | None = None
        self.paused = False
        self.kill_at: float | None = None
        self.released = False
        self._log = LogWriter(log)
        self._log_failed = False

    @property
    def running(self) -> list[Instance]:
        return [item for item in self.instances if item.end is None]

    def claim(self, programs: Sequence[instance.Program]) -> None:
        """Make launch.json. Raises AlreadyLaunched, or OSError."""
        record = {"time": time.time(), "hosts": [program["host"] for program in programs]}
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(self.directory / LAUNCH, flags, 0o600)
        except FileExistsError:
            raise AlreadyLaunched(self.key) from None
        try:
            os.write(fd, json.dumps(record).encode())
        finally:
            os.close(fd)

    def start(self, programs: Sequence[instance.Program], lifeline: int) -> float:
        """Fork all instances and write started.json; the time. Raises OSError: then those
        that were started are in `instances` and are to be killed."""
        for program in programs:
            self.instances.append(self._fork(program, lifeline))
        now = time.time()
        record = {
            "time": now,
            "boot": processes.boot_id(),
            "instances": {item.host: [item.pid, item.start] for item in self.instances},
            "groups": [str(item.group.directory) for item in self.instances if item.group],
        }
        write_atomically(self.directory / STARTED, record)
        return now

    def _fork(self, program: instance.Program, lifeline: int) -> Instance:
        limit = program["memory_mib"] and program["memory_mib"] * _MIB
        name = f"tuner-{os.getpid()}-{self.key}-{program['host']}"
        private = program["view"] is not None
        group = make_group(name, limit) if limit and private else None
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, _F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(output, False)
        os.set_blocking(status, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, instance.HELD_BACK)
        try:
            place = group.directory if group is not None else None
            pid = namespaces.fork(place) if private else os.fork()
            if pid == 0:
                instance.run(program, output_end, status_end, lifeline)
        except OSError:
            os.close(output)
            os.close(status)
            if group is not None:
                remove_group(group.directory)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, instance.HELD_BACK)
            os.close(output_end)
            os.close(status_end)
        found = processes.find(pid)
        return Instance(
            host=program["host"],
            pid=pid,
            start=found.start if found else 0,
            output=output,
            status=status,
            splitter=LineSplitter(program["host"]),
            group=group,
            limit=limit,
            private=private,
        )

    # ---- output ------------------------------------------------------------------------------

    def read(self, item: Instance) -> bool:
        """Take what lies in an instance's pipe, once; false when there is nothing (yet, or any
        more: then the pipe is closed)."""
        if item.output < 0:
            return False
        try:
            data = os.read(item.output, _READ_BYTES)
        except BlockingIOError:
            return False
        self._write(item.splitter.feed(data) if data else item.splitter.finish())
        if not data:
            os.close(item.output)
            item.output = -1
        return bool(data)

    def _write(self, lines: bytes) -> None:
        if not lines or self._log_failed:
            return
        if self.pending is None:
            self.pending = time.monotonic()
        try:
            self._log.write(lines)
        except OSError as error:
            self._log_failed = True
            for item in self.running:
                item.fault = f"cannot write the log: {error.strerror}"
                item.kill()

    def must_wait(self) -> bool:
        return not self._log_failed and self._log.must_wait()

    # ---- end ---------------------------------------------------------------------------------

    def close(self, item: Instance, wait_status: int) -> None:
        """The init process was reaped: all below it is gone. Take the last output, and write
        exit.json."""
        if wait_status != 0 and not item.private:  # killed, so it could not end its tree itself
            processes.end_marked(str(self.directory))
        while self.read(item):
            pass
        self._write(item.splitter.finish())
        code = os.waitstatus_to_exitcode(wait_status) or -int(signal.SIGKILL)
        for message in _messages(item.status):
            code = message.get("code", code)
            item.cause = item.cause or message.get("cause")
            item.fault = item.fault or message.get("fault")
        for fd in (item.output, item.status):
            if fd >= 0:
                os.close(fd)
        item.output = -1
        if item.group is not None:
            if code != 0 and item.cause is None and item.group.was_exceeded():
                item.cause = out_of_memory(item.limit)
            remove_group(item.group.directory)
        item.end = {"code": code, "cause": item.cause, "time": time.time(), "fault": item.fault}
        with contextlib.suppress(OSError):  # a full disk; the event still goes out
            write_atomically(exit_path(self.directory, item.host), item.end)
        if not self.running:
            self._log.close()


def _messages(status: int) -> list[dict[str, Any]]:
    with contextlib.suppress(BlockingIOError):
        return [json.loads(line) for line in os.read(status, 1 << 16).splitlines()]
    return []


def out_of_memory(limit: int | None) -> str:
    return f"OutOfMemory: the program used more than its {(limit or 0) // _MIB} MiB"
