"""Checksums are computed right, kept, and wrong ones refused with nothing changed."""

from __future__ import annotations

import base64
import hashlib
import http.client
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_s3_objects import body, refused

from tuner.endpoint.s3 import checksums
from tuner.endpoint.s3.crc import CRC32, RunningCrc

CHECK = b"123456789"
# The check values of the catalogue of parametrised CRC algorithms.
KNOWN = {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("algorithm", KNOWN)
def test_crcs_have_the_check_values_of_the_catalogue(algorithm: str) -> None:
    digest = checksums.new(algorithm)
    digest.update(CHECK)
    assert digest.digest().hex() == KNOWN[algorithm]


@given(st.binary(max_size=5000), st.lists(st.integers(0, 5000), max_size=3), st.integers(1, 40))
def test_crcs_do_not_depend_on_pieces_and_join(data: bytes, cuts: list[int], times: int) -> None:
    data *= times
    running, joined, start = RunningCrc(CRC32), 0, 0
    for cut in [*sorted(cuts), len(data)]:
        piece = data[start : max(start, cut)]
        running.update(piece)
        joined = CRC32.joined(joined, zlib.crc32(piece), len(piece))
        start = max(start, cut)
    assert int.from_bytes(running.digest(), "big") == joined == zlib.crc32(data)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_what_boto3_computes_is_kept_and_checked(s3: Any, algorithm: str) -> None:
    where = {"Bucket": "bucket", "Key": "key"}
    put = s3.put_object(**where, Body=CHECK, ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    answer = s3.get_object(**where, ChecksumMode="ENABLED")
    assert put[name] == answer[name]
    assert body(answer) == CHECK  # boto3 compares it while reading


@pytest.mark.parametrize("algorithm", checksums.NAMES)
def test_a_wrong_checksum_is_refused_and_the_right_one_taken(
    s3: Any, port: int, algorithm: str
) -> None:
    digest = checksums.new(algorithm)
    digest.update(CHECK)
    header = f"x-amz-checksum-{algorithm}"
    s3.put_object(Bucket="bucket", Key="key", Body=b"old")
    wrong = encoded(bytes(len(digest.digest())))
    for value, code in ((wrong, b"BadDigest"), ("AAA=", b"InvalidRequest"), ("", b"")):
        status, answer = put(port, CHECK, **{header: value}) if value else (400, b"")
        assert (status, code in answer) == (400, True)
        assert body(s3.get_object(Bucket="bucket", Key="key")) == b"old"
    assert put(port, CHECK, **{header: encoded(digest.digest())})[0] == 200
    assert body(s3.get_object(Bucket="bucket", Key="key")) == CHECK


def test_two_checksums_and_unknown_ones_are_refused(s3: Any, port: int) -> None:
    two = {"x-amz-checksum-crc32": "y/Q5Jg==", "x-amz-checksum-crc32c": "4waSgw=="}
    unknown = {"x-amz-checksum-xxhash64": "AAAAAAAAAAA="}
    promised = {"x-amz-sdk-checksum-algorithm": "SHA256"}
    for headers in (two, unknown, promised):
        status, answer = put(port, CHECK, **headers)
        assert status == 400
        assert b"<Code>InvalidRequest</Code>" in answer


def test_a_wrong_md5_is_refused(s3: Any, port: int) -> None:
    right = encoded(hashlib.md5(CHECK).digest())
    assert put(port, CHECK, **{"Content-MD5": right})[0] == 200
    for wrong, code in ((encoded(bytes(16)), b"BadDigest"), ("no md5", b"InvalidDigest")):
        status, answer = put(port, CHECK, **{"Content-MD5": wrong})
        assert (status, code in answer) == (400, True)


def test_a_body_other_than_the_one_signed_is_refused(s3: Any, port: int) -> None:
    signed = hashlib.sha256(b"other").hexdigest()
    status, answer = put(port, CHECK, **{"x-amz-content-sha256": signed})
    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)
    assert refused(s3.head_object, Bucket="bucket", Key="key") == ("404", 404)


def put(port: int, content: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", "/bucket/key", body=content, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


# ---- aws-chunked -----------------------------------------------------------------------------

SIZE = "x-amz-decoded-content-length"
TRAILER = {"x-amz-trailer": "x-amz-checksum-crc32", "content-encoding": "gzip,aws-chunked"}
CRC = b"x-amz-checksum-crc32:" + encoded(bytes.fromhex(KNOWN["crc32"])).encode()


def test_chunks_are_joined_and_their_trailer_checked(s3: Any, port: int) -> None:
    wire = b"5;chunk-signature=ab\r\n12345\r\n4\r\n6789\r\n0\r\n" + CRC + b"\r\n\r\n"
    streamed = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIZE: "9"}
    assert put(port, wire, **TRAILER, **streamed)[0] == 200
    answer = s3.get_object(Bucket="bucket", Key="key", ChecksumMode="ENABLED")
    assert (body(answer), answer["ContentEncoding"]) == (CHECK, "gzip")
    assert answer["ChecksumCRC32"] == "y/Q5Jg=="
    wrong = wire.replace(b"6789", b"6780")
    assert b"BadDigest" in put(port, wrong, **TRAILER, **streamed)[1]
    assert body(s3.get_object(Bucket="bucket", Key="key")) == CHECK


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"9\r\n1234",
        b"9\r\n123456789",
        b"9\r\n123456789\r\n",
        b"5\r\n123456789\r\n0\r\n\r\n",
        b"8\r\n12345678\r\n0\r\n\r\n",
        b"xyz\r\n123456789\r\n0\r\n\r\n",
        b"-9\r\n123456789\r\n0\r\n\r\n",
        b"f" * 100_000,
        b"ffffffffffffffff\r\n123456789\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_refused(s3: Any, port: int, wire: bytes) -> None:
    status, answer = put(port, wire, **{"content-encoding": "aws-chunked", SIZE: "9"})
    assert status == 400
    assert b"IncompleteBody" in answer
    assert refused(s3.head_object, Bucket="bucket", Key="key") == ("404", 404)


def test_a_promised_trailer_that_does_not_come_is_refused(s3: Any, port: int) -> None:
    wire = b"9\r\n123456789\r\n0\r\n\r\n"
    status, answer = put(port, wire, **TRAILER, **{SIZE: "9"})
    assert (status, b"MalformedTrailerError" in answer) == (400, True)
