"""SIGKILL before each step of a durable write: the old object or the new one, never half."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.domain.buckets import Attributes, NoSuchUpload
from tuner.store.objects import FileObjects

HERE = Path(__file__).parent
OLD, NEW = b"old", [b"a" * 100_000, b"b" * 50_000]


def killed_before(step: int, operation: str, directory: Path) -> bool:
    """Run the operation in a process that kills itself before its `step`-th system step."""
    command = [sys.executable, "crash_at_step.py", operation, str(directory), str(step)]
    process = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=30)
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode != 0


def content_of(objects: FileObjects, key: str) -> bytes | None:
    if objects.head("bucket", key) is None:
        return None
    with objects.open("bucket", key) as file:
        return file.read()


def check_blobs(objects: FileObjects, directory: Path, expected: int) -> None:
    objects.sweep()
    assert list((directory / "incoming").iterdir()) == []
    assert len(list((directory / "blobs").glob("*/*"))) == expected


@pytest.mark.parametrize("operation", ["put", "copy", "complete", "complete-one"])
def test_a_write_killed_at_any_step_is_done_or_not_begun(operation: str, tmp_path: Path) -> None:
    outcomes = set()
    for step in range(1, 200):
        directory = tmp_path / str(step)
        killed = killed_before(step, operation, directory)
        time.sleep(0.01)  # orphans must be older than the store that sweeps, by the file clock
        outcomes.add(check(operation, directory))
        if not killed:
            break
    assert not killed
    assert outcomes == {"old", "new"}
    assert step > 5


def check(operation: str, directory: Path) -> str:
    objects = FileObjects(directory)
    content = content_of(objects, "key")
    new = {
        "put": NEW[0],
        "copy": b"source",
        "complete": NEW[0] + NEW[1],
        "complete-one": NEW[0],
    }[operation]
    assert content in (OLD, new)
    outcome = "old" if content == OLD else "new"
    blobs = 1
    if operation == "copy":
        assert content_of(objects, "source") == b"source"
        blobs = 2
    if operation.startswith("complete"):
        blobs += check_upload(objects, outcome)
    check_blobs(objects, directory, blobs)
    if operation.startswith("complete") and outcome == "old":
        complete_again(objects)
        assert content_of(objects, "key") == new
        check_blobs(objects, directory, 1)
    objects.close()
    return outcome


def check_upload(objects: FileObjects, outcome: str) -> int:
    """The upload is there exactly as long as its object is not; its blobs."""
    if outcome == "old":
        assert objects.uploads.get("upload").key == "key"
        return len(objects.uploads.parts("upload"))
    with pytest.raises(NoSuchUpload):
        objects.uploads.get("upload")
    assert list(objects.uploads.parts("upload")) == []
    return 0


def complete_again(objects: FileObjects) -> None:
    objects.uploads.complete(
        objects.uploads.get("upload"),
        objects.uploads.parts("upload"),
        "etag",
        Attributes(),
        lambda current: None,
    )
