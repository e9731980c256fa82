"""The checksums of S3's requests: of a stream, of parts together, and joined without reading."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tuner.domain.buckets import Checksums
from tuner.endpoint.s3.crc import CRC32, CRC32C, CRC64NVME, Polynomial, RunningCrc
from tuner.endpoint.s3.errors import S3Error

HEADER = "x-amz-checksum-"

_CRCS: dict[str, Polynomial] = {"crc32": CRC32, "crc32c": CRC32C, "crc64nvme": CRC64NVME}
_HASHES = ("sha1", "sha256", "sha512", "md5")
_LENGTHS = {
    "crc32": 4,
    "crc32c": 4,
    "crc64nvme": 8,
    "md5": 16,
    "sha1": 20,
    "sha256": 32,
    "sha512": 64,
}
NAMES = (*_CRCS, *_HASHES)


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _ZlibCrc:
    """CRC-32 by zlib, which is the fastest."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def new(algorithm: str) -> Digest:
    """One of `NAMES`."""
    if algorithm == "crc32":
        return _ZlibCrc()
    if algorithm in _CRCS:
        return RunningCrc(_CRCS[algorithm])
    return hashlib.new(algorithm, usedforsecurity=False)


def algorithm_of(name: str) -> str:
    """Our name of `CRC32`, `SHA256`, … Raises InvalidRequest."""
    if name.lower() not in NAMES:
        raise S3Error(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid "
            f"types: [{', '.join(name.upper() for name in NAMES)}]",
        )
    return name.lower()


def given(header: Callable[[str], str | None], names: Sequence[str]) -> dict[str, str]:
    """The checksums among header `names`, by algorithm; their form is checked."""
    found: dict[str, str] = {}
    for name in names:
        algorithm = name.removeprefix(HEADER)
        if name == algorithm or algorithm in ("algorithm", "mode", "type"):
            continue
        algorithm_of(algorithm)
        found[algorithm] = header(name) or ""
    if len(found) > 1:
        raise S3Error(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple were sent."
        )
    for algorithm, value in found.items():
        if not is_value(algorithm, value.partition("-")[0]):
            raise S3Error("InvalidRequest", f"Value for {HEADER}{algorithm} header is invalid.")
    return found


def is_value(algorithm: str, value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _LENGTHS[algorithm]
    except (binascii.Error, ValueError):
        return False


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def of_digests(digests: Mapping[str, Digest]) -> Checksums:
    return Checksums({name: encoded(digest.digest()) for name, digest in digests.items()})


def of_checksums(algorithm: str, values: Sequence[str]) -> str:
    """The composite checksum of parts: the checksum of their checksums."""
    digest = new(algorithm)
    for value in values:
        digest.update(base64.b64decode(value))
    return encoded(digest.digest())


def joined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str | None:
    """The checksum of all parts' contents one after the other, from each one's value and size.

    None for algorithms that cannot say.
    """
    polynomial = _CRCS.get(algorithm)
    if polynomial is None:
        return None
    total = 0
    for value, size in parts:
        total = polynomial.joined(total, int.from_bytes(base64.b64decode(value), "big"), size)
    return encoded(total.to_bytes(polynomial.width // 8, "big"))


def shown(checksums: Checksums, parts: int) -> dict[str, str]:
    """As the wire has them: composite values end in the number of parts."""
    ending = f"-{parts}" if checksums.composite else ""
    return {name: value + ending for name, value in checksums.values.items()}


def type_of(checksums: Checksums) -> str:
    return "COMPOSITE" if checksums.composite else "FULL_OBJECT"
