"""AddTags, ListTags and DeleteTags on tuning and training jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.domain.definitions import Tag
from tuner.domain.errors import ResourceNotFound, ValidationException
from tuner.domain.jobs import Scope
from tuner.domain.rules_training import tag_faults
from tuner.service.context import Context
from tuner.shapes.requests import refuse

TAGS_PER_RESOURCE = 50
_ARN = re.compile(
    r"arn:aws[a-z\-]*:sagemaker:([a-z0-9\-]+):(\d{12}):"
    r"(hyper-parameter-tuning-job|training-job)/([a-zA-Z0-9\-]+)"
)
Params = Mapping[str, Any]


def _resource(context: Context, params: Params) -> str:
    """The ARN as we keep it, of a job that exists."""
    arn = params["ResourceArn"]
    parts = _ARN.fullmatch(arn)
    if parts is not None:
        region, account, kind, name = parts.groups()
        scope = Scope(account=account, region=region)
        records = context.ports.records
        find = records.find_training_job if kind == "training-job" else records.find_tuning_job
        job = find(scope, name)
        if job is not None:
            return job.arn
    raise ResourceNotFound(f"Amazon SageMaker can't find a resource with the ARN {arn}.")


def _answer(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def add(context: Context, params: Params, region: str) -> dict[str, Any]:
    new = [Tag(key=tag["Key"], value=tag["Value"]) for tag in params["Tags"]]
    refuse(list(tag_faults(new)))

    def run() -> str:
        arn = _resource(context, params)
        keys = {*context.ports.records.tags(arn), *(tag.key for tag in new)}
        if len(keys) > TAGS_PER_RESOURCE:
            raise ValidationException(
                f"A resource can have at most {TAGS_PER_RESOURCE} tags; this would make "
                f"{len(keys)}."
            )
        context.ports.records.put_tags(arn, new)
        return arn

    return _answer(context.ports.records.tags(context.in_turn(run)))


def list_tags(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Always one page: MaxResults is at least 50, and a resource has no more tags than that."""
    arn = _resource(context, params)
    if params.get("NextToken"):
        raise ValidationException("The NextToken is not valid for this request.")
    return _answer(context.ports.records.tags(arn))


def delete(context: Context, params: Params, region: str) -> dict[str, Any]:
    def run() -> None:
        arn = _resource(context, params)
        context.ports.records.delete_tags(arn, params["TagKeys"])

    context.in_turn(run)
    return {}
