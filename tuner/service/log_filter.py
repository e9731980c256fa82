"""FilterLogEvents: the events of many streams in the order of time."""

from __future__ import annotations

import base64
import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from tuner.domain.errors import InvalidParameterException
from tuner.domain.jobs import AttemptKey, Scope, TrainingJob
from tuner.domain.ports import Query
from tuner.domain.statuses import TrainingJobStatus
from tuner.service.context import Context
from tuner.service.log_groups import BAD_TOKEN, check_group
from tuner.service.log_merge import NANOSECONDS, Cursor, Found, MergedLogs, Place
from tuner.service.log_patterns import Test, pattern_test
from tuner.service.log_streams import Stream, find_stream, listed, streams
from tuner.service.paging import LARGEST_ID

EVENTS_PER_PAGE = 10_000
BYTES_PER_PAGE = 1024 * 1024
BYTES_PER_EVENT = 26
"""Beside the message, as CloudWatch Logs counts."""
BYTES_SEARCHED = 4 * 1024 * 1024
"""A page ends when as much was looked at, however little was found."""
JOBS_PER_READ = 100
Params = Mapping[str, Any]
Streams = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request. Times are milliseconds, both ends included; `fingerprint` is of all that the
    choice of events depends on."""

    scope: Scope
    names: frozenset[str] | None
    prefix: str
    start_time: int
    end_time: int | None
    passes: Test
    fingerprint: str

    def streams(self, job: TrainingJob) -> list[Stream]:
        """The wanted ones of a job."""
        return [
            stream
            for stream in streams(job)
            if stream.name.startswith(self.prefix)
            and (self.names is None or stream.name in self.names)
        ]


def filter_log_events(context: Context, params: Params, region: str) -> dict[str, Any]:
    """A page may have few events, or none, and yet a token: it ends when enough was searched.

    There is no token once all is told that was printed until the request came, also of jobs
    that still run; who follows them asks again with the time of the last event.
    """
    check_group(params)
    asked = _asked(params, context.scope(region))
    place = _place_of(params["nextToken"], asked) if params.get("nextToken") else None
    now = int(context.now() * 1000)
    end = now if asked.end_time is None else min(asked.end_time, now)
    limit = params.get("limit", EVENTS_PER_PAGE)
    merged = MergedLogs(
        context.ports.logs, _jobs(context, asked, place), asked.start_time * 1_000_000, place
    )
    wanted: dict[AttemptKey, Streams] = {}
    events: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"events": events, "searchedLogStreams": []}
    size = searched = 0
    for found in merged:
        if found.line.time // 1_000_000 > end:
            break
        length = len(found.line.text) + BYTES_PER_EVENT
        searched += length
        key = found.run.key
        if key not in wanted:
            mine = (item for item in asked.streams(found.run) if item.run.key == key)
            wanted[key] = {item.host: item.name for item in mine}
        stream = wanted[key].get(found.line.host)
        if stream is not None and asked.passes(found.line.text):
            events.append(_event(found, stream))
            size += length
        if len(events) >= limit or size >= BYTES_PER_PAGE or searched >= BYTES_SEARCHED:
            after = merged.place()
            return answer if after is None else {**answer, "nextToken": _token(asked, after)}
    return answer


def _asked(params: Params, scope: Scope) -> _Asked:
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
    if names and prefix:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefix cannot be given together."
        )
    if params.get("startFromHead") is False:
        raise InvalidParameterException(
            "The latest events first (startFromHead=false) are not served here; leave it out, and "
            "give a startTime."
        )
    start, end = params.get("startTime", 0), params.get("endTime")
    pattern = params.get("filterPattern", "")
    parts = [scope.account, scope.region, sorted(names or ()), prefix, start, end, pattern]
    return _Asked(
        scope=scope,
        names=frozenset(names) if names else None,
        prefix=prefix,
        start_time=start,
        end_time=end,
        passes=pattern_test(pattern),
        fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
    )


def _event(found: Found, stream: str) -> dict[str, Any]:
    """The event ids of a log are in the order of its lines, and the same in every answer."""
    milliseconds = found.line.time // 1_000_000
    run = found.run
    return {
        "logStreamName": stream,
        "timestamp": milliseconds,
        "message": found.line.text,
        "ingestionTime": milliseconds,
        "eventId": f"{found.line.time:020d}{run.id:020d}{run.attempt:06d}{found.number:010d}",
    }


# ---- the jobs --------------------------------------------------------------------------------


def _jobs(context: Context, asked: _Asked, place: Place | None) -> Iterator[TrainingJob]:
    """Those with wanted streams that may have lines from the place on, the oldest first."""
    since = max(asked.start_time * 1_000_000, place.time if place is not None else 0)
    return (job for job in _candidates(context, asked, since) if asked.streams(job))


def _candidates(context: Context, asked: _Asked, since: int) -> Iterable[TrainingJob]:
    if asked.names is not None:
        found = [find_stream(context, name, asked.scope.region).run for name in asked.names]
        # of the runs of one job, the latest knows the others
        latest = {run.id: run for run in sorted(found, key=attrgetter("attempt"))}
        return sorted(latest.values(), key=_age)
    name, slash, _ = asked.prefix.partition("/")
    if slash:
        job = context.ports.records.find_training_job(asked.scope, name)
        return [job] if job is not None else []
    return _not_ended_before(context, asked.scope, name or None, since)


def _not_ended_before(
    context: Context, scope: Scope, name: str | None, since: int
) -> Iterator[TrainingJob]:
    """Those that run are read first, so that none is missed that ends meanwhile."""
    query = Query(scope=scope, sort_by="CreationTime", limit=JOBS_PER_READ, name_contains=name)
    running = [
        job
        for status in (TrainingJobStatus.IN_PROGRESS, TrainingJobStatus.STOPPING)
        for job in listed(context, replace(query, status=status))
    ]
    after = since / NANOSECONDS - 1
    ended = listed(context, replace(query, last_modified_time_after=after))
    seen = set[int]()
    for job in heapq.merge(sorted(running, key=_age), ended, key=_age):
        if job.id not in seen:
            seen.add(job.id)
            yield job


def _age(job: TrainingJob) -> tuple[float, int]:
    return job.creation_time, job.id


# ---- tokens ----------------------------------------------------------------------------------


def _token(asked: _Asked, place: Place) -> str:
    cursors = [
        [key.job_id, key.attempt, cursor.offset, cursor.time, cursor.count]
        for key, cursor in place.cursors.items()
    ]
    body = json.dumps([asked.fingerprint, place.time, cursors], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode()


def _place_of(token: str, asked: _Asked) -> Place:
    """Raises InvalidParameterException for a token of another request."""
    try:
        fingerprint, time, rows = json.loads(base64.urlsafe_b64decode(token.encode()))
        numbers = [time, *(number for row in rows for number in row)]
        if fingerprint != asked.fingerprint:
            raise ValueError
        if not all(type(number) is int and 0 <= number <= LARGEST_ID for number in numbers):
            raise ValueError
        cursors = {
            AttemptKey(job_id, attempt): Cursor(offset, last, count)
            for job_id, attempt, offset, last, count in rows
        }
    except (ValueError, TypeError, RecursionError):
        raise InvalidParameterException(BAD_TOKEN) from None
    return Place(time, cursors)
