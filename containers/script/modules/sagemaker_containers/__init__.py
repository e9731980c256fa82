"""What users' scripts import of sagemaker-containers, by which sagemaker-training was known."""

from __future__ import annotations

from sagemaker_training.environment import Environment


def training_env() -> Environment:
    return Environment()
