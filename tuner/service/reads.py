"""Reads of SageMaker resources that nothing here can make: there are none, and none is found.

Clients ask for them beside training (the SDKs for algorithms, lineage and plans, consoles for
the rest). Resources that another service in this process can make are not listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.domain.errors import ResourceNotFound, ValidationException
from tuner.service.context import Context
from tuner.shapes.service_model import service_model

Read = Callable[[Context, Mapping[str, Any], str], dict[str, Any]]

LISTS: Mapping[str, str] = {
    "ListActions": "ActionSummaries",
    "ListAlgorithms": "AlgorithmSummaryList",
    "ListApps": "Apps",
    "ListArtifacts": "ArtifactSummaries",
    "ListAssociations": "AssociationSummaries",
    "ListCodeRepositories": "CodeRepositorySummaryList",
    "ListContexts": "ContextSummaries",
    "ListImages": "Images",
    "ListInferenceComponents": "InferenceComponents",
    "ListInferenceRecommendationsJobs": "InferenceRecommendationsJobs",
    "ListLabelingJobs": "LabelingJobSummaryList",
    "ListLineageGroups": "LineageGroupSummaries",
    "ListMlflowTrackingServers": "TrackingServerSummaries",
    "ListMonitoringExecutions": "MonitoringExecutionSummaries",
    "ListMonitoringSchedules": "MonitoringScheduleSummaries",
    "ListOptimizationJobs": "OptimizationJobSummaries",
    "ListProjects": "ProjectSummaryList",
    "ListSpaces": "Spaces",
    "ListStudioLifecycleConfigs": "StudioLifecycleConfigs",
    "ListTrainingPlans": "TrainingPlanSummaries",
    "ListUserProfiles": "UserProfiles",
    "ListWorkteams": "Workteams",
}
"""The member of the answer that is the empty list."""

DESCRIPTIONS = (
    "DescribeAction",
    "DescribeAlgorithm",
    "DescribeArtifact",
    "DescribeCodeRepository",
    "DescribeContext",
    "DescribeImage",
    "DescribeInferenceComponent",
    "DescribeInferenceRecommendationsJob",
    "DescribeLabelingJob",
    "DescribeMlflowTrackingServer",
    "DescribeMonitoringSchedule",
    "DescribeOptimizationJob",
    "DescribeProject",
    "DescribeSpace",
    "DescribeTrainingPlan",
    "DescribeUserProfile",
    "DescribeWorkteam",
)


def _empty(member: str) -> Read:
    return lambda context, params, region: {member: []}


def _not_found(operation: str) -> Read:
    """The error that the model has for the operation, and else the general one."""

    def describe(context: Context, params: Mapping[str, Any], region: str) -> dict[str, Any]:
        errors = service_model().operation_model(operation).error_shapes
        if any(error.name == ResourceNotFound.code for error in errors):
            raise ResourceNotFound("Requested resource not found.")
        raise ValidationException("Requested resource not found.")

    return describe


OPERATIONS: Mapping[str, Read] = {
    **{operation: _empty(member) for operation, member in LISTS.items()},
    **{operation: _not_found(operation) for operation in DESCRIPTIONS},
}
