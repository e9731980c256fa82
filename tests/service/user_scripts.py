"""Users' scripts as the SDKs hand them over: images, code archives, hyperparameters."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

SKLEARN = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
CODE = "s3://code/job/sourcedir.tar.gz"
DRIVER = "/opt/ml/input/data/sm_drivers/sm_train.sh"
"""Where SDK v3's ModelTrainer has the program that it gives as the entry point."""


def archive(files: Mapping[str, str]) -> bytes:
    """Code as both SDKs pack it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as writer:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            writer.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def encoded(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters as SDK v2 has them; SDK v3 sends them raw."""
    return {name: json.dumps(value) for name, value in parameters.items()}


def run_by_driver(definition: Mapping[str, Any], channels: Mapping[str, str]) -> dict[str, Any]:
    """A training job as ModelTrainer asks for one; `channels` are S3 prefixes by name."""
    algorithm = {
        **definition["AlgorithmSpecification"],
        "ContainerEntrypoint": ["/bin/bash"],
        "ContainerArguments": ["-c", f"chmod +x {DRIVER} && {DRIVER}"],
    }
    inputs = [
        {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        }
        for name, uri in channels.items()
    ]
    return {**definition, "AlgorithmSpecification": algorithm, "InputDataConfig": inputs}
