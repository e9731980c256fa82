"""CRCs that the standard library lacks, at numpy's speed, and CRCs of joined contents.

A CRC is linear over GF(2): with `advance(n)` for what n zero bytes do to a register,
`crc(a + b) = advance(len(b)) · crc(a) ^ crc(b)` (the initial and final inversions cancel). A
block is cut into lanes that are advanced side by side, and the lanes are joined pairwise.
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_LANE_BYTES = 1024


class Polynomial:
    """A reflected CRC with all ones as its initial and final inversion.

    `reversed_form` is the polynomial with the lowest power in the highest bit.
    """

    def __init__(self, width: int, reversed_form: int) -> None:
        self.width = width
        self.mask = (1 << width) - 1
        self._form = reversed_form

    @cached_property
    def table(self) -> tuple[int, ...]:
        """What a byte that leaves the register adds to it."""
        values = []
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (self._form if value & 1 else 0)
            values.append(value)
        return tuple(values)

    @cached_property
    def words(self) -> Words:
        return np.array(self.table, dtype=np.uint64)

    def joined(self, first: int, second: int, size: int) -> int:
        """The CRC of two contents, the second of `size` bytes, from their CRCs."""
        return _applied(_advance(self, size), first) ^ second


CRC32 = Polynomial(32, 0xEDB88320)
CRC32C = Polynomial(32, 0x82F63B78)
CRC64NVME = Polynomial(64, 0x9A6C9329AC4BC9B5)


class RunningCrc:
    """As a `hashlib` object."""

    def __init__(self, polynomial: Polynomial) -> None:
        self._polynomial = polynomial
        self._register = polynomial.mask

    def update(self, data: bytes, /) -> None:
        lanes = len(data) // _LANE_BYTES
        register = self._register
        if lanes:
            block = np.frombuffer(data, dtype=np.uint8, count=lanes * _LANE_BYTES)
            register = _of_lanes(self._polynomial, register, block.reshape(lanes, _LANE_BYTES))
        table = self._polynomial.table
        for byte in memoryview(data)[lanes * _LANE_BYTES :]:
            register = table[(register ^ byte) & 0xFF] ^ register >> 8
        self._register = register

    def digest(self) -> bytes:
        value = self._register ^ self._polynomial.mask
        return value.to_bytes(self._polynomial.width // 8, "big")


def _of_lanes(polynomial: Polynomial, register: int, lanes: npt.NDArray[np.uint8]) -> int:
    # Lanes of zeros in front, up to a power of two, change nothing: their registers stay 0.
    count = 1 << (len(lanes) - 1).bit_length()
    states = np.zeros(count, dtype=np.uint64)
    states[count - len(lanes)] = register
    working = states[count - len(lanes) :]
    low, eight = np.uint64(0xFF), np.uint64(8)
    for column in np.ascontiguousarray(lanes.T):
        working[:] = polynomial.words[(working ^ column) & low] ^ (working >> eight)
    size = _LANE_BYTES
    while len(states) > 1:
        states = _applied_to_all(_tables(polynomial, size), states[::2]) ^ states[1::2]
        size *= 2
    return int(states[0])


# ---- matrices over GF(2), as the images of the single bits -----------------------------------

Matrix = tuple[int, ...]


def _applied(matrix: Matrix, value: int) -> int:
    result = 0
    for column in matrix:
        if value & 1:
            result ^= column
        value >>= 1
    return result


@lru_cache(maxsize=512)
def _advance(polynomial: Polynomial, size: int) -> Matrix:
    """What `size` zero bytes do to a register."""
    if size == 0:
        return tuple(1 << bit for bit in range(polynomial.width))
    if size == 1:
        table = polynomial.table
        bits = (1 << bit for bit in range(polynomial.width))
        return tuple(table[bit & 0xFF] ^ bit >> 8 for bit in bits)
    half = _advance(polynomial, size // 2)
    doubled = tuple(_applied(half, column) for column in half)
    if size % 2 == 0:
        return doubled
    one = _advance(polynomial, 1)
    return tuple(_applied(one, column) for column in doubled)


@cache
def _tables(polynomial: Polynomial, size: int) -> Words:
    """`_advance` by bytes: row i has the images of the i-th byte's values."""
    matrix = _advance(polynomial, size)
    tables = np.zeros((polynomial.width // 8, 256), dtype=np.uint64)
    for bit, column in enumerate(matrix):
        row, step = tables[bit // 8], 1 << bit % 8
        row[step : 2 * step] = row[:step] ^ np.uint64(column)
    return tables


def _applied_to_all(tables: Words, values: Words) -> Words:
    result = np.zeros_like(values)
    for position, table in enumerate(tables):
        result ^= table[(values >> np.uint64(8 * position)) & np.uint64(0xFF)]
    return result
