"""The service: its methods are the AWS operations; it injects everything and owns the home."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tuner.backends.docker_build import ImageBuilds
from tuner.controller.loop import Controller
from tuner.controller.suggestions import SuggestionWorker
from tuner.domain.errors import AwsError, InternalFailure, UnknownOperationException
from tuner.domain.ports import Event, OutputGrew, Reach, Started, unreachable
from tuner.service import (
    local,
    log_filter,
    log_groups,
    log_streams,
    logs,
    reads,
    search,
    tags,
    training_jobs,
    tuning_jobs,
)
from tuner.service.admission import ACCEPTED
from tuner.service.context import Context
from tuner.service.ports import Ports, open_ports
from tuner.settings import Settings
from tuner.shapes.model import check, check_text
from tuner.strategies.registry import find_strategy
from tuner.training.follow import LogFollower

log = logging.getLogger("tuner.service")

Operation = Callable[[Context, Mapping[str, Any], str], dict[str, Any]]

SAGEMAKER: dict[str, Operation] = {
    "CreateHyperParameterTuningJob": tuning_jobs.create,
    "DescribeHyperParameterTuningJob": tuning_jobs.describe,
    "ListHyperParameterTuningJobs": tuning_jobs.list_jobs,
    "ListTrainingJobsForHyperParameterTuningJob": tuning_jobs.list_training_jobs,
    "StopHyperParameterTuningJob": tuning_jobs.stop,
    "DeleteHyperParameterTuningJob": tuning_jobs.delete,
    "CreateTrainingJob": training_jobs.create,
    "DescribeTrainingJob": training_jobs.describe,
    "ListTrainingJobs": training_jobs.list_jobs,
    "StopTrainingJob": training_jobs.stop,
    "DeleteTrainingJob": training_jobs.delete,
    "AddTags": tags.add,
    "ListTags": tags.list_tags,
    "DeleteTags": tags.delete,
    "Search": search.search,
    "GetSearchSuggestions": search.suggestions,
    **reads.OPERATIONS,
}
"""Served operations of SageMaker; their requests are checked against botocore's model."""

LOGS: dict[str, Operation] = {
    "CreateLogGroup": log_groups.create_log_group,
    "DescribeLogGroups": log_groups.describe_log_groups,
    "DescribeLogStreams": log_streams.describe_log_streams,
    "GetLogEvents": logs.get_log_events,
    "FilterLogEvents": log_filter.filter_log_events,
}
"""Served operations of CloudWatch Logs, checked likewise."""

OWN: dict[str, Operation] = {
    "ValidateTuningJob": tuning_jobs.validate,
    "ImportFiles": local.import_files,
    "GetObject": local.get_object,
    "Images": local.images,
    "Interrupt": training_jobs.interrupt,
    "BuildImage": local.build_image,
    "DescribeImageBuild": local.describe_image_build,
    "Doctor": local.doctor,
}
"""Operations for our own doors."""


class Service:
    """One home's service. `start` recovers what the home remembers and begins to work;
    `close` lets running training jobs go on. All calls are thread-safe. Training jobs find the
    AWS endpoint by `reach`."""

    def __init__(
        self, settings: Settings, ports: Ports | None = None, reach: Reach = unreachable
    ) -> None:
        ports = ports or open_ports(settings, reach)
        self._ports = ports
        self._follower = LogFollower(ports.logs, ports.records.log_offset, self._post)
        self._suggestions = SuggestionWorker()
        controller = Controller(
            ports.records,
            ports.backend,
            self._follower,
            self._suggestions,
            find_strategy,
            ports.clock,
            settings.interruption_rate,
        )
        self.context = Context(
            settings=settings,
            ports=ports,
            controller=controller,
            warm_up=self._suggestions.warm_up,
            builds=ImageBuilds(),
        )
        self._thread = threading.Thread(target=controller.run, name="controller", daemon=True)

    def _post(self, event: Event) -> None:
        match event:
            case OutputGrew():
                self._follower.grew(event.key)
            case Started():
                pass  # a training job counts as Training from the commit before its launch
            case _:
                self.context.controller.post(event)

    def start(self) -> None:
        self._follower.start()
        self._ports.backend.start(self._post)
        self._thread.start()

    def close(self) -> None:
        self.context.controller.close()
        self._thread.join(timeout=10)
        self._follower.close()
        self._suggestions.close()
        self._ports.close()

    def idle(self) -> bool:
        """Whether every job and every build of an image has ended."""
        return not self.context.controller.busy and not self.context.builds.busy

    def call(self, target: str, params: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Answer one request. `target` is the X-Amz-Target header; raises AwsError only."""
        prefix, _, operation = target.partition(".")
        try:
            if prefix == "SageMaker" and operation in SAGEMAKER:
                check(operation, params, extra=ACCEPTED)
                return SAGEMAKER[operation](self.context, _given(params), region)
            if prefix == "Logs_20140328" and operation in LOGS:
                check(operation, params, "logs")
                return LOGS[operation](self.context, _given(params), region)
            if prefix == "Tuner" and operation in OWN:
                check_text(params)
                return OWN[operation](self.context, params, region)
        except AwsError:
            raise
        except Exception as error:
            log.exception("%s failed", target)
            raise InternalFailure(f"{operation} failed: {error}") from error
        raise UnknownOperationException(f"The operation {operation or target} is not served.")


def _given(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Members that are null count as absent."""
    return {name: value for name, value in params.items() if value is not None}
