"""On which line of a JSON text each member stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def lines_by_path(text: str) -> dict[str, int]:
    """Line (from 1) of every member and item of a valid JSON text, by path.

    Paths are `A.B[0].C`; a member is where its name is. Of a name given twice the last counts,
    as it does for the value.
    """
    lines: dict[str, int] = {}
    containers: list[str] = []  # paths of the containers we are in
    counts: list[int | None] = []  # the next index of each; None: an object
    name: str | None = None  # the name just read in an object
    here = ""  # path of the value that comes next
    line, position = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", position, token.start())
        position = token.start()
        mark = token[0]
        if mark in "}]":
            containers.pop()
            counts.pop()
            continue
        if mark == ",":
            name = None
            continue
        if mark == ":":
            continue
        index = counts[-1] if counts else None
        if containers and index is None and name is None:
            name = json.loads(mark)
            here = f"{containers[-1]}.{name}" if containers[-1] else str(name)
            lines[here] = line
            continue
        if index is not None:
            here = f"{containers[-1]}[{index}]"
            counts[-1] = index + 1
            lines[here] = line
        if mark in "{[":
            containers.append(here)
            counts.append(0 if mark == "[" else None)
            name = None
    return lines


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """The line of a path, or of what would hold it; None when nothing of it is there."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)
