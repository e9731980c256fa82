"""The time of the world."""

from __future__ import annotations

import time


class SystemClock:
    """Epoch seconds."""

    def now(self) -> float:
        return time.time()
