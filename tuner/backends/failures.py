"""Failures that are not a program's, in words that name no path of this machine."""

from __future__ import annotations

import logging
from pathlib import Path

from tuner.backends.keeper_client import KeeperUnavailable
from tuner.domain.errors import told_of
from tuner.domain.jobs import AttemptKey, Failure
from tuner.domain.statuses import FailureKind
from tuner.training.checkpoints import CheckpointError
from tuner.training.outputs import OutputError, TooMuchOutput
from tuner.training.sources import InputError

_log = logging.getLogger(__name__)

Errors = tuple[type[Exception], ...]
_KNOWN: Errors = (KeeperUnavailable, CheckpointError, OutputError, OSError)


def failure_of(
    error: Exception, key: AttemptKey, home: Path, *, users: Errors, known: Errors = ()
) -> Failure:
    """The failure of what an attempt ran into; what is not the user's is logged. `users` and
    `known` are a backend's own errors: of what the user gave us, and whose text was written for
    users, or is the system's or the engine's, which may name a file of the home."""
    if isinstance(error, InputError):
        return _client(f"Data download failed:{error}")
    if isinstance(error, TooMuchOutput):
        return _client(f"Artifact upload failed:{error}")
    if isinstance(error, users):
        return _client(str(error))
    if isinstance(error, (*_KNOWN, *known)):
        _log.error("attempt %s: %s", key, error)
        return internal(told_of(error).replace(str(home), "TUNER_HOME"))
    _log.error("attempt %s", key, exc_info=error)
    return unforeseen(error)


def internal(detail: str) -> Failure:
    return Failure(
        kind=FailureKind.INTERNAL,
        text=f"We encountered an internal error. Please try again. ({detail})",
    )


def unforeseen(error: Exception) -> Failure:
    """The failure of an error whose text may tell anything."""
    return internal(type(error).__name__)


def _client(text: str) -> Failure:
    return Failure(kind=FailureKind.CLIENT, text=text)
