"""Checkpoints: a directory of each instance and a prefix in S3 that follows it.

Source: docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html. What is in S3 at the start
is copied in; from then on only the directory counts: what is new or changed in it is stored,
what is deleted in it is deleted in S3. All instances share the prefix.
"""

from __future__ import annotations

import logging
import posixpath
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.domain.definitions import CheckpointConfig
from tuner.domain.jobs import AttemptKey, TrainingJob
from tuner.domain.ports import Objects
from tuner.training.checkpoint_directory import CheckpointDirectory, CheckpointError
from tuner.training.opt_ml import CHECKPOINTS, OPT_ML

__all__ = ["CheckpointError", "Checkpoints", "below_opt_ml", "place_in_tree"]

LOOK_EVERY = 1.0
"""Seconds between two looks at a directory. What is the same in both is whole."""

_CLOSE_SECONDS = 10.0

_log = logging.getLogger(__name__)


def place_in_tree(config: CheckpointConfig) -> str:
    """Where the directory lies within an instance's tree. One that is to be elsewhere than in
    /opt/ml has to be mounted from there."""
    return below_opt_ml(config) or CHECKPOINTS.removeprefix(f"{OPT_ML}/")


def below_opt_ml(config: CheckpointConfig) -> str | None:
    """Where the directory lies within /opt/ml; None for one that lies elsewhere."""
    path = posixpath.normpath(config.local_path or CHECKPOINTS)
    return path.removeprefix(f"{OPT_ML}/") if path.startswith(f"{OPT_ML}/") else None


class Checkpoints:
    """Keeps the checkpoints of all attempts that were given to it, from a thread of its own.

    A `tree` is what a host sees as /opt/ml; beside it is kept what was stored of it, so that
    another instance of this class goes on where one was killed. Jobs without a CheckpointConfig
    are ignored. Thread-safe.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._watched: dict[AttemptKey, list[CheckpointDirectory]] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def provide(self, job: TrainingJob, tree: Path) -> None:
        """Copy in what S3 has, into a fresh tree. Raises InputError and OSError."""
        if (directory := self._directory(job, tree)) is not None:
            directory.provide()

    def watch(self, job: TrainingJob, trees: Mapping[str, Path]) -> None:
        """The program may run: from now on S3 follows the directories of all hosts."""
        if job.spec.checkpoint_config is None:
            return
        with self._lock:
            if job.key not in self._watched:
                self._watched[job.key] = self._directories(job, trees)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._follow, name="checkpoints", daemon=True
                )
                self._thread.start()

    def finish(self, job: TrainingJob, trees: Mapping[str, Path]) -> None:
        """All instances have ended: store what is left of each. Raises CheckpointError."""
        with self._lock:
            watched = self._watched.pop(job.key, None)
        if errors := self._store(job.key, watched or self._directories(job, trees)):
            raise errors[0]

    def give_up(self, key: AttemptKey) -> None:
        """The attempt has failed for a reason outside its program: store what can be stored."""
        with self._lock:
            watched = self._watched.pop(key, [])
        self._store(key, watched)

    def forget(self, key: AttemptKey) -> None:
        """Its directories are about to be removed."""
        with self._lock:
            watched = self._watched.pop(key, [])
        for directory in watched:
            directory.close()

    def close(self) -> None:
        """Let go: nothing is stored any more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    @staticmethod
    def _store(
        key: AttemptKey, directories: Sequence[CheckpointDirectory]
    ) -> list[CheckpointError]:
        """Store all that can be; what could not."""
        errors = []
        for directory in directories:
            try:
                directory.store_all()
            except CheckpointError as error:
                _log.warning("attempt %s: %s", key, error)
                errors.append(error)
        return errors

    def _directories(
        self, job: TrainingJob, trees: Mapping[str, Path]
    ) -> list[CheckpointDirectory]:
        found = (self._directory(job, tree) for tree in trees.values())
        return [directory for directory in found if directory is not None]

    def _directory(self, job: TrainingJob, tree: Path) -> CheckpointDirectory | None:
        config = job.spec.checkpoint_config
        if config is None:
            return None
        return CheckpointDirectory(self._objects, config.s3_uri, tree, place_in_tree(config))

    def _follow(self) -> None:
        while not self._closing.wait(LOOK_EVERY):
            with self._lock:
                watched = list(self._watched.items())
            for key, directories in watched:
                for directory in directories:
                    if not self._closing.is_set():
                        self._look(key, directory)

    def _look(self, key: AttemptKey, directory: CheckpointDirectory) -> None:
        """What is wrong with one directory is said once, and is nothing to the others."""
        try:
            directory.store_some()
            directory.complaint = None
        except Exception as error:
            if str(error) != directory.complaint:
                directory.complaint = str(error)
                known = isinstance(error, CheckpointError)
                _log.warning("attempt %s: %s", key, error, exc_info=not known)
