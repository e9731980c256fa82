"""How the owner of a home is reached: its lock, log and socket, and what it speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "owner.lock"
LOG = "owner.log"
ACCESS_LOG = "access.log"
SOCKET = "owner.sock"
TRY_AGAIN = 75
"""Exit status of an owner that found its home taken, or was killed before it served (EX_TEMPFAIL
of sysexits.h)."""

CONTENT_TYPE = "application/x-amz-json-1.1"
LARGEST_BODY = 8 * 1024 * 1024

_LONGEST_ADDRESS = 100
"""The kernel takes 107 bytes on Linux and 103 on macOS."""


class OwnerUnavailable(Exception):
    """There is no owner and none can be started, or it does not answer; the text says why."""


@contextmanager
def socket_address(home: Path) -> Iterator[str]:
    """A name of the home's socket that is short enough to bind or connect to, while inside."""
    path = home / SOCKET
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET}"
    finally:
        os.close(directory)
