"""Streams of the log group: one per instance and run, `JOB/algo-N-EPOCH`, once the run started.

Source: docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tuner.domain.errors import InvalidParameterException, ResourceNotFoundException
from tuner.domain.jobs import Scope, TrainingJob
from tuner.domain.ports import Query
from tuner.service.context import Context
from tuner.service.log_groups import BAD_TOKEN, check_group, group_arn
from tuner.service.log_pages import last_times
from tuner.service.paging import LARGEST_ID

STREAMS_PER_PAGE = 50
_STREAM = re.compile(r"(?P<job>[^/]+)/(?P<host>algo-\d+)-(?P<epoch>\d+)")
_JOB_NAME = re.compile("[a-zA-Z0-9-]{1,63}")
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """What one host prints in one run of a job; `start` in epoch seconds."""

    name: str
    run: TrainingJob
    host: str
    start: float


def runs(job: TrainingJob) -> list[TrainingJob]:
    """The job as it is in each of the attempts whose logs it has, as far as these began: after an
    interruption other instances write streams of their own."""
    begun = [key.attempt for key in job.runs if job.started(key.attempt) is not None]
    return [job if n == job.attempt else replace(job, attempt=n) for n in begun]


def streams(job: TrainingJob) -> list[Stream]:
    """In the order of their names; none before the job has started."""
    found = []
    epoch = 0
    for run in runs(job):
        start = run.started(run.attempt) or 0.0
        epoch = max(epoch + 1, int(start))  # runs of one second differ, too
        found += [
            Stream(f"{job.name}/algo-{number}-{epoch}", run, f"algo-{number}", start)
            for number in range(1, job.instance_count + 1)
        ]
    return sorted(found, key=lambda stream: stream.name)


def find_stream(context: Context, name: str, region: str) -> Stream:
    """Raises ResourceNotFoundException."""
    parts = _STREAM.fullmatch(name)
    if parts is not None:
        job = context.ports.records.find_training_job(context.scope(region), parts["job"])
        found = streams(job) if job is not None else []
        of_host = [stream for stream in found if stream.host == parts["host"]]
        if of_host:  # another epoch may be that of a run that was tried again
            return next((stream for stream in of_host if stream.name == name), of_host[-1])
    raise ResourceNotFoundException("The specified log stream does not exist.")


# ---- DescribeLogStreams ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request. `fingerprint` is of all that the order and choice of streams depend on."""

    query: Query
    prefix: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A stream: the `number`th of a job's, which is remembered in case the job is deleted."""

    name: str
    creation_time: float
    job_id: int
    number: int


def describe_log_streams(context: Context, params: Params, region: str) -> dict[str, Any]:
    """All streams whose name begins with the prefix, by name, in any case. LastEventTime orders
    by the creation of the jobs."""
    check_group(params)
    scope = context.scope(region)
    asked = _asked(params, scope)
    place = _place_of(params["nextToken"], asked) if params.get("nextToken") else None
    limit = params.get("limit", STREAMS_PER_PAGE)
    found = list(islice(_found(context, asked, place), limit + 1))
    page = found[:limit]
    logs = context.ports.logs
    times = {key: last_times(logs, key) for key in {stream.run.key for stream, _ in page}}
    answer: dict[str, Any] = {
        "logStreams": [_described(scope, stream, times[stream.run.key]) for stream, _ in page]
    }
    if len(found) > limit:
        answer["nextToken"] = _token(asked, page[-1])
    return answer


def _asked(params: Params, scope: Scope) -> _Asked:
    prefix, by_time = params.get("logStreamNamePrefix", ""), "LastEventTime"
    order, descending = params.get("orderBy"), params.get("descending", False)
    if prefix and order == by_time:
        raise InvalidParameterException(
            f"Streams cannot be ordered by {by_time} where a logStreamNamePrefix is given."
        )
    query = Query(
        scope=scope,
        sort_by="CreationTime" if order == by_time else "Name",
        descending=descending,
        limit=STREAMS_PER_PAGE,
        name_contains=prefix.partition("/")[0] or None,
    )
    parts = [scope.account, scope.region, prefix, query.sort_by, descending]
    fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return _Asked(query, prefix, fingerprint)


def _described(scope: Scope, stream: Stream, times: Mapping[str, int]) -> dict[str, Any]:
    """`times` in nanoseconds are those of the last lines. The size is 0 for all streams on AWS."""
    created = int(stream.start * 1000)
    described = {
        "logStreamName": stream.name,
        "creationTime": created,
        "arn": f"{group_arn(scope)}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
    if stream.host in times:
        last = times[stream.host] // 1_000_000
        described |= {
            "firstEventTimestamp": created,
            "lastEventTimestamp": last,
            "lastIngestionTime": last,
        }
    return described


def _found(context: Context, asked: _Asked, place: _Place | None) -> Iterator[tuple[Stream, int]]:
    """Streams after a place, each with its number within its job."""
    given = 0 if place is None else place.number
    for job in _jobs(context, asked, place):
        found = [stream for stream in streams(job) if stream.name.startswith(asked.prefix)]
        if asked.query.descending:
            found.reverse()
        here = place is not None and job.id == place.job_id
        for number, stream in enumerate(found, 1):
            if not here or number > given:
                yield stream, number


def _jobs(context: Context, asked: _Asked, place: _Place | None) -> Iterator[TrainingJob]:
    """Jobs whose streams may begin so, from that of the place on, in the order of streams."""
    records, query = context.ports.records, asked.query
    name, slash, _ = asked.prefix.partition("/")
    here = records.training_job(place.job_id) if place is not None else None
    if slash:
        job = records.find_training_job(query.scope, name)
        yield from [job] if job is not None else []
        return
    if here is not None:
        yield here
    after = None if place is None else place.name
    if query.sort_by == "CreationTime":
        cursor = None if place is None else (place.creation_time, place.job_id)
        yield from listed(context, replace(query, after=cursor))
    elif query.descending:
        yield from _by_name_backward(context, query, after)
    else:
        yield from _by_name(context, query, after)


def listed(context: Context, query: Query) -> Iterator[TrainingJob]:
    """All jobs of a query, its limit being how many are read at once."""
    while True:
        page = context.ports.records.list_training_jobs(query)
        yield from page.items
        if page.next is None:
            return
        query = replace(query, after=page.next)


# The names of streams go on with a slash, which comes after the hyphen and before all else that
# a name can have: `a-b/…` is before `a/…`, though `a` is before `a-b`. So, in the order of
# streams, a job comes after all those whose names go on from its own with a hyphen.


def _by_name(context: Context, query: Query, after: str | None) -> Iterator[TrainingJob]:
    waiting = [] if after is None else _beginnings(context, query.scope, after)
    for job in listed(context, _past(query, after)):
        while waiting and not _goes_on(job.name, waiting[-1].name):
            yield waiting.pop()
        waiting.append(job)
    yield from reversed(waiting)


def _by_name_backward(context: Context, query: Query, after: str | None) -> Iterator[TrainingJob]:
    given = set[int]()
    if after is not None:
        given.update(job.id for job in _beginnings(context, query.scope, after))
    for job in listed(context, _past(query, after)):
        for each in (*_beginnings(context, query.scope, job.name), job):
            if each.id not in given and each.name.lower() != (after or "").lower():
                given.add(each.id)
                yield each


def _past(query: Query, name: str | None) -> Query:
    """From the end of the names that go on from this one with a hyphen; the point is next."""
    return query if name is None else replace(query, after=(name.lower() + ".", 0))


def _goes_on(name: str, beginning: str) -> bool:
    return name.lower().startswith(beginning.lower() + "-")


def _beginnings(context: Context, scope: Scope, name: str) -> list[TrainingJob]:
    """The jobs from whose names this one goes on, the shortest first."""
    ends = (place.start() for place in re.finditer("-", name))
    found = (context.ports.records.find_training_job(scope, name[:end]) for end in ends)
    return [job for job in found if job is not None]


# ---- tokens ----------------------------------------------------------------------------------


def _token(asked: _Asked, last: tuple[Stream, int]) -> str:
    stream, number = last
    job = stream.run
    body = json.dumps([asked.fingerprint, job.name, job.creation_time, job.id, number])
    return base64.urlsafe_b64encode(body.encode()).decode()


def _place_of(token: str, asked: _Asked) -> _Place:
    """Raises InvalidParameterException for a token of another request."""
    try:
        body = json.loads(base64.urlsafe_b64decode(token.encode()))
        fingerprint, name, creation_time, job_id, number = body
        if fingerprint != asked.fingerprint or not _JOB_NAME.fullmatch(name):
            raise ValueError
        numbers = type(job_id) is int and 0 <= job_id <= LARGEST_ID and type(number) is int
        if not numbers or type(creation_time) is not float or creation_time != creation_time:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise InvalidParameterException(BAD_TOKEN) from None
    return _Place(name, creation_time, job_id, number)
