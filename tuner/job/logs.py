"""The lines that a training job printed, read from the service page by page."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from tuner.client import Client

_GROUP = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line: `time` in milliseconds since the epoch, `host` such as algo-1."""

    time: int
    host: str
    text: str


@dataclass(slots=True)
class LogReader:
    """Reads on where it stopped, for one training job and one host or all."""

    client: Client
    training_job_name: str
    host: str | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    def read(self) -> Iterator[LogEvent]:
        """All lines that are new since the last call, in the order they were printed."""
        streams = [self._read(stream) for stream in self._streams()]
        return heapq.merge(*streams, key=attrgetter("time"))

    def _streams(self) -> list[str]:
        answer = self.client.call(
            "Logs_20140328.DescribeLogStreams",
            logGroupName=_GROUP,
            logStreamNamePrefix=f"{self.training_job_name}/",
        )
        names = [str(item["logStreamName"]) for item in answer["logStreams"]]
        return [name for name in names if self.host in (None, _host(name))]

    def _read(self, stream: str) -> Iterator[LogEvent]:
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            page = self.client.call(
                "Logs_20140328.GetLogEvents",
                logGroupName=_GROUP,
                logStreamName=stream,
                startFromHead=True,
                **token,
            )
            self._tokens[stream] = page["nextForwardToken"]
            if not page["events"]:
                return
            for event in page["events"]:
                yield LogEvent(event["timestamp"], _host(stream), event["message"])


def log_lines(
    client: Client, training_job_name: str, host: str | None = None
) -> Iterator[LogEvent]:
    """All lines that a training job printed so far."""
    return LogReader(client, training_job_name, host).read()


def _host(stream: str) -> str:
    """`JOB/algo-1-EPOCH` names the host between."""
    return stream.rsplit("/", 1)[1].rsplit("-", 1)[0]
