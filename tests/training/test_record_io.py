from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.training.record_io import LONGEST, header, padding


def read(stream: bytes) -> Iterator[bytes]:
    """As a reader of AWS's does it."""
    place = 0
    while place < len(stream):
        magic, length = struct.unpack_from("<II", stream, place)
        assert magic == 0xCED7230A
        assert length >> 29 == 0, "a whole record, not a part of one"
        yield stream[place + 8 : place + 8 + length]
        place += 8 + (length + 3) // 4 * 4


@given(records=st.lists(st.binary(max_size=40) | st.just(b"\n#\xd7\xce" * 3)))
def test_what_is_framed_is_read_again(records: list[bytes]) -> None:
    stream = b"".join(header(len(data)) + data + padding(len(data)) for data in records)
    assert len(stream) % 4 == 0
    assert list(read(stream)) == records


def test_a_record_has_a_limit() -> None:
    assert header(LONGEST)[4:] == struct.pack("<I", (1 << 29) - 1)
    with pytest.raises(ValueError, match="536,870,911 bytes, not 536,870,912"):
        header(LONGEST + 1)
