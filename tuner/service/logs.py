"""CloudWatch Logs reads on the logs of training jobs, in the shapes of Logs_20140328.

One stream per instance, `JOB/algo-N-EPOCH`, in the group /aws/sagemaker/TrainingJobs
(docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.domain.errors import InvalidParameterException, ResourceNotFoundException
from tuner.domain.jobs import TrainingJob
from tuner.domain.ports import LogLine
from tuner.service.context import Context

GROUP = "/aws/sagemaker/TrainingJobs"
EVENTS_PER_PAGE = 10_000
BYTES_PER_PAGE = 1024 * 1024
LINES_PER_READ = 2_000
_STREAM = re.compile(r"(?P<job>[^/]+)/(?P<host>algo-\d+)-(?P<epoch>\d+)")
Params = Mapping[str, Any]


def _stream_name(job: TrainingJob, host: str) -> str:
    return f"{job.name}/{host}-{int(job.training_start_time or job.creation_time)}"


def _hosts(job: TrainingJob) -> list[str]:
    return [f"algo-{number}" for number in range(1, job.instance_count + 1)]


def describe_log_streams(context: Context, params: Params, region: str) -> dict[str, Any]:
    if params.get("logGroupName") != GROUP:
        raise ResourceNotFoundException("The specified log group does not exist.")
    name = str(params.get("logStreamNamePrefix", "")).split("/")[0]
    job = context.ports.records.find_training_job(context.scope(region), name)
    if job is None or job.training_start_time is None:
        return {"logStreams": []}
    prefix = params.get("logStreamNamePrefix", "")
    created = int(job.training_start_time * 1000)
    names = [_stream_name(job, host) for host in _hosts(job)]
    streams = [
        {"logStreamName": item, "creationTime": created, "firstEventTimestamp": created}
        for item in names
        if item.startswith(prefix)
    ]
    return {"logStreams": streams}


def get_log_events(context: Context, params: Params, region: str) -> dict[str, Any]:
    """From the head only: the token is where the next call goes on; no events means the end."""
    parts = _STREAM.fullmatch(str(params.get("logStreamName", "")))
    found = parts and context.ports.records.find_training_job(context.scope(region), parts["job"])
    if params.get("logGroupName") != GROUP or not parts or not found:
        raise ResourceNotFoundException("The specified log stream does not exist.")
    offset = _offset(params.get("nextToken"))
    limit = min(int(params.get("limit", EVENTS_PER_PAGE)), EVENTS_PER_PAGE)
    lines, offset = _page(context, found, parts["host"], offset, limit)
    token = f"f/{offset}"
    return {
        "events": [
            {
                "timestamp": line.time // 1_000_000,
                "message": line.text,
                "ingestionTime": line.time // 1_000_000,
            }
            for line in lines
        ],
        "nextForwardToken": token,
        "nextBackwardToken": "b/0",
    }


def _offset(token: object) -> int:
    if token is None:
        return 0
    kind, _, number = str(token).partition("/")
    if kind not in ("f", "b") or not number.isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(number)


def _page(
    context: Context, job: TrainingJob, host: str, offset: int, limit: int
) -> tuple[list[LogLine], int]:
    """Up to `limit` lines of one host, and the offset after the last line looked at."""
    chosen: list[LogLine] = []
    size = 0
    while len(chosen) < limit and size < BYTES_PER_PAGE:
        wanted = min(LINES_PER_READ, limit - len(chosen))
        lines, offset = context.ports.logs.read(job.key, offset, wanted)
        if not lines:
            break
        mine = [line for line in lines if line.host == host]
        chosen += mine
        size += sum(len(line.text) for line in mine)
    return chosen, offset
