"""What is known of the algorithm behind an image: its metrics, and whether AWS owns it."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.domain.definitions import MetricDefinition, ObjectiveType


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmMetric:
    """A metric that the algorithm prints; `objective_type` is None when AWS does not tune it."""

    name: str
    regex: str
    objective_type: ObjectiveType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """`built_in`: AWS publishes the metric definitions and refuses a user's own.

    Source: the developer guide,
    docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-metrics-variables.html
    """

    name: str
    built_in: bool
    metrics: tuple[AlgorithmMetric, ...] = ()

    @property
    def metric_definitions(self) -> tuple[MetricDefinition, ...]:
        return tuple(MetricDefinition(name=item.name, regex=item.regex) for item in self.metrics)
