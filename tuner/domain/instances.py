"""How large the instances are that SageMaker trains on.

The table comes from EC2's description of the same instance types; tests/domain/instance_table.py
writes it anew.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ACCELERATED = re.compile(r"ml\.(p|g|trn)[0-9]")
_TABLE = Path(__file__).with_name("instances.csv")


@dataclass(frozen=True, slots=True)
class InstanceSize:
    vcpus: int
    memory_mib: int
    gpus: int


def instance_size(instance_type: str) -> InstanceSize | None:
    """None for `local`, which has no size of its own, and for a type newer than the table."""
    return _sizes().get(instance_type)


def is_accelerated(instance_type: str) -> bool:
    """Whether a type is of a family with accelerators, as API_StoppingCondition names them."""
    return _ACCELERATED.match(instance_type) is not None


@cache
def _sizes() -> dict[str, InstanceSize]:
    with _TABLE.open(newline="") as file:
        return {
            row["instance_type"]: InstanceSize(
                vcpus=int(row["vcpus"]), memory_mib=int(row["memory_mib"]), gpus=int(row["gpus"])
            )
            for row in csv.DictReader(file)
        }
