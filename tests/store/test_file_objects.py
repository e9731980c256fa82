"""FileObjects: keys are never paths, replacing is atomic, links and readers keep what they had."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.domain.buckets import Attributes
from tuner.domain.ports import Objects
from tuner.store import schema
from tuner.store.objects import CHUNK_BYTES, FileObjects

HOSTILE_KEYS = [
    "../../etc/passwd",
    "/",
    "//",
    "a//b",
    "a/",
    "a/./b",
    ".",
    "..",
    "nul\x00byte",
    "ümläut/日本/🎉",
    "x" * 1024,
    "ü" * 512,
    "\ud800",
    " ",
    "a%2Fb",
]


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    objects = FileObjects(tmp_path / "objects")
    yield objects
    objects.close()


def put(objects: Objects, key: str, content: bytes, bucket: str = "bucket") -> None:
    objects.put(bucket, key, io.BytesIO(content))


def content_of(objects: Objects, key: str, bucket: str = "bucket") -> bytes:
    with objects.open(bucket, key) as file:
        return file.read()


def blobs(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "objects" / "blobs").glob("*/*"))


def test_what_is_put_comes_back_with_its_md5(objects: FileObjects, tmp_path: Path) -> None:
    content = os.urandom(2 * CHUNK_BYTES + 17)
    info = objects.put("bucket", "a/key", io.BytesIO(content))
    assert info.etag == hashlib.md5(content).hexdigest()
    assert info.size == len(content)
    assert objects.head("bucket", "a/key") == info
    objects.close()
    again = FileObjects(tmp_path / "objects")
    assert again.head("bucket", "a/key") == info
    assert content_of(again, "a/key") == content
    again.close()


def test_what_is_not_there_is_none_or_a_key_error(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "key", b"")
    assert content_of(objects, "key") == b""
    for bucket, key in (("bucket", "other"), ("other-bucket", "key"), ("bucket", "")):
        assert objects.head(bucket, key) is None
        with pytest.raises(KeyError, match=f"s3://{bucket}/{key}"):
            objects.open(bucket, key)
        with pytest.raises(KeyError):
            objects.link(bucket, key, tmp_path / "target", copy=False)
        objects.delete(bucket, key)
    assert list(objects.list("other-bucket", "")) == []


def test_hostile_keys_stay_keys(objects: FileObjects, tmp_path: Path) -> None:
    for key in HOSTILE_KEYS:
        put(objects, key, repr(key).encode())
    for key in HOSTILE_KEYS:
        assert content_of(objects, key) == repr(key).encode()
    listed = [info.key for info in objects.list("bucket", "")]
    assert listed == sorted(HOSTILE_KEYS, key=lambda key: key.encode(errors="surrogatepass"))
    assert {path.name for path in tmp_path.iterdir()} == {"objects"}
    assert all(len(path.name) == 32 for path in blobs(tmp_path))


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513])
def test_keys_that_s3_does_not_take_are_refused(objects: FileObjects, key: str) -> None:
    with pytest.raises(ValueError, match="1 to 1024 bytes"):
        put(objects, key, b"")


@pytest.mark.parametrize(
    "bucket",
    [
        "ab",
        "x" * 64,
        "Upper",
        "under_score",
        "-dash",
        "dash-",
        ".dot",
        "two..dots",
        "192.168.0.1",
        "xn--bucket",
        "bucket-s3alias",
        "bucket--ol-s3",
        "../up",
        "a/b",
        "bucket\n",
        "",
    ],
)
def test_bucket_names_that_s3_does_not_take_are_refused(objects: FileObjects, bucket: str) -> None:
    with pytest.raises(ValueError, match="not a legal bucket name"):
        put(objects, "key", b"", bucket=bucket)


@pytest.mark.parametrize("bucket", ["abc", "x" * 63, "my.bucket-1", "1.2.3", "0-9"])
def test_bucket_names_that_s3_takes_are_taken(objects: FileObjects, bucket: str) -> None:
    put(objects, "key", b"x", bucket=bucket)
    assert content_of(objects, "key", bucket=bucket) == b"x"


@given(
    keys=st.sets(st.text(st.sampled_from("ab/ü\x00\U0001f389"), min_size=1, max_size=4)),
    prefix=st.text(st.sampled_from("ab/ü"), max_size=2),
)
@settings(max_examples=30, deadline=None)
def test_listing_is_the_keys_with_the_prefix_in_order_of_bytes(
    keys: set[str], prefix: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        objects = FileObjects(Path(directory))
        for key in keys:
            put(objects, key, b"")
        put(objects, prefix or "x", b"", bucket="another")
        listed = [info.key for info in objects.list("bucket", prefix)]
        objects.close()
    assert listed == sorted((key for key in keys if key.startswith(prefix)), key=str.encode)


def test_a_listing_goes_on_over_thousands_while_objects_come_and_go(objects: FileObjects) -> None:
    for number in range(1003):
        put(objects, f"k/{number:05}", b"")
    listed = []
    for info in objects.list("bucket", "k/"):
        listed.append(info.key)
        if len(listed) == 500:
            objects.delete("bucket", "k/00000")
            put(objects, "k/99999", b"")
    assert listed == [f"k/{number:05}" for number in range(1003)] + ["k/99999"]


def test_a_reader_keeps_what_it_opened_when_the_object_is_replaced(
    objects: FileObjects, tmp_path: Path
) -> None:
    put(objects, "key", b"old")
    with objects.open("bucket", "key") as reader:
        put(objects, "key", b"new")
        assert reader.read() == b"old"
    assert content_of(objects, "key") == b"new"
    assert len(blobs(tmp_path)) == 1
    objects.delete("bucket", "key")
    assert blobs(tmp_path) == []


class FailingSource(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise OSError("the other side hung up")
        return data


def test_a_put_that_fails_leaves_the_old_object_and_no_files(
    objects: FileObjects, tmp_path: Path
) -> None:
    put(objects, "key", b"old")
    with pytest.raises(OSError, match="hung up"):
        objects.put("bucket", "key", cast(BinaryIO, FailingSource(b"new")))
    assert content_of(objects, "key") == b"old"
    assert len(blobs(tmp_path)) == 1
    assert list((tmp_path / "objects" / "incoming").iterdir()) == []


def test_a_link_is_read_only_and_outlives_the_object(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "key", b"content")
    target = tmp_path / "made" / "on the way" / "file"
    objects.link("bucket", "key", target, copy=False)
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert target.stat().st_ino == blobs(tmp_path)[0].stat().st_ino
    with pytest.raises(FileExistsError):
        objects.link("bucket", "key", target, copy=False)
    objects.delete("bucket", "key")
    assert target.read_bytes() == b"content"


def test_a_copy_is_the_takers_own(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "key", b"content")
    target = tmp_path / "file"
    objects.link("bucket", "key", target, copy=True)
    with target.open("ab") as file:
        file.write(b" changed")
    assert content_of(objects, "key") == b"content"
    with pytest.raises(FileExistsError):
        objects.link("bucket", "key", target, copy=True)
    assert target.read_bytes() == b"content changed"


def test_on_another_file_system_a_link_becomes_a_read_only_copy(
    objects: FileObjects, tmp_path: Path
) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    put(objects, "key", b"content")
    with tempfile.TemporaryDirectory(dir=other) as directory:
        target = Path(directory) / "file"
        objects.link("bucket", "key", target, copy=False)
        assert target.read_bytes() == b"content"
        assert stat.S_IMODE(target.stat().st_mode) == 0o444


def test_many_threads_put_and_read_one_key(objects: FileObjects, tmp_path: Path) -> None:
    contents = [bytes([number]) * 50_000 for number in range(4)]
    put(objects, "key", contents[0])
    failures: list[BaseException] = []

    def work(content: bytes) -> None:
        try:
            for turn in range(25):
                put(objects, "key", content)
                put(objects, f"own/{content[0]}/{turn}", content)
                assert content_of(objects, "key") in contents
                target = tmp_path / f"{content[0]}-{turn}"
                objects.link("bucket", "key", target, copy=turn % 2 == 0)
                assert target.read_bytes() in contents
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert len(list(objects.list("bucket", "own/"))) == 100
    assert len(blobs(tmp_path)) == 101


def test_a_sweep_removes_old_orphans_only(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "key", b"content")
    directory = tmp_path / "objects"
    (directory / "blobs" / "ab").mkdir(exist_ok=True)
    orphans = [directory / "incoming" / "half", directory / "blobs" / "ab" / ("ab" * 16)]
    for path in orphans:
        path.write_bytes(b"left by a crash")
    assert objects.sweep() == 0  # they are younger than the store: someone may be at work
    objects.close()
    time.sleep(0.02)  # longer than the tick of the file system's clock
    again = FileObjects(directory)
    with again.staging(io.BytesIO(b"being sent")):
        assert again.sweep() == 2
        assert not any(path.exists() for path in orphans)
        assert len(blobs(tmp_path)) == 2
    assert content_of(again, "key") == b"content"
    again.close()


def test_an_index_of_the_first_version_opens_with_what_is_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "objects"
    (directory / "blobs" / "ab").mkdir(parents=True)
    (directory / "blobs" / "ab" / "abc").write_bytes(b"content")
    with sqlite3.connect(directory / "objects.db", isolation_level=None) as connection:
        schema.migrate(connection, schema.OBJECTS[:1])
        connection.execute("INSERT INTO bucket VALUES ('bucket', 1.0)")
        connection.execute("INSERT INTO object VALUES ('bucket', x'6b', 'abc', 7, 'etag', 2.0)")
    connection.close()
    objects = FileObjects(directory)
    assert content_of(objects, "k") == b"content"
    found = objects.find("bucket", "k")
    assert found is not None
    assert (found.attributes, found.tags) == (Attributes(), {})
    assert objects.bucket("bucket").location is None
    objects.close()
