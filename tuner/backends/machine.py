"""What this machine has for training jobs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tuner.domain.ports import Capacity

_USABLE_MEMORY = 0.9


def machine_capacity(devices: Path = Path("/dev")) -> Capacity:
    """What this process may use of the machine, less a tenth of the memory for the rest.

    GPUs are NVIDIA's, the only ones that a Docker engine takes requests for.
    """
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Capacity(
        cpus=cpus,
        memory_mib=int(memory * _USABLE_MEMORY) // (1 << 20),
        gpus=len(list(devices.glob("nvidia[0-9]*"))),
    )
