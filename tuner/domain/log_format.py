"""How an attempt's log lies on disk: segments of whole lines, all hosts in order of arrival.

A log is a directory of segments named by the offset of their first byte (`%016d.log`); a line
is `<epoch_ns> <host> <text>\\n`, the text being what the program printed, cut at
`LINE_CAP` bytes. A segment is closed when it has reached `SEGMENT_BYTES`; no line spans two.
The writer waits while more than `SEGMENTS_AHEAD` segments lie in the directory; the reader's
side removes segments that were read once the log is over its cap (the first and the last are
kept), which leaves a gap in the offsets. So a flood of output costs bounded disk and loses no
metric.
"""

from __future__ import annotations

LINE_CAP = 256 * 1024
LINE_CUT_MARK = b" [line cut at 262144 bytes]"
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENTS_KEPT_AT_EACH_END = 8
SEGMENTS_AHEAD = 24


def segment_name(offset: int) -> str:
    return f"{offset:016d}.log"


def encode_line(time_ns: int, host: str, text: bytes) -> bytes:
    """One line as it is stored; `text` has no newline."""
    if len(text) > LINE_CAP:
        text = text[:LINE_CAP] + LINE_CUT_MARK
    return b"%d %s %s\n" % (time_ns, host.encode(), text)


def decode_line(raw: bytes) -> tuple[int, str, str]:
    """`(epoch_ns, host, text)` of one stored line; bytes that are no UTF-8 become U+FFFD."""
    stamp, host, text = raw.rstrip(b"\n").split(b" ", 2)
    return int(stamp), host.decode(), text.decode("utf-8", errors="replace")
