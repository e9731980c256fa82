"""Writes records and objects until it is killed, and prints what was committed.

python crash_writer.py DIRECTORY FIRST_NUMBER
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from job_records import training_job, tuning_job

from tuner.domain.definitions import Tag
from tuner.domain.jobs import Counters, MetricPoint, Progress
from tuner.store.objects import FileObjects
from tuner.store.records import SqliteRecords

TUNING_JOB_ID = 10**9
OBJECT_BYTES = 300_000


def content(number: int) -> bytes:
    return str(number).encode().ljust(OBJECT_BYTES, b".")


def announce(what: str) -> None:
    os.write(sys.stdout.fileno(), f"{what}\n".encode())  # in one go: two threads print


def write_records(directory: Path, first: int) -> None:
    records = SqliteRecords(directory / "records.db")
    for number in itertools.count(first):
        job = training_job(records.new_id(), f"job-{number}", tuning_job_id=TUNING_JOB_ID)
        job = replace(job, number=number)
        counters = Counters(completed=number)
        with records.transaction():
            records.put_training_job(job)
            records.put_points(
                job.key, [MetricPoint(name="n", value=number, time=1.0, host="a")], number
            )
            records.put_tags(job.arn, [Tag(key="number", value=str(number))])
            records.put_tuning_job(
                tuning_job(TUNING_JOB_ID, "tune", progress=Progress(counters=counters))
            )
        announce(f"record {number}")


def write_objects(directory: Path, first: int) -> None:
    objects = FileObjects(directory / "objects")
    for number in itertools.count(first):
        objects.put("bucket", "latest", io.BytesIO(content(number)))
        announce(f"object {number}")


if __name__ == "__main__":
    place, start = Path(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=write_objects, args=(place, start), daemon=True).start()
    write_records(place, start)
