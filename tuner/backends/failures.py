"""Failures that are not a program's, in words that name no path of this machine."""

from __future__ import annotations

from pathlib import Path

from tuner.domain.errors import told_of
from tuner.domain.jobs import Failure
from tuner.domain.statuses import FailureKind


def internal(detail: str) -> Failure:
    return Failure(
        kind=FailureKind.INTERNAL,
        text=f"We encountered an internal error. Please try again. ({detail})",
    )


def foreseen(error: Exception, home: Path) -> Failure:
    """The failure of an error whose text was written for users, or is the system's or the
    engine's, which may name a file of the home."""
    return internal(told_of(error).replace(str(home), "TUNER_HOME"))


def unforeseen(error: Exception) -> Failure:
    """The failure of an error whose text may tell anything."""
    return internal(type(error).__name__)


def client(text: str) -> Failure:
    """The failure of what the user gave us."""
    return Failure(kind=FailureKind.CLIENT, text=text)
