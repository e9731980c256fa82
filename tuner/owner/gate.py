"""The gate every request passes: it knows when the owner is idle, and shuts without a race."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from tuner.domain.errors import AwsError


class OwnerEnding(AwsError):
    """The request was not looked at because this owner is ending; the next owner will."""

    code = "OwnerEnding"


class OtherSettings(AwsError):
    """The request wants settings that this owner, which has running jobs, does not have."""

    code = "OtherSettings"


class Gate:
    """A context manager around each request. Entering a shut gate raises OwnerEnding, so a
    request is either served whole or certainly not at all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._shut = False
        self._last_use = time.monotonic()

    def __enter__(self) -> None:
        with self._lock:
            if self._shut:
                raise OwnerEnding("The owner of this home is ending.")
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            self._last_use = time.monotonic()

    def shut(self) -> None:
        with self._lock:
            self._shut = True

    def shut_if_unused(self, seconds: float) -> bool:
        """Shut when nobody is inside and nobody was for so many seconds."""
        with self._lock:
            unused = time.monotonic() - self._last_use
            self._shut = self._shut or (not self._inside and unused >= seconds)
            return self._shut
