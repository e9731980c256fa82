"""Directories named by their content, each made once and kept for as long as somebody uses it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

UNFINISHED = ".making-"
_USERS = ".users"


class ViewCache:
    """Views in `directory`, which belongs to one instance of this.

    A view is made under a temporary name and renamed, so it is whole when it is there. Who uses
    which is on disk before it is made: `.users/USER` has a line for each. One that nobody uses
    any more is kept for `rest_seconds`, for the next training job of a tuning job.
    """

    def __init__(self, directory: Path, rest_seconds: float) -> None:
        self._directory = directory
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._unused: dict[str, float] = {}
        self._timer: threading.Timer | None = None
        self._closed = False
        (directory / _USERS).mkdir(parents=True, exist_ok=True)
        for left_over in directory.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        self._users = {
            path.name: set(path.read_text().split()) for path in (directory / _USERS).iterdir()
        }

    def get(self, name: str, user: str, make: Callable[[Path], None]) -> Path:
        """The view, which `make` fills where it is not there. Raises OSError."""
        target = self._directory / name
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
            self._unused.pop(name, None)
            if name not in self._users.setdefault(user, set()):
                with (self._directory / _USERS / user).open("a") as file:
                    file.write(f"{name}\n")
                self._users[user].add(name)
        with making:
            if not target.is_dir():
                self._make(target, make)
        return target

    def _make(self, target: Path, make: Callable[[Path], None]) -> None:
        place = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._directory))
        try:
            place.chmod(0o755)
            make(place)
            place.rename(target)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def forget(self, user: str) -> None:
        """The user is gone."""
        with self._lock:
            self._drop(user)
        self._evict()

    def keep_only(self, users: Collection[str]) -> None:
        """After a restart: whoever is not among them is gone, and views without users are as
        old as can be."""
        with self._lock:
            for user in self._users.keys() - set(users):
                self._drop(user)
            used = {name for names in self._users.values() for name in names}
            for path in self._directory.iterdir():
                if not path.name.startswith(".") and path.name not in used:
                    self._unused[path.name] = 0.0
            self._come_again()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()

    def _drop(self, user: str) -> None:
        names = self._users.pop(user, set())
        (self._directory / _USERS / user).unlink(missing_ok=True)
        used = {name for others in self._users.values() for name in others}
        self._unused.update(dict.fromkeys(names - used, time.monotonic() + self._rest_seconds))

    def _come_again(self) -> None:
        """Look when the next view has rested, on a thread of its own."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unused and not self._closed:
            wait = max(0.0, min(self._unused.values()) - time.monotonic())
            self._timer = threading.Timer(wait, self._evict)
            self._timer.daemon = True
            self._timer.start()

    def _evict(self) -> None:
        """Remove what has rested."""
        now = time.monotonic()
        removed = []
        with self._lock:
            for name in [name for name, due in self._unused.items() if due <= now]:
                del self._unused[name]
                self._making.pop(name, None)
                place = self._directory / f"{UNFINISHED}{name}"
                with contextlib.suppress(OSError):
                    (self._directory / name).rename(place)
                    removed.append(place)
            self._come_again()
        for place in removed:
            shutil.rmtree(place, ignore_errors=True)
