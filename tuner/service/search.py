"""Search and GetSearchSuggestions on tuning and training jobs."""

from __future__ import annotations

import base64
import hashlib
import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuner.domain.errors import ValidationException
from tuner.domain.jobs import Scope, TrainingJob, TuningJob
from tuner.domain.ports import Page, Query
from tuner.service.context import Context
from tuner.service.paging import DEFAULT_PAGE, LARGEST_ID
from tuner.shapes.responses import describe_training_job, describe_tuning_job
from tuner.shapes.search import Expression, compiled, hidden
from tuner.shapes.search_properties import (
    Property,
    SortKey,
    record_shape,
    sort_key,
    sorted_by,
)

JOBS_PER_READ = 500
MOST_SUGGESTIONS = 100
Params = Mapping[str, Any]
Job = TrainingJob | TuningJob
Place = tuple[SortKey, int]


# ---- the resources ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Resource:
    """How the jobs of a kind are listed and told."""

    name: str
    page: Callable[[Context, Query], Page[Any]]
    told: Callable[[Context, Any], dict[str, Any]]

    def jobs(self, context: Context, scope: Scope) -> Iterator[Job]:
        """All, the oldest first."""
        query = Query(scope=scope, sort_by="CreationTime", limit=JOBS_PER_READ)
        while True:
            page = self.page(context, query)
            yield from page.items
            if page.next is None:
                return
            query = replace(query, after=page.next)


def _told_training_job(context: Context, job: TrainingJob) -> dict[str, Any]:
    tuned = job.tuning_job_id is not None
    arn = job.scope.tuning_job_arn(job.name.rsplit("-", 2)[0]) if tuned else None
    return describe_training_job(job, arn)


def _told_tuning_job(context: Context, job: TuningJob) -> dict[str, Any]:
    best_id = job.progress.best_training_job_id
    best = context.ports.records.training_job(best_id) if best_id is not None else None
    return describe_tuning_job(job, best, context.now())


_RESOURCES = {
    resource.name: resource
    for resource in (
        _Resource(
            "TrainingJob",
            lambda context, query: context.ports.records.list_training_jobs(query),
            _told_training_job,
        ),
        _Resource(
            "HyperParameterTuningJob",
            lambda context, query: context.ports.records.list_tuning_jobs(query),
            _told_tuning_job,
        ),
    )
}


def is_ours(params: Params) -> bool:
    """Whether the request asks for jobs; other resources may be known elsewhere."""
    return params.get("Resource") in _RESOURCES


# ---- Search ----------------------------------------------------------------------------------


def search(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Ordered by LastModifiedTime, the newest first, where nothing else is said.

    All jobs are looked at for every page, and a page begins after the last job of the one
    before it, so that jobs added meanwhile neither repeat nor hide one. Of other resources
    there are none, nor are there any of other accounts.
    """
    resource = _RESOURCES.get(params["Resource"])
    if resource is None or params.get("CrossAccountFilterOption") == "CrossAccount":
        return {"Results": [], "TotalHits": _hits(0)}
    asked = _asked(params, context.scope(region))
    after = _place_of(params["NextToken"], asked) if params.get("NextToken") else None
    limit = params.get("MaxResults", DEFAULT_PAGE)
    hits = 0

    def found() -> Iterator[tuple[Place, Job]]:
        nonlocal hits
        for job in resource.jobs(context, context.scope(region)):
            record = _record(context, resource, job, asked)
            if not asked.matches(record):
                continue
            hits += 1
            place = (sort_key(asked.sort, record, asked.descending), job.id)
            if after is None or (place < after if asked.descending else place > after):
                yield place, job

    first = heapq.nlargest if asked.descending else heapq.nsmallest
    page = first(limit + 1, found(), key=lambda item: item[0])
    answer: dict[str, Any] = {
        "Results": [{resource.name: _result(context, resource, job)} for _, job in page[:limit]],
        "TotalHits": _hits(hits),
    }
    if len(page) > limit:
        answer["NextToken"] = _token(asked, page[limit - 1][0])
    return answer


def _hits(count: int) -> dict[str, Any]:
    return {"Value": count, "Relation": "EqualTo"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request. `fingerprint` is of all that the order and choice of results depend on."""

    expression: Expression
    conditions: tuple[Mapping[str, str], ...]
    sort: Property
    descending: bool
    fingerprint: str

    def matches(self, record: Mapping[str, Any]) -> bool:
        return self.expression.matches(record) and not hidden(
            self.conditions, record.get("Tags", {})
        )

    @property
    def needs_tags(self) -> bool:
        return bool(self.conditions) or "Tags" in {*self.expression.members, self.sort.path[0]}


def _asked(params: Params, scope: Scope) -> _Asked:
    resource, expression = params["Resource"], params.get("SearchExpression")
    sort, order = params.get("SortBy", "LastModifiedTime"), params.get("SortOrder", "Descending")
    conditions = tuple(params.get("VisibilityConditions") or ())
    hidden(conditions, {})
    parts = [scope.account, scope.region, resource, expression, sort, order, conditions]
    return _Asked(
        expression=compiled(resource, expression),
        conditions=conditions,
        sort=sorted_by(resource, sort),
        descending=order == "Descending",
        fingerprint=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16],
    )


def _record(context: Context, resource: _Resource, job: Job, asked: _Asked) -> Mapping[str, Any]:
    """A job as `shapes.search_properties` looks at it."""
    record = resource.told(context, job)
    final = record.get("FinalMetricDataList", ())
    record["Metrics"] = {metric["MetricName"]: metric["Value"] for metric in final}
    if asked.needs_tags and (tags := context.ports.records.tags(job.arn)):
        record["Tags"] = tags
    return record


def _result(context: Context, resource: _Resource, job: Job) -> dict[str, Any]:
    members = record_shape(resource.name).members
    record = resource.told(context, job)
    tags = context.ports.records.tags(job.arn)
    return {
        **{name: value for name, value in record.items() if name in members},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


# ---- tokens ----------------------------------------------------------------------------------


def _token(asked: _Asked, place: Place) -> str:
    (missing, rank, value), job_id = place
    body = json.dumps([asked.fingerprint, missing, rank, value, job_id], ensure_ascii=False)
    return base64.urlsafe_b64encode(body.encode()).decode()


def _place_of(token: str, asked: _Asked) -> Place:
    """Where the page goes on; raises ValidationException for a token of another request."""
    try:
        body = json.loads(base64.urlsafe_b64decode(token.encode()))
        fingerprint, missing, rank, value, job_id = body
        numbers = all(type(item) is int for item in (missing, rank, job_id))
        of_rank = type(value) is str if rank else type(value) in (int, float)
        if fingerprint != asked.fingerprint or not (numbers and of_rank):
            raise ValueError
        if not 0 <= job_id <= LARGEST_ID or value != value:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        text = "The NextToken is not valid for this request: it belongs to another search."
        raise ValidationException(text) from None
    return (missing, rank, value), job_id


# ---- GetSearchSuggestions --------------------------------------------------------------------


def suggestions(context: Context, params: Params, region: str) -> dict[str, Any]:
    """Names of hyperparameters, metrics and tags that jobs have and that begin as the hint."""
    query = (params.get("SuggestionQuery") or {}).get("PropertyNameQuery") or {}
    hint = query.get("PropertyNameHint", "")
    resource = _RESOURCES.get(params["Resource"])
    names: set[str] = set()
    if resource is not None:
        for job in resource.jobs(context, context.scope(region)):
            if isinstance(job, TrainingJob):
                names.update(f"HyperParameters.{name}" for name in job.hyper_parameters)
                names.update(f"Metrics.{point.name}" for point in job.metrics)
            names.update(f"Tags.{key}" for key in context.ports.records.tags(job.arn))
    fitting = sorted(name for name in names if name.startswith(hint))
    return {
        "PropertyNameSuggestions": [{"PropertyName": name} for name in fitting[:MOST_SUGGESTIONS]]
    }
