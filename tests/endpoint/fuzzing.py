"""Requests for the endpoint, valid and broken, from botocore's models and from a seed."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.session import Session

SERVICES = ("sagemaker", "logs", "s3", "sts", "iam", "cloudwatch")
SIGNED_AS = {"cloudwatch": "monitoring"}
_STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, 1.5, -0.0, 1e308, [], {}, [[]], [None]),
    *("", " ", "\0", "\n", "../../etc/passwd", "s3://b/k", "é", "\ud800", "\U0001f600", "x" * 300),
    *("arn:aws:sagemaker:us-east-1:123456789012:training-job/x", "%00", "{}", "-1", "NaN"),
]
_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "FOO")
_HEADERS = (
    *("Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Expect", "Host"),
    *(
        "Authorization",
        "X-Amz-Target",
        "X-Amz-Date",
        "X-Amz-Content-Sha256",
        "Range",
        "Connection",
    ),
    *("X-Amz-Decoded-Content-Length", "Content-MD5", "If-Match", "X-Amz-Copy-Source", "Origin"),
    *("x-amz-checksum-crc32", "x-amz-meta-a_b", "X-Amz-Tagging", "Accept", "Upgrade", "Cookie"),
)
_VALUES = (
    *(
        "",
        "0",
        "1",
        "-1",
        "2",
        "99999999999999999999",
        "chunked",
        "gzip",
        "aws-chunked",
        "100-continue",
    ),
    *("text/html", "application/x-amz-json-1.1", "bytes=0-", "bytes=9-1", "close", "keep-alive"),
    *("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "/b/k", "*", "\x7f", "\xe9", "a" * 5000, "localhost"),
)


@cache
def operations(service: str) -> list[OperationModel]:
    model = Session().get_service_model(service)
    return [model.operation_model(name) for name in model.operation_names]


class Requests:
    """The same ones for the same seed, as bytes for a socket; the connection stays open where
    the request lets it."""

    def __init__(self, seed: int, buckets: tuple[str, ...]) -> None:
        self._random = random.Random(seed)
        self._buckets = buckets

    def __iter__(self) -> Iterator[bytes]:
        while True:
            kind = self._random.random()
            if kind < 0.1:
                yield self._garbage()
            elif kind < 0.35:
                yield self._mutated(self._request())
            else:
                yield self._request()

    def _request(self) -> bytes:
        service = self._random.choice(SERVICES)
        if service == "s3":
            return self._of_s3()
        operation = self._random.choice(operations(service))
        if service == "sagemaker" and self._random.random() < 0.7:
            own = [it for it in operations(service) if "Job" in it.name or "Tags" in it.name]
            operation = self._random.choice(own)
        params = self._value(operation.input_shape, 0) if operation.input_shape else {}
        return self._of_service(service, operation, params)

    def _of_service(self, service: str, operation: OperationModel, params: Any) -> bytes:
        metadata = operation.service_model.metadata
        headers = {"Authorization": self._authorization(SIGNED_AS.get(service, service))}
        if "targetPrefix" in metadata:
            headers["X-Amz-Target"] = f"{metadata['targetPrefix']}.{operation.name}"
            headers["Content-Type"] = (
                f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"
            )
            body = json.dumps(params).encode()
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
            body = urlencode(
                {"Action": operation.name, "Version": metadata["apiVersion"]}
                | {key: str(value) for key, value in _flat(params)},
                errors="replace",
            ).encode()
        return self._written("POST", "/", headers, body)

    def _of_s3(self) -> bytes:
        choose = self._random.choice
        operation = choose(operations("s3"))
        method, uri = operation.http["method"], operation.http["requestUri"]
        bucket = choose((*self._buckets, "none", "_tuner", "..", "A"))
        key = choose(("k", "a/b", "../x", "%00", "é", "k" * 1100, "a//b", "%2e%2e/%2e%2e"))
        path = uri.replace("{Bucket}", bucket).replace("{Key+}", quote(key, safe="/%"))
        if self._random.random() < 0.5:
            path = f"/{bucket}/{key}" if "Key" in uri else f"/{bucket}"
            path = quote(path, safe="/%") + choose(("", "?uploads", "?list-type=2", "?uploadId=1"))
        headers = {"Authorization": self._authorization("s3")}
        if self._random.random() < 0.3:
            headers = {}
        body = choose(
            (b"", b"content", b"<a/>", b"<Delete><Object><Key>k</Key></Object></Delete>")
        )
        return self._written(method, path, headers, b"" if method in ("GET", "HEAD") else body)

    def _authorization(self, service: str) -> str:
        region = self._random.choice(("us-east-1", "us-west-2"))
        return (
            f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, "
            "SignedHeaders=host, Signature=0"
        )

    def _written(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    # ---- values of a shape ---------------------------------------------------------------------

    def _value(self, shape: Shape, depth: int) -> Any:
        if self._random.random() < 0.04:
            return self._random.choice(_STRANGE)
        if isinstance(shape, StructureShape):
            given = {
                name: self._value(member, depth + 1)
                for name, member in shape.members.items()
                if name in shape.required_members or (depth < 4 and self._random.random() < 0.25)
            }
            if self._random.random() < 0.03 and given:
                given.pop(self._random.choice(sorted(given)))
            return given
        if isinstance(shape, ListShape):
            most = 3 if depth < 4 else shape.metadata.get("min", 0)
            return [
                self._value(shape.member, depth + 1) for _ in range(self._random.randint(0, most))
            ]
        if isinstance(shape, MapShape):
            return {self._text(shape.key): self._value(shape.value, depth + 1)}
        if isinstance(shape, StringShape):
            return self._random.choice(shape.enum) if shape.enum else self._text(shape)
        if shape.type_name == "boolean":
            return self._random.random() < 0.5
        if shape.type_name in ("float", "double", "timestamp"):
            return self._random.uniform(0, 2e9)
        return self._random.randint(
            shape.metadata.get("min", -1), min(shape.metadata.get("max", 100), 2**31)
        )

    def _text(self, shape: Shape) -> str:
        if "Arn" in shape.name:
            return f"arn:aws:iam::123456789012:role/{self._random.choice('abc')}"
        longest = min(shape.metadata.get("max", 20), 40)
        size = self._random.randint(min(shape.metadata.get("min", 0), 40), longest)
        return "".join(self._random.choices(string.ascii_letters + string.digits + "-", k=size))

    # ---- broken ones ---------------------------------------------------------------------------

    def _mutated(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        choose = self._random.choice
        kind = self._random.randrange(8)
        if kind == 0:
            lines.append(f"{choose(_HEADERS)}: {choose(_VALUES)}".encode("latin-1"))
        elif kind == 1:
            lines.pop(self._random.randrange(len(lines)))
        elif kind == 2:
            lines[0] = (
                f"{choose(_METHODS)} {lines[0].partition(b' ')[2].decode('latin-1')}".encode(
                    "latin-1"
                )
            )
        elif kind == 3:
            body = body[: self._random.randrange(len(body) + 1)]
        elif kind == 4:
            lines[0] = lines[0].replace(b"HTTP/1.1", choose((b"HTTP/1.0", b"HTTP/2.0", b"", b"X")))
        elif kind == 5:
            return self._flipped(request)
        elif kind == 6:
            lines = [self._other_value(line) for line in lines]
        else:
            body = self._flipped(body)
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _other_value(self, line: bytes) -> bytes:
        name, colon, _ = line.partition(b": ")
        if not colon or self._random.random() < 0.6:
            return line
        return name + b": " + self._random.choice(_VALUES).encode("latin-1")

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.randint(1, 5)):
            if changed:
                changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _garbage(self) -> bytes:
        size = self._random.choice((1, 10, 100, 3000))
        start = self._random.choice(
            (b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n")
        )
        return start + self._random.randbytes(size) + self._random.choice((b"", b"\r\n\r\n"))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """As the query protocol writes it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.member.{index + 1}")
    else:
        yield path, value
