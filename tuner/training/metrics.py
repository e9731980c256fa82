"""Log lines to metric points, by AWS's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuner.domain.definitions import MetricDefinition
from tuner.domain.jobs import MetricPoint
from tuner.domain.ports import LogLine


def regex_fault(regex: str) -> str | None:
    """Why a regex cannot be used; None when it can."""
    raise NotImplementedError


class MetricScraper:
    def __init__(self, definitions: Sequence[MetricDefinition], objective: str | None) -> None:
        raise NotImplementedError

    def scan(self, line: LogLine) -> Iterator[MetricPoint]:
        """The points of one line, at most one per definition."""
        raise NotImplementedError

    def diagnosis(self) -> str:
        """Why the objective has no value, for the user."""
        raise NotImplementedError
