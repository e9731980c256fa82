"""`tuner logs`: the lines of one training job, or of all of a tuning job."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.cli.find import Found, find
from tuner.cli.follow import ACTIVE
from tuner.client import Client
from tuner.domain.errors import AwsError
from tuner.job import ENDED, training_jobs
from tuner.job.logs import LogReader

_LOOK_EVERY = 0.5


def logs(client: Client, name: str, follow: bool, host: str | None) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # programs print what they like; a terminal that cannot show it is no reason to end
        sys.stdout.reconfigure(errors="replace")
    found = find(client, name)
    lines = _of_tuning_job if found.kind == "tuning job" else _of_training_job
    for line in lines(client, found, follow, host):
        print(line, flush=follow)


def _of_training_job(
    client: Client, found: Found, follow: bool, host: str | None
) -> Iterator[str]:
    reader = LogReader(client, found.name, host)
    several = _instance_count(found.description["ResourceConfig"]) > 1 and not host
    while True:
        # asked before reading: what is printed until the end is read after it
        ended = not follow or found.call(client, "Describe")["TrainingJobStatus"] in ENDED
        for event in reader.read():
            yield f"{event.host} | {event.text}" if several else event.text
        if ended:
            return
        time.sleep(_LOOK_EVERY)


def _instance_count(config: Mapping[str, Any]) -> int:
    return sum(item["InstanceCount"] for item in config.get("InstanceGroups") or (config,))


def _of_tuning_job(client: Client, found: Found, follow: bool, host: str | None) -> Iterator[str]:
    """Each line after the part of the training job's name that is its own."""
    readers: dict[str, LogReader] = {}
    finished: set[str] = set()
    while True:
        status = found.call(client, "Describe")["HyperParameterTuningJobStatus"]
        for item in list(training_jobs(client, found.name, "Ascending")):
            name = item["TrainingJobName"]
            if name in finished:
                continue
            if item["TrainingJobStatus"] not in ACTIVE:
                finished.add(name)
            reader = readers.setdefault(name, LogReader(client, name, host))
            yield from _labelled(reader, found.name)
        if not follow or status in ENDED:
            return
        time.sleep(_LOOK_EVERY)


def _labelled(reader: LogReader, tuning_job: str) -> Iterator[str]:
    label = reader.training_job_name.removeprefix(f"{tuning_job}-")
    try:
        for event in reader.read():
            yield f"{label} {event.host} | {event.text}"
    except AwsError as error:
        yield f"{label} | (no log: {error})"
