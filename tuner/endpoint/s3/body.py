"""Request bodies: read in pieces, decoded, and checked against what the client says of them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import BinaryIO

from tuner.domain.buckets import Checksums, Source, Staged
from tuner.endpoint.s3 import checksums
from tuner.endpoint.s3.errors import S3Error
from tuner.endpoint.s3.request import Request

LARGEST_PUT = 5 * 1024**3
LARGEST_DOCUMENT = 8 * 1024 * 1024
_LINE = 8192
_TRAILER_LINES = 32


class Body:
    """A `Source` of the content of a request; its last read raises if the content is wrong.

    `checksums` are known then. The MD5, which the store computes anyway, is for `check`. With
    `of_object` the checksum headers are about an object, not about this body.
    """

    def __init__(self, request: Request, *, of_object: bool = False) -> None:
        self._request = request
        self._source = _source(request)
        self._md5 = _md5(request)
        names = [] if of_object else [name for name, _ in request.headers()]
        self._expected = checksums.given(request.header, names)
        algorithms = set() if of_object else self._algorithms()
        self._digests = {name: checksums.new(name) for name in algorithms}
        sha256 = request.header("x-amz-content-sha256") or ""
        self._payload_hash = sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else None
        self._payload = hashlib.sha256()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        for digest in self._digests.values():
            digest.update(data)
        if self._payload_hash:
            self._payload.update(data)
        if not data and not self._ended:
            self._ended = True
            self._verify()
        return data

    def document(self) -> bytes:
        """All of it, for a body that is XML. Raises MaxMessageLengthExceeded."""
        pieces, size, md5 = [], 0, hashlib.md5(usedforsecurity=False)
        while piece := self.read(64 * 1024):
            size += len(piece)
            if size > LARGEST_DOCUMENT:
                raise S3Error("MaxMessageLengthExceeded")
            md5.update(piece)
            pieces.append(piece)
        self._check_md5(md5.digest())
        return b"".join(pieces)

    def check(self, content: Staged) -> Checksums:
        """Raises BadDigest unless the MD5 is what was announced; the checksums to keep."""
        self._check_md5(bytes.fromhex(content.md5))
        return self.checksums

    @property
    def checksums(self) -> Checksums:
        return checksums.of_digests(self._digests)

    def _check_md5(self, md5: bytes) -> None:
        if self._md5 is not None and self._md5 != md5:
            raise S3Error(
                "BadDigest",
                ExpectedDigest=checksums.encoded(self._md5),
                CalculatedDigest=checksums.encoded(md5),
            )

    def _algorithms(self) -> set[str]:
        announced = self._request.header("x-amz-trailer") or ""
        names = set(self._expected)
        for trailer in announced.split(","):
            if trailer.strip().lower().startswith(checksums.HEADER):
                names.add(
                    checksums.algorithm_of(trailer.strip().lower().removeprefix(checksums.HEADER))
                )
        wanted = self._request.header("x-amz-sdk-checksum-algorithm")
        if wanted and checksums.algorithm_of(wanted) not in names:
            raise S3Error(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                "x-amz-checksum-* or x-amz-trailer headers were found.",
            )
        return names

    def _verify(self) -> None:
        if self._payload_hash and self._payload.hexdigest() != self._payload_hash:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=self._payload_hash,
                S3ComputedContentSHA256=self._payload.hexdigest(),
            )
        trailers = self._source.trailers if isinstance(self._source, _AwsChunked) else {}
        expected = {**checksums.given(trailers.get, list(trailers)), **self._expected}
        for name, digest in self._digests.items():
            if name not in expected:
                raise S3Error("MalformedTrailerError")
            if checksums.encoded(digest.digest()) != expected[name]:
                raise S3Error(
                    "BadDigest",
                    f"The {name.upper()} you specified did not match the calculated checksum.",
                )


class Digested:
    """A `Source` that computes one checksum of what it gives, or none."""

    def __init__(self, source: Source, algorithm: str | None) -> None:
        self._source = source
        self._digests = {algorithm: checksums.new(algorithm)} if algorithm else {}

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        for digest in self._digests.values():
            digest.update(data)
        return data

    @property
    def checksums(self) -> Checksums:
        return checksums.of_digests(self._digests)


def refuse_too_large(request: Request) -> None:
    """Before anything is read. Raises EntityTooLarge, MissingContentLength."""
    if content_length(request) > LARGEST_PUT:
        raise S3Error(
            "EntityTooLarge",
            ProposedSize=str(content_length(request)),
            MaxSizeAllowed=str(LARGEST_PUT),
        )


def content_length(request: Request) -> int:
    """Of the content, decoded."""
    encoded = _is_aws_chunked(request)
    return _length(request, "x-amz-decoded-content-length" if encoded else "content-length")


def _length(request: Request, name: str) -> int:
    """Raises MissingContentLength, InvalidArgument."""
    text = request.header(name)
    if text is None:
        raise S3Error("MissingContentLength")
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=text)
    return int(text)


class _Plain:
    """The first `size` bytes of what the server reads from the client."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))
        if not data and self._left and size:
            raise S3Error("IncompleteBody")
        self._left -= len(data)
        return data

    def line(self) -> bytes:
        """Up to and without CR LF; empty at the end."""
        data = self._stream.readline(min(_LINE, self._left))
        self._left -= len(data)
        return data.rstrip(b"\r\n")


class _AwsChunked:
    """`aws-chunked`: hexadecimal size, `;chunk-signature=…`, content, …, 0, trailers.

    docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html; signatures are not looked at.
    """

    def __init__(self, source: _Plain, size: int) -> None:
        self._source = source
        self._size = size
        self._chunk = 0
        self._ended = False
        self.trailers: dict[str, str] = {}

    def read(self, size: int, /) -> bytes:
        pieces: list[bytes] = []
        while size and not self._ended:
            if not self._chunk:
                self._next_chunk()
                continue
            piece = self._source.read(min(size, self._chunk))
            if not piece:
                raise S3Error("IncompleteBody")
            pieces.append(piece)
            size -= len(piece)
            self._size -= len(piece)
            self._chunk -= len(piece)
            if not self._chunk and self._source.read(2) != b"\r\n":
                raise S3Error("IncompleteBody", "A chunk is not as long as it says.")
        return b"".join(pieces)

    def _next_chunk(self) -> None:
        text = self._source.line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", text):
            raise S3Error("IncompleteBody", "The size of a chunk is missing or malformed.")
        self._chunk = int(text, 16)
        if self._chunk:
            return
        self._ended = True
        if self._size:
            raise S3Error(
                "IncompleteBody", "The request body does not have x-amz-decoded-content-length."
            )
        for _ in range(_TRAILER_LINES):
            name, _, value = self._source.line().decode("latin-1").partition(":")
            if not name:
                return
            self.trailers[name.strip().lower()] = value.strip()


def _source(request: Request) -> _Plain | _AwsChunked:
    stream: BinaryIO = request.environ["wsgi.input"]
    if request.header("content-length") is None:
        return _Plain(stream, 0)
    plain = _Plain(stream, _length(request, "content-length"))
    return _AwsChunked(plain, content_length(request)) if _is_aws_chunked(request) else plain


def _is_aws_chunked(request: Request) -> bool:
    encodings = (request.header("content-encoding") or "").split(",")
    streaming = (request.header("x-amz-content-sha256") or "").startswith("STREAMING-")
    return streaming or any(encoding.strip() == "aws-chunked" for encoding in encodings)


def _md5(request: Request) -> bytes | None:
    """Raises InvalidDigest."""
    text = request.header("content-md5")
    if text is None:
        return None
    if not checksums.is_value("md5", text):
        raise S3Error("InvalidDigest")
    return base64.b64decode(text)
