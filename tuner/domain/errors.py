"""Errors as AWS words them: one exception class per code at the API border."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request.

    `path` is the JSON path of the member as the user wrote it
    (`HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs`, list items by
    index from 0: `InputDataConfig[0].ChannelName`); `message` is the sentence AWS sends.
    `quota`: the request is well-formed but asks for too much (ResourceLimitExceeded).
    """

    path: str
    message: str
    quota: bool = False

    def named(self) -> Fault:
        """The wire shows no path: with the member in the sentence, where it is not yet."""
        member = self.path.rsplit(".", 1)[-1]
        if member in self.message:
            return self
        return replace(self, message=f"{member}: {self.message}")


def told_of(error: Exception) -> str:
    """Of an error, what clients may read: what the system says, not of which file it says it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ImportError) and error.path:
        return str(error).replace(error.path, PurePath(error.path).name)
    return str(error)


class AwsError(Exception):
    """An answer of the service that is an error.

    `code` goes to `__type`, the message to `Message`; `faults` lists everything that is wrong
    with the request (the wire shows one message, the command line all faults).
    """

    code = "InternalFailure"

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults


class ValidationException(AwsError):
    code = "ValidationException"


class ResourceNotFound(AwsError):
    code = "ResourceNotFound"


class ResourceInUse(AwsError):
    code = "ResourceInUse"


class ResourceLimitExceeded(AwsError):
    code = "ResourceLimitExceeded"


class SerializationException(AwsError):
    code = "SerializationException"


class UnknownOperationException(AwsError):
    code = "UnknownOperationException"


class ResourceNotFoundException(AwsError):
    """CloudWatch Logs' spelling of ResourceNotFound."""

    code = "ResourceNotFoundException"


class ResourceAlreadyExistsException(AwsError):
    """CloudWatch Logs' word for a name that is taken."""

    code = "ResourceAlreadyExistsException"


class InvalidParameterException(AwsError):
    code = "InvalidParameterException"


class InternalFailure(AwsError):
    """A fault of ours; still answered with HTTP 400, because clients retry a 500 for long."""
