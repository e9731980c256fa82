"""What a channel in Pipe mode streams, from the objects of S3 to the bytes that are read."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from training_job import channel

from tuner.domain.definitions import (
    Channel,
    DataSource,
    S3DataDistributionType,
    S3DataSource,
    S3DataType,
    ShuffleConfig,
)
from tuner.store.objects import FileObjects
from tuner.training import feeding
from tuner.training.inputs import InputViews
from tuner.training.record_io import LONGEST
from tuner.training.sources import InputError

LIST = "s3://data/lines.manifest"
FEEDER = """
import json, sys
from tuner.training.feeding import feed_all
feed_all(json.loads(sys.argv[1]))
"""


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    store = FileObjects(tmp_path / "objects")
    yield store
    store.close()


@pytest.fixture
def views(objects: FileObjects, tmp_path: Path) -> InputViews:
    return InputViews(objects, tmp_path / "views")


def put(objects: FileObjects, **contents: bytes) -> None:
    for key, content in contents.items():
        objects.put("data", key.replace("__", "/"), io.BytesIO(content))


def augmented(*names: str, **members: Any) -> Channel:
    source = S3DataSource(
        s3_data_type=S3DataType.AUGMENTED_MANIFEST_FILE, s3_uri=LIST, attribute_names=names
    )
    return Channel(channel_name="train", data_source=DataSource(s3_data_source=source), **members)


def epochs(
    views: InputViews, piped: Channel, place: Path, count: int = 1, shard: int = 0, shards: int = 1
) -> Sequence[bytes]:
    """What is read in each epoch."""
    place.mkdir(exist_ok=True)
    feed = views.feed(piped, shard, shards, user="1-1", target=place)
    feeding.make_fifo(feed, 0)
    with subprocess.Popen([sys.executable, "-c", FEEDER, json.dumps(feed)]) as feeder:
        read = [feeding.fifo_of(feed, epoch).read_bytes() for epoch in range(count)]
        feeder.kill()
    for left in place.iterdir():
        left.unlink()
    return read


def test_keys_that_are_no_file_names_can_be_streamed(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    for key in ("p/../x", "p/a", "p/a/b", "p//etc"):
        objects.put("data", key, io.BytesIO(key.encode()))
    whole = epochs(views, channel("s3://data/p/"), tmp_path / "fifos")
    assert whole == [b"p/../xp//etcp/ap/a/b"]


def test_hosts_share_the_lines_of_an_augmented_manifest(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, **{"lines.manifest": b'{"a": 1}\n\n{"a": 2}\n{"a": 3}'})
    piped = augmented("a")
    source = piped.data_source.s3_data_source
    assert source is not None
    sharded = S3DataSource(
        s3_data_type=source.s3_data_type,
        s3_uri=source.s3_uri,
        attribute_names=source.attribute_names,
        s3_data_distribution_type=S3DataDistributionType.SHARDED_BY_S3_KEY,
    )
    piped = Channel(channel_name="train", data_source=DataSource(s3_data_source=sharded))
    read = [epochs(views, piped, tmp_path / "f", shard=n, shards=4) for n in range(4)]
    assert read == [[b"1"], [b"2"], [b"3"], [b""]]


def test_every_epoch_has_all_records_in_an_order_of_its_own(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    lines = b"".join(b'{"a": "%c"}\n' % letter for letter in range(65, 91))
    put(objects, **{"lines.manifest": lines})
    read = epochs(
        views, augmented("a", shuffle_config=ShuffleConfig(seed=3)), tmp_path / "fifos", 3
    )
    assert len(set(read)) == 3
    assert {bytes(sorted(epoch)) for epoch in read} == {bytes(range(65, 91))}


def test_an_object_that_changed_is_another_stream(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, x=b"old", **{"lines.manifest": b'{"a-ref": "s3://data/x", "b": 1}'})
    piped = augmented("a-ref", "b")
    assert epochs(views, piped, tmp_path / "fifos") == [b"old1"]
    put(objects, x=b"new")
    assert epochs(views, piped, tmp_path / "fifos") == [b"new1"]
    assert epochs(views, augmented("b"), tmp_path / "fifos") == [b"1"]


def test_an_object_is_linked_once_however_often_it_is_read(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, x=b"image", **{"lines.manifest": b'{"a-ref": "s3://data/x"}\n' * 3})
    feed = views.feed(augmented("a-ref"), 0, 1, user="1-1", target=tmp_path)
    assert [path.name for path in Path(feed["stream"], "objects").iterdir()] == ["0"]


@pytest.mark.parametrize(
    "content",
    [b"plain", gzip.compress(b"x" * 999)[:-9], b"\x1f\x8b"],
    ids=["not packed", "cut short", "cut in its head"],
)
def test_what_is_not_whole_is_found_before_anything_is_read(
    objects: FileObjects, views: InputViews, tmp_path: Path, content: bytes
) -> None:
    put(objects, p__a=gzip.compress(b"good"), p__b=content)
    with pytest.raises(InputError, match='"s3://data/p/b" is not compressed by gzip'):
        views.feed(
            channel("s3://data/p/", compression_type="Gzip"), 0, 1, user="1-1", target=tmp_path
        )
    assert [path.name for path in (tmp_path / "views").iterdir()] == [".users"]


def test_what_is_longer_than_a_record_is_refused(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, p__a=b"")
    blob = next(path for path in (tmp_path / "objects" / "blobs").glob("*/*"))
    blob.chmod(0o644)
    os.truncate(blob, LONGEST + 1)
    wrapped = channel("s3://data/p/", record_wrapper_type="RecordIO")
    with pytest.raises(InputError, match="a record of RecordIO holds up to 536,870,911"):
        views.feed(wrapped, 0, 1, user="1-1", target=tmp_path)


def test_what_is_put_in_the_place_of_a_fifo_is_never_written_to(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, p__a=b"data")
    feed = views.feed(channel("s3://data/p/"), 0, 1, user="1-1", target=tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for replace in (lambda path: path.symlink_to(victim), lambda path: path.write_text("mine")):
        fifo = feeding.fifo_of(feed, 0)
        fifo.unlink(missing_ok=True)
        feeding.fifo_of(feed, 1).unlink(missing_ok=True)
        replace(fifo)
        feeding.feed_all(feed)
        assert victim.read_text() == fifo.read_text() == "mine"
