"""Forks into namespaces and cgroups."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

import pytest

from tuner.backends import namespaces
from tuner.backends.memory_group import remove_group

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs linux")


def _unified() -> Path | None:
    """Where cgroups of version 2 are mounted and can be made."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        place = Path(fields.split()[4])
        if tail.startswith("cgroup2 ") and os.access(place, os.W_OK):
            return place
    return None


def test_a_fork_can_be_born_into_a_cgroup() -> None:
    unified = _unified()
    if unified is None or os.geteuid() != 0:
        pytest.skip("needs cgroup2 that can be written")
    group = unified / f"tuner-test-{uuid.uuid4().hex}"
    group.mkdir()
    reader, writer = os.pipe()
    try:
        pid = namespaces.fork(group)
        if pid == 0:
            os.write(writer, Path("/proc/self/cgroup").read_bytes())
            os._exit(0)
        os.close(writer)
        seen = os.read(reader, 65536).decode().splitlines()
        os.waitpid(pid, 0)
        assert f"/{group.name}" in next(line for line in seen if line.startswith("0::"))
    finally:
        os.close(reader)
        remove_group(group)
    assert not group.exists()
