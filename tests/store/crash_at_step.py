"""Does one durable write and kills itself before the Nth thing it asks of the system.

python crash_at_step.py put|copy|complete|complete-one DIRECTORY STEP
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tuner.domain.buckets import Attributes, Checksums, StoredObject, Upload
from tuner.store.objects import FileObjects

STEPS = {
    *("open", "mkdir", "rename", "link", "unlink", "fsync", "fchmod", "copy_file_range"),
    *("write", "flush", "close", "execute"),
}


def no_guard(current: StoredObject | None) -> None:
    pass


def prepare(objects: FileObjects, operation: str) -> None:
    objects.put("bucket", "key", io.BytesIO(b"old"))
    objects.put("bucket", "source", io.BytesIO(b"source"))
    if operation != "copy":
        objects.delete("bucket", "source")
    if operation.startswith("complete"):
        upload = Upload(
            id="upload", bucket="bucket", key="key", attributes=Attributes(), tags={}, initiated=1
        )
        objects.uploads.create(upload)
        contents = [b"a" * 100_000, b"b" * 50_000]
        for number, content in enumerate(contents[: 1 if operation == "complete-one" else 2], 1):
            with objects.staging(io.BytesIO(content)) as staged:
                objects.uploads.put_part("upload", number, staged, Checksums())


def write(objects: FileObjects, operation: str) -> None:
    if operation == "put":
        with objects.staging(io.BytesIO(b"a" * 100_000)) as staged:
            objects.commit("bucket", "key", staged, staged.md5, Attributes(), {}, no_guard)
    elif operation == "copy":
        with objects.staging_copy("bucket", "source") as (_, staged):
            objects.commit("bucket", "key", staged, staged.md5, Attributes(), {}, no_guard)
    else:
        upload, parts = objects.uploads.get("upload"), objects.uploads.parts("upload")
        objects.uploads.complete(upload, parts, "etag", Attributes(), no_guard)


def dying_before(step: int) -> Callable[[FrameType, str, Any], None]:
    count = 0

    def profile(frame: FrameType, event: str, called: Any) -> None:
        nonlocal count
        if event == "c_call" and called.__name__ in STEPS:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    return profile


if __name__ == "__main__":
    store = FileObjects(Path(sys.argv[2]))
    prepare(store, sys.argv[1])
    sys.setprofile(dying_before(int(sys.argv[3])))
    write(store, sys.argv[1])
    sys.setprofile(None)
    store.close()
