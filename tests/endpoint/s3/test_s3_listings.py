"""Listings against a plain dictionary, over the wire."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s3_server import client, serving
from test_s3_objects import refused

from tuner.store.objects import FileObjects

KEYS = st.text(st.sampled_from("ab/-ü🎉 +%&"), min_size=1, max_size=5).filter(
    lambda key: key not in (".", "..")
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as directory:
        objects = FileObjects(Path(directory))
        with serving(objects) as port:
            yield client(port)
        objects.close()


def model(
    keys: set[str], prefix: str, delimiter: str, after: str, *, whole_prefixes: bool
) -> list[tuple[str, str]]:
    """All entries in order. `whole_prefixes`: those that `after` is inside of are left out."""
    entries: list[tuple[str, str]] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        rest = key[len(prefix) :]
        entry = ("key", key)
        if delimiter and delimiter in rest:
            entry = ("prefix", prefix + rest.partition(delimiter)[0] + delimiter)
            if whole_prefixes and after.startswith(entry[1]):
                continue
        if entry not in entries:
            entries.append(entry)
    return entries


def entries_of(page: dict[str, Any]) -> list[tuple[str, str]]:
    keys = [("key", item["Key"]) for item in page.get("Contents", [])]
    prefixes = [("prefix", item["Prefix"]) for item in page.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=lambda entry: entry[1].encode())


@given(
    keys=st.sets(KEYS, max_size=8),
    prefix=st.text(st.sampled_from("ab/"), max_size=2),
    delimiter=st.sampled_from(["", "/", "-", "a", "/-", "ü"]),
    after=st.one_of(st.just(""), KEYS),
    size=st.integers(1, 4),
    second=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_pages_together_are_the_listing(
    shared: Any,
    keys: set[str],
    prefix: str,
    delimiter: str,
    after: str,
    size: int,
    second: bool,
) -> None:
    bucket = f"bucket-{next(_numbers)}"
    shared.create_bucket(Bucket=bucket)
    for key in keys:
        shared.put_object(Bucket=bucket, Key=key, Body=b"")
    arguments = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
    if after:
        arguments["StartAfter" if second else "Marker"] = after
    paginator = shared.get_paginator("list_objects_v2" if second else "list_objects")
    listed = []
    for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": size}):
        entries = entries_of(page)
        assert len(entries) <= size
        assert page["IsTruncated"] == (len(entries) == size and page["IsTruncated"])
        listed += entries
    assert listed == model(keys, prefix, delimiter, after, whole_prefixes=not second)


def test_more_than_a_thousand_keys_come_in_pages(s3: Any, objects: FileObjects) -> None:
    import io

    for number in range(2001):
        objects.put("bucket", f"k/{number:05}", io.BytesIO(b""))
    objects.put("bucket", "l", io.BytesIO(b""))
    first = s3.list_objects_v2(Bucket="bucket", MaxKeys=5000)
    assert (first["KeyCount"], first["MaxKeys"], first["IsTruncated"]) == (1000, 1000, True)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    assert sum(page["KeyCount"] for page in pages) == 2002
    folded = s3.list_objects_v2(Bucket="bucket", Delimiter="/")
    assert [p["Prefix"] for p in folded["CommonPrefixes"]] == ["k/"]
    assert [o["Key"] for o in folded["Contents"]] == ["l"]
    assert not folded["IsTruncated"]


def test_no_keys_asked_for_is_no_keys(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"")
    page = s3.list_objects_v2(Bucket="bucket", MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page.get("Contents")) == (0, False, None)


def test_the_owner_is_told_on_demand(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"")
    assert "Owner" not in s3.list_objects_v2(Bucket="bucket")["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket="bucket", FetchOwner=True)["Contents"][0]
    assert "Owner" in s3.list_objects(Bucket="bucket")["Contents"][0]


def test_wrong_arguments_are_refused(s3: Any) -> None:
    for wrong in ({"MaxKeys": -1}, {"ContinuationToken": "§"}, {"EncodingType": "other"}):
        assert refused(s3.list_objects_v2, Bucket="bucket", **wrong) == ("InvalidArgument", 400)


def test_unfinished_uploads_are_listed_in_pages(s3: Any) -> None:
    keys = ["a", "a", "b/1", "b/2", "c"]
    made = [
        (key, s3.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]) for key in keys
    ]
    paginator = s3.get_paginator("list_multipart_uploads")
    pages = list(paginator.paginate(Bucket="bucket", PaginationConfig={"PageSize": 1}))
    listed = [(u["Key"], u["UploadId"]) for page in pages for u in page["Uploads"]]
    assert sorted(listed) == sorted(made)
    assert [key for key, _ in listed] == keys
    folded = s3.list_multipart_uploads(Bucket="bucket", Delimiter="/", Prefix="")
    assert [u["Key"] for u in folded["Uploads"]] == ["a", "a", "c"]
    assert [p["Prefix"] for p in folded["CommonPrefixes"]] == ["b/"]
