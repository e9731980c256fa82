"""What the machine has."""

from __future__ import annotations

import os
from pathlib import Path

from tuner.backends.machine import machine_capacity


def test_gpus_are_nvidias_devices_but_not_their_controls(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia12", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert machine_capacity(tmp_path).gpus == 3


def test_cpus_and_memory_are_what_this_process_may_use() -> None:
    found = machine_capacity()
    assert 1 <= found.cpus <= (os.cpu_count() or 1)
    assert 100 < found.memory_mib < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
