"""The samples of a metric: points of training jobs in the store, and what was put to moto."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moto.cloudwatch.models import MetricAggregatedDatum, MetricDatum, MetricDatumBase

from tuner.endpoint.neighbours.metric_requests import Dimensions, dimensions_of_datum, epoch
from tuner.endpoint.neighbours.statistics import Sample
from tuner.service.metrics import DIMENSION, NAMESPACE, MetricSource

UNIT = "None"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where the metrics of one region are: ours in `source`, the others in `put`."""

    source: MetricSource
    region: str
    put: Sequence[MetricDatumBase]

    def samples(
        self, namespace: str, name: str, dimensions: Dimensions, unit: str | None
    ) -> Iterator[Sample]:
        """Of the metric with exactly these dimensions, in no order."""
        for datum in self.put:
            if (
                datum.namespace == namespace
                and datum.name == name
                and dimensions_of_datum(datum) == dimensions
                and unit in (None, datum.unit or UNIT)
            ):
                yield _sample(datum)
        jobs = [value for key, value in dimensions if key == DIMENSION]
        if namespace == NAMESPACE and len(dimensions) == len(jobs) == 1 and unit in (None, UNIT):
            for point in self.source.points(self.region, jobs[0], name):
                yield Sample.of_value(point.time, point.value, UNIT)


def _sample(datum: MetricDatumBase) -> Sample:
    time, unit = epoch(datum.timestamp), datum.unit or UNIT
    if isinstance(datum, MetricAggregatedDatum):
        return Sample(time, datum.sample_count, datum.sum, datum.min, datum.max, unit)
    assert isinstance(datum, MetricDatum)
    return Sample.of_value(time, datum.value, unit)
