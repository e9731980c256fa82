"""Objects that come in parts, through boto3's own transfers and by hand."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from test_s3_objects import body, refused

from tuner.store.objects import FileObjects

MIB = 1024 * 1024
FIVE = os.urandom(5 * MIB)


@pytest.fixture
def where(s3: Any) -> dict[str, str]:
    upload = s3.create_multipart_upload(
        Bucket="bucket", Key="key", Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1"
    )
    return {"Bucket": "bucket", "Key": "key", "UploadId": upload["UploadId"]}


def sent(s3: Any, where: dict[str, str], number: int, content: bytes) -> dict[str, Any]:
    etag = s3.upload_part(**where, PartNumber=number, Body=content)["ETag"]
    return {"PartNumber": number, "ETag": etag}


def complete(s3: Any, where: dict[str, str], *parts: dict[str, Any], **more: Any) -> Any:
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": list(parts)}, **more)


def blobs(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "objects" / "blobs").glob("*/*"))


def test_200_mb_go_up_and_down_in_parts_and_are_one_file(
    s3: Any, objects: FileObjects, tmp_path: Path
) -> None:
    source, back, linked = (tmp_path / name for name in ("source", "back", "linked"))
    block = os.urandom(MIB)
    with source.open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(4, "big") + block[4:])
    config = TransferConfig(multipart_chunksize=16 * MIB, max_concurrency=4)
    s3.upload_file(str(source), "bucket", "big", Config=config)
    assert s3.head_object(Bucket="bucket", Key="big")["ETag"].endswith('-13"')
    s3.download_file("bucket", "big", str(back), Config=config)
    assert sha256(back) == sha256(source)
    assert len(blobs(tmp_path)) == 1
    objects.link("bucket", "big", linked, copy=False)
    assert linked.stat().st_ino == blobs(tmp_path)[0].stat().st_ino
    ranged = s3.get_object(
        Bucket="bucket", Key="big", Range=f"bytes={16 * MIB - 2}-{16 * MIB + 3}"
    )
    assert body(ranged) == block[-2:] + (16).to_bytes(4, "big")
    second = s3.get_object(Bucket="bucket", Key="big", PartNumber=2)
    assert (second["PartsCount"], second["ContentLength"]) == (13, 16 * MIB)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_parts_may_come_in_any_order_and_again(
    s3: Any, where: dict[str, str], tmp_path: Path
) -> None:
    last = sent(s3, where, 9, b"end")
    sent(s3, where, 2, b"x" * 10)
    first = sent(s3, where, 2, FIVE)
    sent(s3, where, 5, b"not wanted in the end")
    parts = s3.list_parts(**where)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [
        (2, 5 * MIB),
        (5, 21),
        (9, 3),
    ]
    pages = s3.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": 2})
    assert [len(page["Parts"]) for page in pages] == [2, 1]
    assert refused(s3.head_object, Bucket="bucket", Key="key") == ("404", 404)
    etag = complete(s3, where, first, last)["ETag"]
    digests = hashlib.md5(FIVE).digest() + hashlib.md5(b"end").digest()
    assert etag == f'"{hashlib.md5(digests).hexdigest()}-2"'
    answer = s3.get_object(Bucket="bucket", Key="key")
    assert body(answer) == FIVE + b"end"
    assert (answer["Metadata"], answer["ContentType"], answer["TagCount"]) == (
        {"a": "1"},
        "text/x",
        1,
    )
    assert len(blobs(tmp_path)) == 1
    assert refused(s3.list_parts, **where) == ("NoSuchUpload", 404)


def test_completing_again_gets_the_same_answer(s3: Any, where: dict[str, str]) -> None:
    part = sent(s3, where, 1, b"x")
    first, again = complete(s3, where, part), complete(s3, where, part)
    assert first["ETag"] == again["ETag"]
    s3.put_object(Bucket="bucket", Key="key", Body=b"other")
    code = refused(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": [part]})
    assert code == ("NoSuchUpload", 404)


def test_wrong_lists_of_parts_are_refused_and_the_upload_stays(
    s3: Any, where: dict[str, str]
) -> None:
    one, two = sent(s3, where, 1, b"small"), sent(s3, where, 2, FIVE)
    three = sent(s3, where, 3, b"x")
    for parts, code in (
        ([one, two], "EntityTooSmall"),
        ([three, two], "InvalidPartOrder"),
        ([two, two], "InvalidPartOrder"),
        ([{**two, "ETag": '"0"'}], "InvalidPart"),
        ([two, {**three, "PartNumber": 4}], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        wrong = refused(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": parts})
        assert wrong == (code, 400)
    complete(s3, where, two, three)


def test_part_numbers_go_from_1_to_10000(s3: Any, where: dict[str, str]) -> None:
    for number in (0, 10_001):
        code = refused(s3.upload_part, **where, PartNumber=number, Body=b"")
        assert code == ("InvalidArgument", 400)


def test_an_aborted_upload_leaves_nothing(s3: Any, where: dict[str, str], tmp_path: Path) -> None:
    sent(s3, where, 1, b"x")
    s3.abort_multipart_upload(**where)
    assert blobs(tmp_path) == []
    for call, more in (
        (s3.abort_multipart_upload, {}),
        (s3.upload_part, {"PartNumber": 1, "Body": b""}),
        (s3.list_parts, {}),
    ):
        assert refused(call, **where, **more) == ("NoSuchUpload", 404)
    assert blobs(tmp_path) == []


def test_an_upload_belongs_to_its_key(s3: Any, where: dict[str, str]) -> None:
    other = {**where, "Key": "other"}
    code = refused(s3.upload_part, **other, PartNumber=1, Body=b"")
    assert code == ("NoSuchUpload", 404)


def test_completing_under_conditions(s3: Any, where: dict[str, str]) -> None:
    part = sent(s3, where, 1, b"new")
    s3.put_object(Bucket="bucket", Key="key", Body=b"old")
    call, parts = s3.complete_multipart_upload, {"Parts": [part]}
    assert refused(call, **where, MultipartUpload=parts, IfNoneMatch="*") == (
        "PreconditionFailed",
        412,
    )
    assert body(s3.get_object(Bucket="bucket", Key="key")) == b"old"
    complete(s3, where, part)
    assert body(s3.get_object(Bucket="bucket", Key="key")) == b"new"


def test_parts_are_copied_from_objects(s3: Any, where: dict[str, str]) -> None:
    s3.put_object(Bucket="bucket", Key="ü/source", Body=FIVE + b"0123456789")
    source = {"Bucket": "bucket", "Key": "ü/source"}
    copied = [
        s3.upload_part_copy(
            **where, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={part}"
        )["CopyPartResult"]
        for number, part in ((1, f"0-{5 * MIB - 1}"), (2, f"{5 * MIB + 2}-{5 * MIB + 4}"))
    ]
    for wrong in (f"bytes=0-{6 * MIB}", "bytes=5-2", "bytes=1-", "0-1"):
        code = refused(
            s3.upload_part_copy, **where, PartNumber=3, CopySource=source, CopySourceRange=wrong
        )
        assert code == ("InvalidArgument", 400)
    parts = [
        {"PartNumber": number, "ETag": result["ETag"]} for number, result in enumerate(copied, 1)
    ]
    complete(s3, where, *parts)
    assert body(s3.get_object(Bucket="bucket", Key="key")) == FIVE + b"234"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", "CRC32C", "CRC64NVME"])
def test_a_copied_upload_has_the_checksums_it_announced(s3: Any, algorithm: str) -> None:
    s3.put_object(Bucket="bucket", Key="source", Body=FIVE)
    made = s3.create_multipart_upload(Bucket="bucket", Key="key", ChecksumAlgorithm=algorithm)
    where = {"Bucket": "bucket", "Key": "key", "UploadId": made["UploadId"]}
    name = f"Checksum{algorithm}"
    parts = []
    for number in (1, 2):
        result = s3.upload_part_copy(**where, PartNumber=number, CopySource="bucket/source")
        copied = result["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": copied["ETag"], name: copied[name]})
    wrong = [{**parts[0], name: parts[0][name][::-1]}, parts[1]]
    code = refused(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": wrong})
    assert code == ("InvalidPart", 400)
    done = complete(s3, where, *parts)
    assert done["ChecksumType"] == ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
    assert done[name].endswith("-2") == (done["ChecksumType"] == "COMPOSITE")
    if algorithm == "SHA256":
        digest = hashlib.sha256(hashlib.sha256(FIVE).digest() * 2).digest()
        assert done[name] == base64.b64encode(digest).decode() + "-2"


def test_crcs_of_parts_are_joined_to_that_of_the_whole(s3: Any) -> None:
    made = s3.create_multipart_upload(
        Bucket="bucket", Key="key", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )
    where = {"Bucket": "bucket", "Key": "key", "UploadId": made["UploadId"]}
    one, two = sent(s3, where, 1, FIVE), sent(s3, where, 2, b"tail")
    whole = base64.b64encode(zlib.crc32(FIVE + b"tail").to_bytes(4, "big")).decode()
    call, parts = s3.complete_multipart_upload, {"Parts": [one, two]}
    wrong = refused(
        call, **where, MultipartUpload=parts, ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT"
    )
    assert wrong == ("BadDigest", 400)
    done = complete(s3, where, one, two, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
    assert done["ChecksumCRC32"] == whole
    answer = s3.get_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")
    assert answer["ChecksumCRC32"] == whole
    assert body(answer) == FIVE + b"tail"


def test_a_part_must_have_the_checksum_that_was_announced(s3: Any) -> None:
    made = s3.create_multipart_upload(Bucket="bucket", Key="key", ChecksumAlgorithm="SHA256")
    where = {"Bucket": "bucket", "Key": "key", "UploadId": made["UploadId"]}
    code = refused(s3.upload_part, **where, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA1")
    assert code == ("InvalidRequest", 400)
