"""A thread pool that does the tasks of one attempt one after another, in the order given."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tuner.domain.jobs import AttemptKey

_log = logging.getLogger(__name__)


class Lanes:
    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: dict[AttemptKey, deque[Callable[[], None]]] = {}
        self._closed = False

    def submit(self, key: AttemptKey, task: Callable[[], None]) -> None:
        """What `task` raises is logged and lost. Nothing happens once closed."""
        with self._lock:
            if self._closed:
                return
            lane = self._waiting.get(key)
            if lane is not None:
                lane.append(task)
                return
            self._waiting[key] = deque()
            self._pool.submit(self._run, key, task)

    def drain(self, timeout: float) -> None:
        """Wait until all that was submitted is done, at most `timeout` seconds."""
        with self._idle:
            self._idle.wait_for(lambda: not self._waiting, timeout)

    def close(self, *, wait: bool = True) -> None:
        """What waits is dropped; `wait` for the tasks that run."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _run(self, key: AttemptKey, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:
            _log.exception("attempt %s", key)
        with self._lock:
            lane = self._waiting[key]
            if not lane:
                del self._waiting[key]
                if not self._waiting:
                    self._idle.notify_all()
            elif not self._closed:
                self._pool.submit(self._run, key, lane.popleft())
