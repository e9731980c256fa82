"""Channels in Pipe mode: a FIFO for every epoch, fed while the program runs."""

from __future__ import annotations

import gzip
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.backends.stage import BUCKET, Stage
from tuner.backends import processes
from tuner.domain.definitions import (
    Channel,
    DataSource,
    InputMode,
    S3DataDistributionType,
    S3DataSource,
    S3DataType,
    ShuffleConfig,
)
from tuner.domain.ports import Collected, Faulted
from tuner.domain.statuses import FailureKind

DATA = 'import os; data = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml") + "/input/data"'
EPOCHS = f"""
{DATA}
for epoch in range(3):
    with open(f"{{data}}/train_{{epoch}}", "rb") as fifo:
        print(fifo.read(), flush=True)
"""


def piped(stage: Stage, files: dict[str, bytes], **members: Any) -> Channel:
    return replace(stage.channel("train", files, mode=InputMode.PIPE), **members)


def feeders(stage: Stage) -> Sequence[int]:
    """What runs below a keeper; while no program does, that is who feeds."""
    found = []
    for lock in (stage.home / "keeper.lock", stage.home / "containers" / "keeper.lock"):
        if lock.exists() and (text := lock.read_text()):
            found += [item.pid for item in processes.tree(int(text), processes.table())]
    return found


def test_every_epoch_has_a_fifo_of_its_own(stage: Stage) -> None:
    job = stage.job(EPOCHS, channels=[piped(stage, {"a": b"1,2\n", "b": b"3,4\n"})])
    assert stage.run(job)["algo-1"].code == 0
    assert stage.texts(job) == [str(b"1,2\n3,4\n")] * 3


def test_a_shell_reads_all_there_is(stage: Stage) -> None:
    size = 3 << 20
    channel = piped(stage, {f"part-{number}": b"x" * size for number in range(3)})
    count = "cat ${SAGEMAKER_BASE_DIR:-/opt/ml}/input/data/train_0 | wc -c"
    job = stage.job("", entrypoint=("/bin/sh", "-c", count), channels=[channel])
    assert stage.run(job)["algo-1"].code == 0
    assert [text.strip() for text in stage.texts(job)] == [str(3 * size)]


def test_a_program_that_writes_beside_its_files_has_fifos_too(stage: Stage) -> None:
    code = stage.channel("code", {"run.sh": b"cat $1/train_0; echo > $1/code/was-here"})
    base = "${SAGEMAKER_BASE_DIR:-/opt/ml}/input/data"
    job = stage.job(
        "",
        entrypoint=("/bin/sh", "-c", f"chmod +x {base}/code/run.sh; sh {base}/code/run.sh {base}"),
        channels=[code, piped(stage, {"a": b"data\n"})],
    )
    assert stage.run(job)["algo-1"].code == 0
    assert stage.texts(job) == ["data"]


def test_the_next_epoch_is_there_when_one_is_opened(stage: Stage) -> None:
    job = stage.job(
        f"""
{DATA}
before = sorted(os.listdir(data))
with open(data + "/train_0", "rb"):
    print(before, sorted(os.listdir(data)))
""",
        channels=[piped(stage, {"a": b"x" * (4 << 20)})],
    )
    stage.run(job)
    (said,) = stage.texts(job)
    assert said.endswith("['train_0', 'train_1']")


def test_who_closes_early_gets_the_next_epoch_from_its_beginning(stage: Stage) -> None:
    job = stage.job(
        f"""
{DATA}
for epoch in range(3):
    with open(f"{{data}}/train_{{epoch}}", "rb", buffering=0) as fifo:
        print(fifo.read(3), flush=True)
""",
        channels=[piped(stage, {"a": b"abc" + b"x" * (8 << 20)})],
    )
    assert stage.run(job)["algo-1"].code == 0
    assert stage.texts(job) == [str(b"abc")] * 3


def test_a_program_that_never_reads_ends_like_any_other(stage: Stage) -> None:
    job = stage.job("print('no need')", channels=[piped(stage, {"a": b"1"})])
    assert stage.run(job)["algo-1"].code == 0
    stage.backend.collect(job)
    stage.first(Collected, job.key)
    stage.wait(lambda: not feeders(stage))
    stage.backend.release(job.key)
    stage.wait(lambda: not (stage.attempts() / str(job.key)).exists())


def test_a_stopped_program_leaves_nothing_that_feeds(stage: Stage) -> None:
    job = stage.job(
        f"{DATA}\nopen(data + '/train_0', 'rb').read(1)\nprint('reads', flush=True)\n"
        "import time; time.sleep(60)",
        channels=[piped(stage, {"a": b"x" * (8 << 20)})],
    )
    stage.start(job)
    stage.wait_for_line(job, "reads")
    stage.backend.stop(job, 60)
    stage.exits(job)
    stage.backend.release(job.key)
    stage.wait(lambda: not feeders(stage))


def test_compressed_objects_are_unpacked_and_wrapped_as_records(stage: Stage) -> None:
    files = {"a": gzip.compress(b"first"), "b": gzip.compress(b"") + gzip.compress(b"second!!")}
    channel = piped(stage, files, compression_type="Gzip", record_wrapper_type="RecordIO")
    job = stage.job(EPOCHS, channels=[channel])
    stage.run(job)
    magic = 0xCED7230A
    first = struct.pack("<II", magic, 5) + b"first\0\0\0"
    assert stage.texts(job)[0] == str(first + struct.pack("<II", magic, 8) + b"second!!")


def test_epochs_are_shuffled_each_in_its_own_way_and_always_the_same(stage: Stage) -> None:
    channel = piped(
        stage, {f"{n:02}": b"%d " % n for n in range(20)}, shuffle_config=ShuffleConfig(seed=4)
    )
    jobs = [stage.job(EPOCHS, number=number, channels=[channel]) for number in (1, 2)]
    for job in jobs:
        stage.run(job)
    first, again = (stage.texts(job) for job in jobs)
    assert first == again
    assert len(set(first)) == 3
    assert {tuple(sorted(text.strip("b'").split())) for text in first} == {
        tuple(sorted(str(n) for n in range(20)))
    }


def test_instances_share_the_objects_of_a_sharded_channel(private_stage: Stage) -> None:
    stage = private_stage
    source = stage.channel(
        "train",
        {f"{n}": b"%d" % n for n in range(5)},
        mode=InputMode.PIPE,
        distribution=S3DataDistributionType.SHARDED_BY_S3_KEY,
    )
    job = stage.job(EPOCHS, instances=2, channels=[source])
    stage.run(job)
    said = {(line.host, line.text) for line in stage.lines(job)}
    assert said == {("algo-1", str(b"024")), ("algo-2", str(b"13"))}


def test_an_augmented_manifest_streams_its_attributes_in_order(stage: Stage) -> None:
    stage.channel("images", {"cat.jpg": b"CAT", "dog.jpg": b"DOG"})
    lines = (
        b'{"is-a-cat": 1, "image-ref": "s3://bucket/images/cat.jpg", "by": "me"}\n'
        b'{"image-ref": "s3://bucket/images/dog.jpg", "is-a-cat": [0, "n"]}\n'
    )
    stage.channel("lists", {"train.manifest": lines})
    source = S3DataSource(
        s3_data_type=S3DataType.AUGMENTED_MANIFEST_FILE,
        s3_uri=f"s3://{BUCKET}/lists/train.manifest",
        attribute_names=("image-ref", "is-a-cat"),
    )
    channel = Channel(
        channel_name="train",
        data_source=DataSource(s3_data_source=source),
        input_mode=InputMode.PIPE,
    )
    job = stage.job(EPOCHS, channels=[channel])
    stage.run(job)
    assert stage.texts(job) == [str(b'CAT1DOG[0,"n"]')] * 3


def test_what_cannot_be_unpacked_is_the_clients_fault(stage: Stage) -> None:
    job = stage.job("", channels=[piped(stage, {"a": b"plain"}, compression_type="Gzip")])
    stage.backend.prepare(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.CLIENT
    assert failure.text == (
        'Data download failed:Channel train: the object under S3 URL "s3://bucket/train/a" is '
        "not compressed by gzip, or is cut off."
    )


def test_feeding_outlives_an_owner_that_is_killed(stage: Stage) -> None:
    waiting = (
        f"{DATA}\nimport time\nprint('waits', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
    )
    job = stage.job(waiting + EPOCHS, channels=[piped(stage, {"a": b"1,2"})])
    stage.backend.close()
    root = Path(__file__).resolve().parents[3]
    source = f"""
import sys, time
sys.path.insert(0, {str(root)!r})
from pathlib import Path
from tuner.domain.definitions import InputMode
{stage.recipe}
channel = stage.channel("train", {{"a": b"1,2"}}, mode=InputMode.PIPE)
stage.start(stage.job({(waiting + EPOCHS)!r}, channels=[channel]))
print("started", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        owner.kill()
    stage.backend = stage.owner()
    stage.backend.adopt([job])
    stage.wait_for_line(job, "waits")
    stage.touch(job, "go")
    assert stage.exits(job)["algo-1"].code == 0
    assert stage.texts(job)[1:] == [str(b"1,2")] * 3


@pytest.mark.parametrize("victim", ["feeder", "keeper"])
def test_a_stream_that_breaks_off_is_no_end_of_the_data(stage: Stage, victim: str) -> None:
    reading = f"{DATA}\nprint(len(open(data + '/train_0', 'rb').read()), flush=True)"
    hold = f"{DATA}\nprint('ready', flush=True)\nimport time\ntime.sleep(60)\n"
    job = stage.job(hold + reading, channels=[piped(stage, {"a": b"x" * (8 << 20)})])
    stage.start(job)
    stage.wait_for_line(job, "ready")
    in_docker = stage.home / "containers" / "keeper.lock"
    lock = in_docker if in_docker.exists() else stage.home / "keeper.lock"
    keeper = int(lock.read_text())
    below = [p.pid for p in processes.table().values() if p.parent == keeper]
    os.kill(min(below) if victim == "feeder" else keeper, signal.SIGKILL)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.INTERNAL
    stage.backend.release(job.key)
    stage.wait(lambda: not stage.alive(job))
