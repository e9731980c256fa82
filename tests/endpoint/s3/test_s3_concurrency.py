"""Writers and readers at the same time: every read is one whole write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from s3_server import client
from test_s3_multipart import FIVE
from test_s3_objects import body

from tuner.store.objects import FileObjects


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_readers_see_whole_versions_while_writers_replace(
    s3: Any, objects: FileObjects, tmp_path: Path
) -> None:
    contents = [bytes([number]) * 400_000 for number in range(3)]
    s3.put_object(Bucket="bucket", Key="key", Body=contents[0])
    writing = threading.Event()
    writing.set()

    def write(number: int) -> None:
        for _ in range(15):
            s3.put_object(Bucket="bucket", Key="key", Body=contents[number])

    def read(_: int) -> int:
        reads = 0
        while writing.is_set() or reads < 5:
            answer = s3.get_object(Bucket="bucket", Key="key")
            assert body(answer) in contents
            part = s3.get_object(Bucket="bucket", Key="key", Range="bytes=100-399")
            assert len(set(body(part))) == 1
            reads += 1
        return reads

    with ThreadPoolExecutor(3) as readers:
        reading = [readers.submit(read, number) for number in range(3)]
        try:
            together(3, write)
        finally:
            writing.clear()
        assert all(future.result(timeout=60) >= 5 for future in reading)
    assert len(list((tmp_path / "objects" / "blobs").glob("*/*"))) == 1


def test_many_clients_put_their_own_keys(s3: Any, port: int) -> None:
    def put(number: int) -> None:
        own = client(port)
        for turn in range(25):
            key = f"{number}/{turn}"
            own.put_object(Bucket="bucket", Key=key, Body=key.encode())
            assert body(own.get_object(Bucket="bucket", Key=key)) == key.encode()

    together(8, put)
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 200


def test_one_of_many_makes_an_object_that_must_be_new(s3: Any) -> None:
    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket="bucket", Key="key", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"
            return False
        return True

    won = together(8, put)
    assert sum(won) == 1
    assert body(s3.get_object(Bucket="bucket", Key="key")) == b"%d" % won.index(True)


def test_completing_one_upload_twice_at_once_makes_one_object(s3: Any, tmp_path: Path) -> None:
    upload = s3.create_multipart_upload(Bucket="bucket", Key="key")["UploadId"]
    where = {"Bucket": "bucket", "Key": "key", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**where, PartNumber=n, Body=FIVE)["ETag"]}
        for n in (1, 2, 3)
    ]

    def complete(_: int) -> str:
        return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})["ETag"]

    assert len(set(together(4, complete))) == 1
    assert body(s3.get_object(Bucket="bucket", Key="key")) == FIVE * 3
    assert len(list((tmp_path / "objects" / "blobs").glob("*/*"))) == 1
