"""The one log group of ours: /aws/sagemaker/TrainingJobs.

It is always there, as in an account where a training job once ran: a reader that follows it may
begin before the first job does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.domain.errors import (
    InvalidParameterException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from tuner.domain.jobs import Scope
from tuner.domain.ports import Query
from tuner.service.context import Context

GROUP = "/aws/sagemaker/TrainingJobs"
BAD_TOKEN = "The specified nextToken is invalid."
Params = Mapping[str, Any]


def named(identifier: str) -> str:
    """The name of a group that is given by its name or ARN."""
    return identifier.rpartition(":log-group:")[2].removesuffix(":*")


def check_group(params: Params) -> None:
    """Pass a request for our group, whichever way it is named."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise InvalidParameterException("Give either logGroupName or logGroupIdentifier.")
    if (name or named(str(identifier))) != GROUP:
        raise ResourceNotFoundException("The specified log group does not exist.")


def group_arn(scope: Scope) -> str:
    return f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{GROUP}"


def create_log_group(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Programs that make the group before they train expect that it may be there."""
    if params["logGroupName"] == GROUP:
        raise ResourceAlreadyExistsException("The specified log group already exists")
    raise InvalidParameterException(f"The only log group that is served is {GROUP}.")


def describe_log_groups(context: Context, params: Params, region: str) -> dict[str, Any]:
    if params.get("nextToken"):
        raise InvalidParameterException(BAD_TOKEN)
    if not may_list(params):
        return {"logGroups": []}
    scope = context.scope(region)
    oldest = context.ports.records.list_training_jobs(
        Query(scope=scope, sort_by="CreationTime", limit=1)
    ).items
    group: dict[str, Any] = {"logGroupName": GROUP, "arn": f"{group_arn(scope)}:*"}
    if oldest:
        group["creationTime"] = int(oldest[0].creation_time * 1000)
    if "logGroupNamePattern" not in params:  # which leaves these out
        group |= {
            "metricFilterCount": 0,
            "logGroupClass": "STANDARD",
            "logGroupArn": group_arn(scope),
        }
    return {"logGroups": [group]}


def may_list(params: Params) -> bool:
    """Whether DescribeLogGroups asks for groups of which ours is one. Raises
    InvalidParameterException for what cannot be asked for together."""
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    identifiers = params.get("logGroupIdentifiers")
    if prefix is not None and pattern is not None:
        raise InvalidParameterException(
            "logGroupNamePrefix and logGroupNamePattern cannot be given together."
        )
    if identifiers and (prefix or pattern or params.get("logGroupClass")):
        raise InvalidParameterException(
            "No other filter can be given together with logGroupIdentifiers."
        )
    return (
        GROUP.startswith(prefix or "")
        and (pattern or "") in GROUP
        and params.get("logGroupClass", "STANDARD") == "STANDARD"
        and (not identifiers or GROUP in map(named, identifiers))
    )
