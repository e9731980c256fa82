from __future__ import annotations

import io
from typing import Any

import pytest
from s3_server import client
from test_s3_objects import refused

from tuner.store.objects import FileObjects


def test_buckets_are_made_found_listed_and_deleted(s3: Any) -> None:
    assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "us-west-2"
    assert s3.head_bucket(Bucket="bucket")["BucketRegion"] == "us-west-2"
    for name in ("abc", "zzz"):
        s3.create_bucket(Bucket=name)
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["abc", "bucket", "zzz"]
    assert [b["Name"] for b in s3.list_buckets(Prefix="b")["Buckets"]] == ["bucket"]
    pages = s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1})
    assert [b["Name"] for page in pages for b in page["Buckets"]] == ["abc", "bucket", "zzz"]
    s3.delete_bucket(Bucket="abc")
    assert refused(s3.head_bucket, Bucket="abc") == ("404", 404)
    assert refused(s3.delete_bucket, Bucket="abc") == ("NoSuchBucket", 404)
    assert s3.get_bucket_versioning(Bucket="bucket").get("Status") is None


def test_making_a_bucket_again_is_refused_as_in_its_region(s3: Any, port: int) -> None:
    again = refused(s3.create_bucket, Bucket="bucket")
    assert again == ("BucketAlreadyOwnedByYou", 409)
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    client(port, region="us-east-1").create_bucket(Bucket="bucket")
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 1


@pytest.mark.parametrize("name", ["Upper", "under_score", "192.168.0.1", "xn--a", "a..b"])
def test_names_that_s3_does_not_take_are_refused(s3: Any, name: str) -> None:
    assert refused(s3.create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_a_bucket_with_objects_stays_and_one_with_uploads_goes(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    upload = s3.create_multipart_upload(Bucket="bucket", Key="other")["UploadId"]
    where = {"Bucket": "bucket", "Key": "other", "UploadId": upload}
    s3.upload_part(**where, PartNumber=1, Body=b"part")
    assert refused(s3.delete_bucket, Bucket="bucket") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="bucket", Key="key")
    s3.delete_bucket(Bucket="bucket")
    s3.create_bucket(Bucket="bucket")
    assert refused(s3.list_parts, **where) == ("NoSuchUpload", 404)


def test_nothing_is_written_to_a_bucket_that_is_not_there(s3: Any) -> None:
    for call, arguments in (
        (s3.put_object, {"Key": "k", "Body": b""}),
        (s3.get_object, {"Key": "k"}),
        (s3.delete_object, {"Key": "k"}),
        (s3.list_objects_v2, {}),
        (s3.list_objects, {}),
        (s3.list_multipart_uploads, {}),
        (s3.create_multipart_upload, {"Key": "k"}),
        (s3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
    ):
        assert refused(call, Bucket="missing", **arguments) == ("NoSuchBucket", 404)
    assert refused(s3.head_object, Bucket="missing", Key="k") == ("404", 404)


def test_what_jobs_store_is_there_for_clients_and_the_other_way(
    s3: Any, objects: FileObjects
) -> None:
    objects.put("made-by-a-job", "model.tar.gz", io.BytesIO(b"model"))
    assert s3.get_object(Bucket="made-by-a-job", Key="model.tar.gz")["Body"].read() == b"model"
    assert s3.get_bucket_location(Bucket="made-by-a-job")["LocationConstraint"] == "us-west-2"
    s3.put_object(Bucket="bucket", Key="input", Body=b"data")
    with objects.open("bucket", "input") as file:
        assert file.read() == b"data"
