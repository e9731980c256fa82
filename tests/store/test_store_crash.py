"""After kill -9 everything committed is there and nothing is half; other processes may read."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crash_writer import OBJECT_BYTES, TUNING_JOB_ID, content
from job_records import SCOPE

from tuner.domain.ports import Query
from tuner.store.objects import FileObjects
from tuner.store.records import SqliteRecords

HERE = Path(__file__).parent
ROUNDS = 6

READER = """
import sys
from pathlib import Path
from job_records import SCOPE
from tuner.domain.ports import Query
from tuner.store.records import SqliteRecords

records = SqliteRecords(Path(sys.argv[1]) / "records.db")
seen = 0
while seen < 50:
    job = records.find_tuning_job(SCOPE, "tune")
    if job is None:
        continue
    count = job.progress.counters.completed
    assert count >= seen
    seen = count
    newest = Query(scope=SCOPE, sort_by="CreationTime", descending=True, limit=1)
    page = records.list_training_jobs(newest)
    assert page.items[0].number >= count, (page.items[0].number, count)
print("read", seen)
"""


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *command], cwd=HERE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        if process.stdout:
            process.stdout.close()


def committed(process: subprocess.Popen[str], lines: int) -> dict[str, int]:
    """Let it print so many lines, kill it, and say what the last of each kind was."""
    assert process.stdout is not None
    printed = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    printed += process.stdout.readlines()
    last: dict[str, int] = {}
    for line in printed:
        kind, number = line.split()
        last[kind] = int(number)
    return last


def test_a_killed_writer_loses_nothing_committed_and_leaves_nothing_half(tmp_path: Path) -> None:
    chance = random.Random(5)
    first = 1
    for _ in range(ROUNDS):
        with running("crash_writer.py", str(tmp_path), str(first)) as process:
            last = committed(process, chance.randint(5, 60))
        stored = check_records(tmp_path, last.get("record", 0))
        check_objects(tmp_path, last.get("object", 0))
        first = 1 + max(stored, *last.values())


def check_records(directory: Path, last: int) -> int:
    records = SqliteRecords(directory / "records.db")
    tuning = records.find_tuning_job(SCOPE, "tune")
    count = tuning.progress.counters.completed if tuning else 0
    assert count >= last
    jobs = list(records.training_jobs_of(TUNING_JOB_ID))
    assert max((job.number for job in jobs), default=0) == count
    assert len({job.id for job in jobs}) == len(jobs)
    for job in jobs:
        assert [point.value for point in records.points(job.key)] == [job.number]
        assert records.log_offset(job.key) == job.number
        assert records.tags(job.arn) == {"number": str(job.number)}
    assert len(all_pages(records)) == len(jobs)
    assert records.new_id() > max((job.id for job in jobs), default=0)
    records.close()
    return count


def all_pages(records: SqliteRecords) -> list[int]:
    query = Query(scope=SCOPE, sort_by="Name", limit=10_000)
    return [job.id for job in records.list_training_jobs(query).items]


def check_objects(directory: Path, last: int) -> None:
    objects = FileObjects(directory / "objects")
    info = objects.head("bucket", "latest")
    if last:
        assert info is not None
    if info is not None:
        with objects.open("bucket", "latest") as file:
            raw = file.read()
        assert info.size == OBJECT_BYTES
        number = int(raw.rstrip(b"."))
        assert raw == content(number)
        assert number >= last
    objects.sweep()
    assert list((directory / "objects" / "incoming").iterdir()) == []
    blobs = list((directory / "objects" / "blobs").glob("*/*"))
    assert len(blobs) == (0 if info is None else 1)
    objects.close()


def test_two_processes_read_while_one_writes(tmp_path: Path) -> None:
    SqliteRecords(tmp_path / "records.db").close()
    with (
        running("-c", READER, str(tmp_path)) as one,
        running("-c", READER, str(tmp_path)) as two,
        running("crash_writer.py", str(tmp_path), "1") as writer,
    ):
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.startswith("record") and int(line.split()[1]) > 60:
                break
        for reader in (one, two):
            assert reader.stdout is not None
            assert reader.stdout.readline().startswith("read")
            assert reader.wait(timeout=10) == 0
