"""RecordIO, the framing that AWS's algorithms read records in: magic, length, data, padding.

Source: dmlc-core, recordio.h; aws/sagemaker-training-toolkit, recordio.py. Records are never
split at a magic number within their data, for AWS's readers do not join the parts again; who
reads a stream from its beginning does not need that.
"""

from __future__ import annotations

import struct

MAGIC = 0xCED7230A
LONGEST = (1 << 29) - 1
"""Bytes of data in one record; the upper three bits of the length have a meaning of their own."""

_ALIGNMENT = 4


def header(length: int) -> bytes:
    """What goes before `length` bytes of data. Raises ValueError if they are too many."""
    if not 0 <= length <= LONGEST:
        raise ValueError(f"a record of RecordIO holds up to {LONGEST:,} bytes, not {length:,}")
    return struct.pack("<II", MAGIC, length)


def padding(length: int) -> bytes:
    """What goes after them."""
    return bytes(-length % _ALIGNMENT)
