"""The access log: one line per answered request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_SECRET = re.compile(
    r"(?i)(?<![^&])((?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId)=)"
    r"[^&]*"
)
_LONGEST = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """`time` in seconds since the epoch; `path` with its query, as sent; `operation` is the
    X-Amz-Target or empty; `access_key` is what the request claims, empty without one."""

    time: float
    peer: str
    method: str
    path: str
    operation: str
    status: int
    bytes_out: int
    duration_ms: float
    access_key: str


def access_line(record: AccessRecord) -> str:
    """One line of printable ASCII without its end. Signatures do not get into it."""
    moment = datetime.fromtimestamp(record.time, UTC)
    fields = (
        f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
        record.peer,
        record.access_key,
        record.method,
        hidden(record.path),
        record.operation,
        str(record.status),
        str(record.bytes_out),
        f"{record.duration_ms:.1f}ms",
    )
    return " ".join(_printable(field) or "-" for field in fields)


def hidden(path: str) -> str:
    """Without the values that prove who signed."""
    path, mark, query = path.partition("?")
    return path + mark + _SECRET.sub(r"\1...", query)


def _printable(text: str) -> str:
    """A word, whatever is in it."""
    safe = re.sub(r"[^!-~]|\\", lambda match: f"\\x{ord(match[0]):02x}", text)
    return safe if len(safe) <= _LONGEST else f"{safe[:_LONGEST]}..."
