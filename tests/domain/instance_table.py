"""Writes tuner/domain/instances.csv: `python tests/domain/instance_table.py`.

Sizes are those of the EC2 instance types in moto's table, for every type that SageMaker trains
on; types that moto lacks keep the sizes of SUPPLEMENT.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import botocore.loaders
import moto.ec2

TABLE = Path(__file__).parents[2] / "tuner" / "domain" / "instances.csv"

SUPPLEMENT = {
    "ml.p2.xlarge": (4, 62464, 1),
    "ml.p2.8xlarge": (32, 499712, 8),
    "ml.p2.16xlarge": (64, 749568, 16),
    "ml.p3.2xlarge": (8, 62464, 1),
    "ml.p3.8xlarge": (32, 249856, 4),
    "ml.p3.16xlarge": (64, 499712, 8),
    "ml.p6e-gb200.36xlarge": (144, 983040, 4),
}
"""Sizes as AWS has published them; types that moto does not list, as of 2026-11-21."""


def training_instance_types() -> list[str]:
    model = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")
    types: list[str] = model["shapes"]["TrainingInstanceType"]["enum"]
    return types


def ec2_sizes() -> dict[str, tuple[int, int, int]]:
    """SageMaker's name of each EC2 instance type of moto's to vCPUs, MiB and GPUs."""
    path = Path(moto.ec2.__file__).parent / "resources" / "instance_types.json.gz"
    table: dict[str, dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return {
        f"ml.{name}": (
            entry["VCpuInfo"]["DefaultVCpus"],
            entry["MemoryInfo"]["SizeInMiB"],
            sum(gpu["Count"] for gpu in entry.get("GpuInfo", {}).get("Gpus", [])),
        )
        for name, entry in table.items()
    }


def main() -> None:
    known = {**SUPPLEMENT, **ec2_sizes()}
    rows = [f"{name},{','.join(map(str, known[name]))}" for name in training_instance_types()]
    lines = ["instance_type,vcpus,memory_mib,gpus", *sorted(rows)]
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
