"""States of jobs, and the moves between them that are legal.

Source: the enums of docs.aws.amazon.com/sagemaker/latest/APIReference/
API_DescribeTrainingJob.html and API_DescribeHyperParameterTuningJob.html.
"""

from __future__ import annotations

from enum import StrEnum


class TuningJobStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    DELETING = "Deleting"
    DELETE_FAILED = "DeleteFailed"

    @property
    def terminal(self) -> bool:
        return self not in (TuningJobStatus.IN_PROGRESS, TuningJobStatus.STOPPING)


class TrainingJobStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    DELETING = "Deleting"

    @property
    def terminal(self) -> bool:
        return self not in (TrainingJobStatus.IN_PROGRESS, TrainingJobStatus.STOPPING)


class SecondaryStatus(StrEnum):
    STARTING = "Starting"
    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    INTERRUPTED = "Interrupted"
    RESTARTING = "Restarting"
    STOPPING = "Stopping"
    UPLOADING = "Uploading"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    MAX_WAIT_TIME_EXCEEDED = "MaxWaitTimeExceeded"


DOWNLOADING_IMAGE = "Downloading the training image"
"""How AWS's StatusMessage begins while an image is pulled; ours goes on with which and how far."""


class ObjectiveStatus(StrEnum):
    PENDING = "Pending"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class FailureKind(StrEnum):
    """AWS's own prefix of a FailureReason; only INTERNAL is retried by a RetryStrategy."""

    ALGORITHM = "AlgorithmError"
    CLIENT = "ClientError"
    INTERNAL = "InternalServerError"
    CAPACITY = "CapacityError"


class StopCause(StrEnum):
    """Why we ended a training job before its program did."""

    REQUESTED = "StopTrainingJob"
    TUNING_JOB = "TuningJobEnded"
    EARLY = "EarlyStopping"
    MAX_RUNTIME = "MaxRuntimeExceeded"
    MAX_WAIT_TIME = "MaxWaitTimeExceeded"
    MAX_PENDING_TIME = "MaxPendingTimeExceeded"


_S = SecondaryStatus
_BEFORE_END = frozenset({_S.STOPPING, _S.UPLOADING, _S.FAILED, _S.STOPPED})

SECONDARY_MOVES: dict[SecondaryStatus, frozenset[SecondaryStatus]] = {
    _S.PENDING: _BEFORE_END | {_S.STARTING},
    _S.STARTING: _BEFORE_END | {_S.PENDING, _S.DOWNLOADING, _S.STARTING},
    _S.DOWNLOADING: _BEFORE_END | {_S.TRAINING, _S.STARTING},
    _S.TRAINING: _BEFORE_END | {_S.INTERRUPTED, _S.STARTING},
    _S.INTERRUPTED: _BEFORE_END | {_S.STARTING, _S.RESTARTING},
    _S.RESTARTING: _BEFORE_END | {_S.DOWNLOADING, _S.TRAINING},
    _S.STOPPING: frozenset(
        {_S.UPLOADING, _S.STOPPED, _S.MAX_RUNTIME_EXCEEDED, _S.MAX_WAIT_TIME_EXCEEDED, _S.FAILED}
    ),
    _S.UPLOADING: frozenset(
        {
            _S.COMPLETED,
            _S.FAILED,
            _S.STOPPED,
            _S.MAX_RUNTIME_EXCEEDED,
            _S.MAX_WAIT_TIME_EXCEEDED,
            _S.STARTING,
        }
    ),
}
"""From each secondary status to those that may follow; terminal ones have none."""
