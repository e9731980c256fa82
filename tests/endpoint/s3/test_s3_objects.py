"""One object over the wire, as boto3 and plain HTTP see it."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_server import client

HOSTILE_KEYS = [
    "../x",
    "../../etc/passwd",
    "a/../b",
    "./a",
    "a//b",
    "/leading",
    "//",
    "a/",
    "a",
    "a b+c%2Fd&e=f?g#h",
    "ümläut/日本/🎉",
    "back\\slash",
    "quote\"'<>&",
    "line\nbreak\rtab\t",
    "nul\x00byte",
    "x" * 1024,
]


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body(answer: Any) -> bytes:
    return answer["Body"].read()


def fetch(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read(), dict(answer.headers)


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_every_key_stays_a_key(s3: Any, key: str) -> None:
    s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
    assert body(s3.get_object(Bucket="bucket", Key=key)) == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="bucket")["Contents"]] == [key]
    s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": key})
    assert body(s3.get_object(Bucket="bucket", Key="copy")) == key.encode()
    s3.delete_object(Bucket="bucket", Key=key)
    assert refused(s3.head_object, Bucket="bucket", Key=key) == ("404", 404)


def test_a_key_of_more_than_1024_bytes_is_refused(s3: Any) -> None:
    assert refused(s3.put_object, Bucket="bucket", Key="ü" * 513, Body=b"") == (
        "KeyTooLongError",
        400,
    )


def test_what_is_said_of_an_object_comes_back(s3: Any) -> None:
    said = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "ContentLanguage": "de",
        "CacheControl": "no-store",
        "Metadata": {"with_underscore": "1", "with-dash": "2", "empty": ""},
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/mine",
        "WebsiteRedirectLocation": "/there",
        "StorageClass": "STANDARD_IA",
    }
    put = s3.put_object(Bucket="bucket", Key="key", Body=b"abc", Tagging="a=1&b=%C3%BC", **said)
    assert put["ServerSideEncryption"] == "aws:kms"
    for answer in (
        s3.head_object(Bucket="bucket", Key="key"),
        s3.get_object(Bucket="bucket", Key="key"),
    ):
        assert {name: answer.get(name) for name in said} == said
        assert answer["ContentLength"] == 3
        assert answer["ETag"] == put["ETag"] == '"900150983cd24fb0d6963f7d28e17f72"'
        assert abs(answer["LastModified"] - datetime.now(UTC)) < timedelta(minutes=1)
    tags = s3.get_object_tagging(Bucket="bucket", Key="key")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}]


def test_metadata_that_is_not_ascii_comes_back_as_s3_sends_it(s3: Any, port: int) -> None:
    url = f"http://127.0.0.1:{port}/bucket/key"
    request = urllib.request.Request(
        url, data=b"x", method="PUT", headers={"x-amz-meta-name": "ü".encode().decode("latin-1")}
    )
    urllib.request.urlopen(request, timeout=10).close()
    assert fetch(url)[2]["x-amz-meta-name"] == "=?UTF-8?B?w7w=?="


def test_metadata_over_2_kib_is_refused(s3: Any) -> None:
    code = refused(s3.put_object, Bucket="bucket", Key="key", Metadata={"a": "x" * 2048})
    assert code == ("MetadataTooLarge", 400)


def test_the_owner_a_client_expects_is_not_looked_at(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"x", ExpectedBucketOwner="999999999999")
    s3.head_object(Bucket="bucket", Key="key", ExpectedBucketOwner="111111111111")


@pytest.mark.parametrize(
    ("asked", "given", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-100", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_range_is_that_part_of_the_content(
    s3: Any, asked: str, given: bytes, content_range: str
) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"0123456789")
    answer = s3.get_object(Bucket="bucket", Key="key", Range=asked)
    assert (body(answer), answer["ContentRange"]) == (given, content_range)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=a"]
)
def test_a_range_that_is_none_gives_the_whole(s3: Any, asked: str) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"0123456789")
    answer = s3.get_object(Bucket="bucket", Key="key", Range=asked)
    assert body(answer) == b"0123456789"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_range_behind_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"0123456789")
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    for key, asked in (("key", "bytes=10-"), ("key", "bytes=-0"), ("empty", "bytes=0-0")):
        code = refused(s3.get_object, Bucket="bucket", Key=key, Range=asked)
        assert code == ("InvalidRange", 416)
    assert body(s3.get_object(Bucket="bucket", Key="empty")) == b""


def test_reads_under_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="bucket", Key="key", Body=b"x")["ETag"]
    where = {"Bucket": "bucket", "Key": "key"}
    past, future = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    for fine in (
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": past},
        {"IfUnmodifiedSince": future},
        {"IfMatch": etag, "IfUnmodifiedSince": past},
        {"IfNoneMatch": '"other"', "IfModifiedSince": future},
    ):
        assert body(s3.get_object(**where, **fine)) == b"x"
    for same in ({"IfNoneMatch": etag}, {"IfModifiedSince": future}):
        assert refused(s3.get_object, **where, **same) == ("304", 304)
    for fails in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": past}):
        assert refused(s3.get_object, **where, **fails) == ("PreconditionFailed", 412)
        assert refused(s3.head_object, **where, **fails) == ("412", 412)


def test_writes_under_conditions(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    assert refused(s3.put_object, **where, Body=b"", IfMatch="*") == ("NoSuchKey", 404)
    etag = s3.put_object(**where, Body=b"first", IfNoneMatch="*")["ETag"]
    failed = ("PreconditionFailed", 412)
    assert refused(s3.put_object, **where, Body=b"", IfNoneMatch="*") == failed
    assert refused(s3.put_object, **where, Body=b"", IfMatch='"other"') == failed
    assert refused(s3.put_object, **where, IfNoneMatch=etag) == ("NotImplemented", 400)
    assert body(s3.get_object(**where)) == b"first"
    s3.put_object(**where, Body=b"second", IfMatch=etag)
    assert refused(s3.delete_object, **where, IfMatch=etag) == failed
    assert body(s3.get_object(**where)) == b"second"


def test_a_copy_keeps_or_replaces_what_was_said(s3: Any) -> None:
    source = {"Bucket": "bucket", "Key": "source"}
    s3.put_object(
        **source, Body=b"content", Metadata={"a": "1"}, ContentType="text/plain", Tagging="t=1"
    )
    result = s3.copy_object(Bucket="bucket", Key="kept", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == '"9a0364b9e99bb480dd25e1f0284c8555"'
    kept = s3.get_object(Bucket="bucket", Key="kept")
    assert (body(kept), kept["Metadata"], kept["ContentType"], kept["TagCount"]) == (
        b"content",
        {"a": "1"},
        "text/plain",
        1,
    )
    s3.copy_object(
        Bucket="bucket",
        Key="replaced",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2",
        ChecksumAlgorithm="SHA256",
    )
    replaced = s3.get_object(Bucket="bucket", Key="replaced", ChecksumMode="ENABLED")
    assert body(replaced) == b"content"
    assert (replaced["Metadata"], replaced["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    assert replaced["ChecksumSHA256"] == "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="
    s3.put_object(**source, Body=b"changed")
    assert body(s3.get_object(Bucket="bucket", Key="kept")) == b"content"


def test_a_copy_onto_itself_must_change_something(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    s3.put_object(**where, Body=b"x", Metadata={"a": "1"})
    assert refused(s3.copy_object, **where, CopySource=where) == ("InvalidRequest", 400)
    s3.copy_object(**where, CopySource=where, MetadataDirective="REPLACE", Metadata={"b": "2"})
    answer = s3.get_object(**where)
    assert (body(answer), answer["Metadata"]) == (b"x", {"b": "2"})


def test_a_copy_under_conditions_and_of_nothing(s3: Any) -> None:
    source = {"Bucket": "bucket", "Key": "key"}
    etag = s3.put_object(**source, Body=b"x")["ETag"]
    to = {"Bucket": "bucket", "Key": "to", "CopySource": source}
    failed = ("PreconditionFailed", 412)
    assert refused(s3.copy_object, **to, CopySourceIfMatch='"other"') == failed
    assert refused(s3.copy_object, **to, CopySourceIfNoneMatch=etag) == failed
    assert refused(s3.copy_object, **{**to, "CopySource": "bucket/no"}) == ("NoSuchKey", 404)
    assert refused(s3.copy_object, **{**to, "CopySource": "no-bucket/no"})[0] == "NoSuchBucket"
    assert refused(s3.copy_object, **{**to, "Bucket": "no-bucket"})[0] == "NoSuchBucket"
    assert refused(s3.head_object, Bucket="bucket", Key="to") == ("404", 404)
    s3.copy_object(**to, CopySourceIfMatch=etag)


def test_tags_are_put_read_and_deleted(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    tags = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]}
    assert refused(s3.put_object_tagging, **where, Tagging=tags) == ("NoSuchKey", 404)
    s3.put_object(**where, Body=b"x")
    s3.put_object_tagging(**where, Tagging=tags)
    assert s3.get_object_tagging(**where)["TagSet"] == tags["TagSet"]
    assert s3.head_object(**where)["TagCount"] == 2
    twice = {"TagSet": [{"Key": "a", "Value": "1"}] * 2}
    assert refused(s3.put_object_tagging, **where, Tagging=twice) == ("InvalidTag", 400)
    s3.delete_object_tagging(**where)
    assert s3.get_object_tagging(**where)["TagSet"] == []


def test_deleting_many_says_what_is_gone(s3: Any) -> None:
    keys = [f"k/{number:04} ü&<" for number in range(1000)]
    for key in keys[:5]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key} for key in keys]})
    assert [item["Key"] for item in answer["Deleted"]] == keys
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 0
    quiet = s3.delete_objects(
        Bucket="bucket",
        Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "v"}], "Quiet": True},
    )
    assert "Deleted" not in quiet
    assert [error["Code"] for error in quiet["Errors"]] == ["NoSuchVersion"]


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_presigned_urls_work_for_whoever_has_them(s3: Any, port: int, signature: str) -> None:
    signer = client(port, signature_version=signature)
    where = {"Bucket": "bucket", "Key": "a b/ü+.csv"}
    put = signer.generate_presigned_url("put_object", Params=where)
    request = urllib.request.Request(put, data=b"content", method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
    get = signer.generate_presigned_url(
        "get_object",
        Params={
            **where,
            "ResponseContentDisposition": 'attachment; filename="x"',
            "ResponseContentType": "text/x-mine",
        },
    )
    status, content, headers = fetch(get)
    assert (status, content) == (200, b"content")
    assert headers["Content-Type"] == "text/x-mine"
    assert headers["Content-Disposition"] == 'attachment; filename="x"'
    assert fetch(get, Range="bytes=1-2")[:2] == (206, b"on")


def test_an_answer_cannot_be_given_headers_by_its_url(s3: Any, port: int) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    url = f"http://127.0.0.1:{port}/bucket/key?response-content-type=a%0d%0aSet-Cookie:%20b"
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url)
    assert caught.value.code == 400
    caught.value.close()


def test_virtual_hosts_name_buckets(s3: Any, port: int) -> None:
    s3.put_object(Bucket="bucket", Key="dir//key", Body=b"x")
    for host in ("bucket.localhost", "bucket.s3.localhost", "bucket.s3.us-west-2.localhost"):
        for path in ("dir//key", "dir%2F/key"):
            url = f"http://127.0.0.1:{port}/{path}"
            assert fetch(url, Host=f"{host}:{port}")[1] == b"x"
        assert b"<Key>dir//key</Key>" in fetch(f"http://127.0.0.1:{port}/", Host=host)[1]
    assert fetch(f"http://127.0.0.1:{port}/bucket/dir//key", Host="s3.localhost")[1] == b"x"
    assert fetch(f"http://127.0.0.1:{port}/bucket/dir//key", Host="localhost")[1] == b"x"


def test_the_resource_interface_reads_and_writes(s3: Any, port: int) -> None:
    resource = boto3.resource(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-west-2",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(connect_timeout=5, read_timeout=20),
    )
    bucket = resource.Bucket("bucket")
    bucket.upload_fileobj(io.BytesIO(b"content"), "a/b")
    assert [item.key for item in bucket.objects.filter(Prefix="a/")] == ["a/b"]
    assert bucket.Object("a/b").get()["Body"].read() == b"content"
    bucket.objects.all().delete()
    bucket.delete()
    assert list(resource.buckets.all()) == []
