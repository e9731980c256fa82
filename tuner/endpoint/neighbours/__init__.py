"""AWS's other services: moto in this process, what it lacks, and CloudWatch on our own data."""

from __future__ import annotations

from tuner.endpoint.neighbours.app import Neighbours
from tuner.service.metrics import MetricSource

__all__ = ["MetricSource", "Neighbours"]
