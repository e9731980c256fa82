"""CloudWatch Logs reads on the logs of training jobs, in the shapes of Logs_20140328."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.domain.errors import InvalidParameterException
from tuner.domain.jobs import AttemptKey
from tuner.domain.ports import LogLine
from tuner.service.context import Context
from tuner.service.log_groups import BAD_TOKEN, GROUP, check_group, may_list, named
from tuner.service.log_pages import Wanted, backward, beginning_of_line, forward
from tuner.service.log_streams import find_stream

EVENTS_PER_PAGE = 10_000
_EVENTS_TOKEN = re.compile(r"(?P<way>[fb])/(?P<attempt>[0-9]{1,9})/(?P<offset>[0-9]{1,18})")
_GROUPLESS = ("DescribeLogStreams", "GetLogEvents", "FilterLogEvents")
Params = Mapping[str, Any]


def is_ours(operation: str, params: Params) -> bool:
    """Whether a request, which nobody has checked yet, is about our group or one that we have to
    refuse; all others are about groups of somebody else."""
    if operation == "DescribeLogGroups":
        try:
            return may_list(params)
        except (InvalidParameterException, TypeError, AttributeError):
            return True
    given = [params.get(name) for name in ("logGroupName", "logGroupIdentifier", "resourceArn")]
    groups = [group for group in given if isinstance(group, str)]
    if not groups:
        return operation in _GROUPLESS
    return any(named(group) == GROUP for group in groups)


def get_log_events(context: Context, params: Params, region: str) -> dict[str, Any]:
    """One page; a token says which way it goes: forward from its offset, or backward to it.

    Without a token it is the first page from the head, else the last one. A page has events
    as long as there are any: readers take an empty one for the end.
    """
    check_group(params)
    stream = find_stream(context, params["logStreamName"], region)
    key = stream.run.key
    wanted = Wanted(
        host=stream.host,
        start_time=params.get("startTime", 0),
        end_time=params.get("endTime"),
        limit=params.get("limit", EVENTS_PER_PAGE),
    )
    way, offset = _place(context, key, params)
    logs = context.ports.logs
    if way == "f":
        start = offset or 0
        lines, end = forward(logs, key, wanted, start)
    else:
        lines, start, end = backward(logs, key, wanted, offset)
    return {
        "events": [_event(line) for line in lines],
        "nextForwardToken": f"f/{key.attempt}/{end}",
        "nextBackwardToken": f"b/{key.attempt}/{start}",
    }


def _place(context: Context, key: AttemptKey, params: Params) -> tuple[str, int | None]:
    """Which way to read, and the offset from or up to which. A token of an earlier attempt goes
    on at the beginning of the present one, whose log is another."""
    token = params.get("nextToken")
    if token is None:
        return ("f", 0) if params.get("startFromHead") else ("b", None)
    parts = _EVENTS_TOKEN.fullmatch(token)
    if parts is None:
        raise InvalidParameterException(BAD_TOKEN)
    if int(parts["attempt"]) != key.attempt:
        return parts["way"], 0
    offset = int(parts["offset"])
    if offset > context.ports.logs.size(key):
        raise InvalidParameterException(BAD_TOKEN)
    return parts["way"], beginning_of_line(context.ports.logs, key, offset)


def _event(line: LogLine) -> dict[str, Any]:
    milliseconds = line.time // 1_000_000
    return {"timestamp": milliseconds, "message": line.text, "ingestionTime": milliseconds}
