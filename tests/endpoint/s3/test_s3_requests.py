"""What is broken or not served is a 4xx in S3's shape, never a 5xx; the server goes on."""

from __future__ import annotations

import http.client
import re
import socket
from typing import Any
from xml.etree import ElementTree

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODEL = botocore.session.get_session().get_service_model("s3")
SERVED = {
    *("ListBuckets", "CreateBucket", "HeadBucket", "DeleteBucket", "GetBucketLocation"),
    *("GetBucketVersioning", "ListObjects", "ListObjectsV2", "ListMultipartUploads"),
    *("DeleteObjects", "PutObject", "GetObject", "HeadObject", "DeleteObject", "CopyObject"),
    *("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "CreateMultipartUpload"),
    *("UploadPart", "UploadPartCopy", "ListParts", "CompleteMultipartUpload"),
    *("AbortMultipartUpload", "ListDirectoryBuckets"),
}
UNSERVED = sorted(set(MODEL.operation_names) - SERVED - {"WriteGetObjectResponse"})


def send(
    port: int, method: str, target: str, content: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(content)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def code(answer: tuple[int, bytes]) -> tuple[int, str | None]:
    return answer[0], ElementTree.fromstring(answer[1]).findtext("Code")


@pytest.mark.parametrize("operation", UNSERVED)
def test_what_is_not_served_says_so_at_once(s3: Any, port: int, operation: str) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    http_part = MODEL.operation_model(operation).http
    target = http_part["requestUri"].replace("{Bucket}", "bucket").replace("{Key+}", "key")
    with_value = re.sub(r"\?([\w-]+)(?=&|$)", r"?\1=value", target)
    for asked in (target, with_value):
        assert code(send(port, http_part["method"], asked)) == (400, "NotImplemented")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"x"


@pytest.mark.parametrize(
    "header",
    [
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-write-offset-bytes",
        "x-amz-grant-read",
    ],
)
def test_headers_that_ask_for_more_are_refused(s3: Any, port: int, header: str) -> None:
    answer = send(port, "PUT", "/bucket/key", b"x", **{header: "1"})
    assert code(answer) == (400, "NotImplemented")


def test_an_announced_body_is_asked_for_even_if_it_is_empty(s3: Any, port: int) -> None:
    """botocore before 1.44 misreads a connection's next answer where one came unasked."""
    head = (
        b"PUT /bucket/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        answers = connection.makefile("rb")
        for key, content in ((b"empty", b""), (b"full", b"x"), (b"again", b"")):
            connection.sendall(head % (key, len(content)))
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert answers.readline() == b"\r\n"
            connection.sendall(content)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            while answers.readline() != b"\r\n":
                pass
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 3


def test_acls_are_off_as_in_new_buckets(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", ACL="bucket-owner-full-control")
    with pytest.raises(s3.exceptions.ClientError, match="AccessControlListNotSupported"):
        s3.put_object(Bucket="bucket", Key="key", ACL="public-read")


@pytest.mark.parametrize(
    ("method", "target", "content", "expected"),
    [
        ("PUT", "/bucket/%ff", b"", (400, "InvalidURI")),
        ("GET", "//key", b"", (400, "InvalidURI")),
        ("GET", "/bucket?prefix=%ff", b"", (400, "InvalidURI")),
        ("GET", "/bucket?" + "&".join(f"a{n}=1" for n in range(200)), b"", (400, "InvalidURI")),
        ("GET", "/bucket?max-keys=many", b"", (400, "InvalidArgument")),
        ("GET", "/bucket/key?versionId=1", b"", (400, "InvalidArgument")),
        ("GET", "/bucket/key?partNumber=x", b"", (400, "InvalidArgument")),
        ("GET", "/bucket/key?partNumber=2", b"", (416, "InvalidPartNumber")),
        ("PUT", "/bucket/key?uploadId=x&partNumber=1", b"", (404, "NoSuchUpload")),
        ("PUT", "/bucket/key?partNumber=1&uploadId=", b"", (404, "NoSuchUpload")),
        ("POST", "/bucket/key", b"", (400, "NotImplemented")),
        ("POST", "/bucket", b"form", (400, "NotImplemented")),
        ("PATCH", "/bucket/key", b"", (405, "MethodNotAllowed")),
        ("DELETE", "/", b"", (405, "MethodNotAllowed")),
        ("POST", "/bucket?delete", b"", (400, "MalformedXML")),
        ("POST", "/bucket?delete", b"<Delete>", (400, "MalformedXML")),
        ("POST", "/bucket?delete", b"<Other/>", (400, "MalformedXML")),
        ("POST", "/bucket?delete", b"<Delete/>", (400, "MalformedXML")),
        ("POST", "/bucket?delete", b"\xff\xfe\x00", (400, "MalformedXML")),
        ("POST", "/bucket?delete", b" " * 9_000_000, (400, "MaxMessageLengthExceeded")),
        ("PUT", "/bucket/key?tagging", b"{}", (400, "MalformedXML")),
        ("PUT", "/new-bucket", b"nonsense", (400, "MalformedXML")),
    ],
)
def test_broken_requests_get_s3s_errors(
    s3: Any, port: int, method: str, target: str, content: bytes, expected: tuple[int, str]
) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"x")
    assert code(send(port, method, target, content)) == expected


def test_entities_are_not_expanded(s3: Any, port: int) -> None:
    laughs = (
        b'<!DOCTYPE Delete [<!ENTITY a "ha">]><Delete><Object><Key>&a;</Key></Object></Delete>'
    )
    for content in (laughs, laughs.decode().encode("utf-16")):
        assert code(send(port, "POST", "/bucket?delete", content)) == (400, "MalformedXML")


def test_a_put_without_a_length_is_refused(s3: Any, port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("PUT", "/bucket/key")
    connection.endheaders()
    answer = connection.getresponse()
    assert code((answer.status, answer.read())) == (411, "MissingContentLength")
    connection.close()


NAMES = st.sampled_from(
    [
        *("prefix", "delimiter", "marker", "max-keys", "list-type", "continuation-token"),
        *("start-after", "encoding-type", "uploads", "uploadId", "partNumber", "tagging"),
        *("delete", "location", "versionId", "part-number-marker", "max-parts", "key-marker"),
        *("upload-id-marker", "response-expires", "acl", "x-id", "max-buckets"),
    ]
)
TOKEN = st.text(st.characters(codec="latin-1", categories=("L", "N", "P", "S")), max_size=12)
HEADER = st.sampled_from(
    [
        *("Range", "If-Match", "If-None-Match", "If-Modified-Since", "Content-MD5"),
        *("x-amz-copy-source", "x-amz-copy-source-range", "x-amz-tagging", "x-amz-meta-a"),
        *("x-amz-checksum-crc32", "x-amz-checksum-algorithm", "x-amz-checksum-type"),
        *("x-amz-content-sha256", "x-amz-decoded-content-length", "Content-Encoding", "Host"),
        *("x-amz-trailer", "x-amz-storage-class", "x-amz-metadata-directive", "Authorization"),
    ]
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    path=st.sampled_from(
        ["/", "/bucket", "/bucket/", "/bucket/key", "/no-bucket/x", "/%00", "//"]
    ),
    query=st.lists(st.tuples(NAMES, st.text(st.sampled_from("a0=-/%&+<é"), max_size=5))),
    headers=st.dictionaries(HEADER, TOKEN | st.sampled_from(["bytes=0-", "aws-chunked", "*"])),
    content=st.binary(max_size=40) | st.just(b"<Delete><Object><Key>a</Key></Object></Delete>"),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_is_a_server_error(
    s3: Any,
    port: int,
    caplog: Any,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    content: bytes,
) -> None:
    text = "&".join(f"{name}={value}" if value else name for name, value in query)
    target = (path + "?" + text).encode("ascii", "replace").decode()
    status, _ = send(port, method, target, content, **headers)
    assert 200 <= status < 500
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
