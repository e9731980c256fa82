"""On which line of a JSON text each member stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def lines_by_path(text: str) -> dict[str, int]:
    """Line (from 1) of every member and item of a valid JSON text, by path.

    Paths are `A.B[0].C`; a member is where its name is. Of a name given twice the last counts,
    as it does for the value.
    """
    return dict(_places(text))


def repeated(text: str) -> list[str]:
    """Paths of the members of a valid JSON text whose name is given twice in one object."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for path, _ in _places(text):
        if path in seen and _holder(path) not in twice:
            twice[path] = None
        seen.add(path)
    return list(twice)


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Path and line of every member and item, in the order of the text."""
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
            yield here, line
            continue
        if index is not None:
            here = f"{containers[-1]}[{index}]"
            counts[-1] = index + 1
            yield here, line
        if mark in "{[":
            containers.append(here)
            counts.append(0 if mark == "[" else None)
            name = None


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """The line of a path, or of what would hold it; None when nothing of it is there."""
    while path and path not in lines:
        path = _holder(path)
    return lines.get(path)


def _holder(path: str) -> str:
    """The path of the object or list that a member or item is in."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]
