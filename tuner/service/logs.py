"""CloudWatch Logs reads on the logs of training jobs, in the shapes of Logs_20140328.

One stream per instance, `JOB/algo-N-EPOCH`, in the group /aws/sagemaker/TrainingJobs
(docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.domain.errors import (
    InvalidParameterException,
    ResourceNotFoundException,
    ValidationException,
)
from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import LogLine, Page, Query
from tuner.service.context import Context
from tuner.service.log_pages import Wanted, backward, beginning_of_line, forward
from tuner.service.paging import at, next_token

GROUP = "/aws/sagemaker/TrainingJobs"
EVENTS_PER_PAGE = 10_000
STREAMS_PER_PAGE = 50
_STREAM = re.compile(r"(?P<job>[^/]+)/(?P<host>algo-\d+)-(?P<epoch>\d+)")
_EVENTS_TOKEN = re.compile(r"(?P<way>[fb])/(?P<attempt>[0-9]{1,9})/(?P<offset>[0-9]{1,18})")
_BAD_TOKEN = "The specified nextToken is invalid."
Params = Mapping[str, Any]


def _check_group(params: Params) -> None:
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException("Give either logGroupName or logGroupIdentifier.")
    named = name or str(identifier).rpartition(":log-group:")[2]
    if named != GROUP:
        raise ResourceNotFoundException("The specified log group does not exist.")


# ---- streams ---------------------------------------------------------------------------------


def describe_log_streams(context: Context, params: Params, region: str) -> dict[str, Any]:
    """All streams whose name begins with the prefix, by the names of their jobs. LastEventTime
    orders by the creation of the jobs."""
    _check_group(params)
    prefix, by_time = params.get("logStreamNamePrefix", ""), "LastEventTime"
    if prefix and params.get("orderBy") == by_time:
        raise InvalidParameterException(
            f"Streams cannot be ordered by {by_time} where a logStreamNamePrefix is given."
        )
    query = Query(
        scope=context.scope(region),
        sort_by="CreationTime" if params.get("orderBy") == by_time else "Name",
        descending=params.get("descending", False),
        limit=STREAMS_PER_PAGE,
        name_contains=prefix.partition("/")[0] or None,
    )
    limit, found = params.get("limit", STREAMS_PER_PAGE), list[dict[str, Any]]()
    query, skip = _streams_after(query, params.get("nextToken"))
    while len(found) < limit:
        page = _jobs(context, query, prefix)
        streams = [
            stream
            for job in page.items
            for stream in _streams(job, query.descending)
            if stream["logStreamName"].startswith(prefix)
        ]
        end = skip + limit - len(found)
        found += streams[skip:end]
        if end < len(streams):
            return {"logStreams": found, "nextToken": _streams_token(query, end)}
        if page.next is None:
            return {"logStreams": found}
        query, skip = replace(query, after=page.next), 0
    return {"logStreams": found, "nextToken": _streams_token(query, 0)}


def _jobs(context: Context, query: Query, prefix: str) -> Page[TrainingJob]:
    """A page of the jobs whose streams may begin so; with a slash the name is the whole one."""
    name, slash, _ = prefix.partition("/")
    if not slash:
        return context.ports.records.list_training_jobs(query)
    job = context.ports.records.find_training_job(query.scope, name)
    return Page((job,) if job else (), None)


def _streams(job: TrainingJob, descending: bool) -> list[dict[str, Any]]:
    """None before the job has started."""
    if job.training_start_time is None:
        return []
    created = int(job.training_start_time * 1000)
    names = (f"{job.name}/{host}-{int(job.training_start_time)}" for host in _hosts(job))
    return [
        {"logStreamName": name, "creationTime": created, "firstEventTimestamp": created}
        for name in sorted(names, reverse=descending)
    ]


def _hosts(job: TrainingJob) -> list[str]:
    return [f"algo-{number}" for number in range(1, job.instance_count + 1)]


def _streams_token(query: Query, skip: int) -> str:
    """The page of jobs to go on with, and how many of its streams were given already."""
    return f"{next_token(query, Page((), query.after)).get('NextToken', '')}.{skip}"


def _streams_after(query: Query, token: str | None) -> tuple[Query, int]:
    if token is None:
        return query, 0
    cursor, _, skip = token.rpartition(".")
    if not re.fullmatch("[0-9]{1,9}", skip):
        raise InvalidParameterException(_BAD_TOKEN)
    try:
        return at(query, cursor) if cursor else query, int(skip)
    except ValidationException:
        raise InvalidParameterException(_BAD_TOKEN) from None


# ---- events ----------------------------------------------------------------------------------


def get_log_events(context: Context, params: Params, region: str) -> dict[str, Any]:
    """One page; a token says which way it goes: forward from its offset, or backward to it.

    Without a token it is the first page from the head, else the last one. A page has events
    as long as there are any: readers take an empty one for the end.
    """
    _check_group(params)
    job, host = _job_and_host(context, params["logStreamName"], region)
    wanted = Wanted(
        host=host,
        start_time=params.get("startTime", 0),
        end_time=params.get("endTime"),
        limit=params.get("limit", EVENTS_PER_PAGE),
    )
    way, offset = _place(context, job.key, params)
    logs = context.ports.logs
    if way == "f":
        start = offset or 0
        lines, end = forward(logs, job.key, wanted, start)
    else:
        lines, start, end = backward(logs, job.key, wanted, offset)
    return {
        "events": [_event(line) for line in lines],
        "nextForwardToken": f"f/{job.attempt}/{end}",
        "nextBackwardToken": f"b/{job.attempt}/{start}",
    }


def _job_and_host(context: Context, stream: str, region: str) -> tuple[TrainingJob, str]:
    parts = _STREAM.fullmatch(stream)
    if parts is not None:
        job = context.ports.records.find_training_job(context.scope(region), parts["job"])
        if job is not None and parts["host"] in _hosts(job):
            return job, parts["host"]
    raise ResourceNotFoundException("The specified log stream does not exist.")


def _place(context: Context, key: AttemptKey, params: Params) -> tuple[str, int | None]:
    """Which way to read, and the offset from or up to which. A token of an earlier attempt goes
    on at the beginning of the present one, whose log is another."""
    token = params.get("nextToken")
    if token is None:
        return ("f", 0) if params.get("startFromHead") else ("b", None)
    parts = _EVENTS_TOKEN.fullmatch(token)
    if parts is None:
        raise InvalidParameterException(_BAD_TOKEN)
    if int(parts["attempt"]) != key.attempt:
        return parts["way"], 0
    offset = int(parts["offset"])
    if offset > context.ports.logs.size(key):
        raise InvalidParameterException(_BAD_TOKEN)
    return parts["way"], beginning_of_line(context.ports.logs, key, offset)


def _event(line: LogLine) -> dict[str, Any]:
    milliseconds = line.time // 1_000_000
    return {"timestamp": milliseconds, "message": line.text, "ingestionTime": milliseconds}
