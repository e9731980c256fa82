from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.training.manifests import ManifestError, Reference, parse_manifest, parse_record


def test_a_manifest_is_a_prefix_and_what_follows_it() -> None:
    content = b'[{"prefix": "s3://bucket/some/"}, "path/one", "two"]'
    assert parse_manifest(content) == ("s3://bucket/some/", ["path/one", "two"])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not a JSON array"),
        (b"[]", "not a JSON array"),
        (b'["a"]', "first element"),
        (b'[{"prefix": ""}, "a"]', "first element"),
        (b'[{"prefix": "https://bucket/"}, "a"]', "first element"),
        (b'[{"prefix": "s3://b/"}, "a", 1]', "element 2 is not a string"),
        (b'[{"prefix": "s3://b/"}]', "lists no object"),
    ],
)
def test_a_faulty_manifest_is_told_how(content: bytes, fault: str) -> None:
    with pytest.raises(ManifestError, match=fault):
        parse_manifest(content)


def test_attributes_come_in_the_order_of_their_names() -> None:
    line = b'{"b": "text", "other": 1, "a-ref": "s3://x/y", "n": 1, "o": {"k": [1.5, null]}}'
    assert parse_record(line, ["n", "a-ref", "b", "o"]) == [
        "1",
        Reference("s3://x/y"),
        "text",
        '{"k":[1.5,null]}',
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"not json", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"b": 1}', "no attribute 'a-ref'"),
        (b'{"a-ref": 1}', "'a-ref' is not the S3 URI"),
        (b'{"a-ref": "/etc/passwd"}', "'a-ref' is not the S3 URI"),
        (b'{"a-ref": "s3://x/y", "b": "\\ud800"}', "'b' is not valid text"),
    ],
)
def test_a_faulty_line_is_told_how(line: bytes, fault: str) -> None:
    with pytest.raises(ManifestError, match=fault):
        parse_record(line, ["a-ref", "b"])


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_can_be_an_attribute(value: object) -> None:
    (text,) = parse_record(json.dumps({"a": value}).encode(), ["a"])
    assert text == value if isinstance(value, str) else json.loads(str(text)) == value
