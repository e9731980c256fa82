"""What of moto is served, and why the rest is not.

moto keeps books on AWS's resources. That is what neighbours are for; where it would run
programs, reach out of this process, or claim that something ran which did not, the request is
refused in a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuner.endpoint.neighbours.protocols import Call

NOT_NEIGHBOURS = frozenset(
    {"moto_api", "moto_api._internal", "instance_metadata", "s3", "s3bucket_path", "s3control"}
)
"""Parts of moto that nobody may reach: its own control panel, the instance metadata with their
credentials, and an object store beside ours."""

REFUSED_SERVICES: Mapping[str, str] = {
    "awslambda": "Lambda functions would have to run in Docker",
    "batch": "jobs of Batch would have to run in Docker",
    "cloudformation": "stacks of CloudFormation would have to run functions",
    "apigateway": "integrations of API Gateway call other addresses from within this process",
    "firehose": "streams of Firehose would have to send to other addresses",
    "sagemakerruntime": "no endpoint of SageMaker runs on this machine",
}
"""By moto's name of the service."""

_KEPT: Mapping[str, str] = {
    "Model": "Create Describe Delete List",
    "EndpointConfig": "Create Describe Delete List",
    "ModelPackageGroup": "Create Describe List",
    "ModelPackage": "Create Describe Update List",
    "ModelCard": "Create Describe Update Delete List",
    "Experiment": "Create Describe Delete List",
    "Trial": "Create Describe Delete List",
    "TrialComponent": "Create Describe Update Delete List Associate Disassociate",
    "FeatureGroup": "Create Describe",
    "NotebookInstanceLifecycleConfig": "Create Describe Delete",
    "Pipeline": "Create Describe Update Delete List",
    "DataQualityJobDefinition": "Create Describe Delete List",
    "ModelBiasJobDefinition": "Create Describe Delete List",
    "ModelExplainabilityJobDefinition": "Create Describe Delete List",
    "ModelQualityJobDefinition": "Create Describe Delete List",
}
SAGEMAKER_BOOKKEEPING = frozenset(
    f"{verb}{resource}s" if verb == "List" else f"{verb}{resource}"
    for resource, verbs in _KEPT.items()
    for verb in verbs.split()
) | {"AddTags", "ListTags", "DeleteTags", "ListModelCardVersions", "Search"}
"""Operations of SageMaker that only write down and read back what a user said."""

_RUNS: Mapping[str, str] = {
    "ProcessingJob": "processing jobs",
    "TransformJob": "batch transform jobs",
    "AutoMLJob": "AutoML jobs",
    "CompilationJob": "compilation jobs",
    "Execution": "pipeline executions",
    "Endpoint": "endpoints",
    "NotebookInstance": "notebook instances",
    "Cluster": "clusters",
    "Domain": "Studio domains",
    "LabelingJob": "labeling jobs",
    "InferenceComponent": "inference components",
    "RecommendationsJob": "inference recommender jobs",
    "EdgePackagingJob": "edge packaging jobs",
    "MonitoringSchedule": "monitoring schedules",
}
"""What would have to run, by a part of the operation's name."""


_ENGINE = re.compile("[A-Za-z0-9-]*", re.ASCII)
"""moto makes the name of a file of it."""


def refusal(moto_service: str, call: Call) -> tuple[str, str] | None:
    """Code and message where moto must not be asked; None where it may."""
    if moto_service in REFUSED_SERVICES:
        reason = REFUSED_SERVICES[moto_service]
        return "AccessDeniedException", f"This is not served here: {reason}."
    if moto_service == "sagemaker" and call.operation not in SAGEMAKER_BOOKKEEPING:
        return _not_kept(call)
    if call.operation == "Subscribe" and call.form.get("Protocol") in ("http", "https"):
        text = "Subscriptions by HTTP are not served here: nothing is sent to other addresses."
        return "InvalidParameter", text
    if moto_service == "rds":
        engine = call.form.get("Engine") or call.form.get("EngineName") or ""
        if not _ENGINE.fullmatch(engine):
            return "InvalidParameterValue", "The engine is not one that can be named."
    return None


def _not_kept(call: Call) -> tuple[str, str]:
    what = next((runs for part, runs in _RUNS.items() if part in (call.operation or "")), None)
    code, text = unknown_operation(call)
    return code, text if what is None else f"{text[:-1]}: {what} cannot run on this machine."


def unknown_operation(call: Call) -> tuple[str, str]:
    named = f"operation {call.operation}" if call.operation else "operation of this request"
    text = f"The {named} of {call.service} is not served here."
    return "UnknownOperationException", text
