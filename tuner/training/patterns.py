"""What can be told of a regular expression without running it.

Only as much of the syntax is read as that takes. Where something else occurs, the answers are
the ones that are always safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto


class Kind(Enum):
    CHARACTER = auto()  # stands for itself
    ATOM = auto()  # one of a set of characters, or an assertion
    OPEN = auto()
    CLOSE = auto()
    OR = auto()
    REPEAT = auto()  # the text is the least number of times
    UNKNOWN = auto()


_SPECIAL = re.compile(
    r"""
      (?P<escape>\\.)
    | (?P<set>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])
    | (?P<open>\((?:\?(?:P?<(?=\w)|<?[=!]|[:>])|(?![?*])))
    | (?P<close>\))
    | (?P<or>\|)
    | (?P<repeat>[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\})
    | (?P<anchor>[.^$])
    | (?P<unknown>[\[({\\])
    """,
    re.VERBOSE | re.DOTALL,
)
_SIMPLE_ESCAPES = frozenset("dDwWsSbBAZtnrfv")
_WORD = re.compile(r"[^\W\d_]{2,}")
_LEAST = re.compile(r"\d+")


def _tokens(regex: str) -> Iterator[tuple[Kind, str]]:
    position = 0
    while position < len(regex):
        found = _SPECIAL.match(regex, position)
        if found is None:
            yield Kind.CHARACTER, regex[position]
            position += 1
            continue
        position = found.end()
        text = found.group()
        match found.lastgroup:
            case "escape":
                yield _escape(text[1])
            case "set":
                yield (Kind.UNKNOWN if "[" in text[1:] else Kind.ATOM), text
            case "repeat":
                yield Kind.REPEAT, _least(text)
            case "anchor":
                yield Kind.ATOM, text
            case "open":
                yield Kind.OPEN, text
            case "close":
                yield Kind.CLOSE, text
            case "or":
                yield Kind.OR, text
            case _:  # an inline flag, a fuzzy match, a nested set, ...
                yield (Kind.OPEN if text == "(" else Kind.UNKNOWN), text
                yield Kind.UNKNOWN, text


def _escape(character: str) -> tuple[Kind, str]:
    if not character.isalnum():
        return Kind.CHARACTER, character
    return (Kind.ATOM if character in _SIMPLE_ESCAPES else Kind.UNKNOWN), character


def _least(repeat: str) -> str:
    if repeat[0] in "*+?":
        return "1" if repeat == "+" else "0"
    found = _LEAST.match(repeat, 1)
    return found.group() if found else "0"


def required_text(regex: str) -> str:
    """The longest text known to be part of whatever the regex matches; empty if none is known.

    A search in a line without that text can be left out.
    """
    best, run, depth = "", "", 0
    for kind, text in _tokens(regex):
        if kind is Kind.UNKNOWN or (kind is Kind.OR and depth == 0):
            return ""
        if kind is Kind.CHARACTER and depth == 0:
            run += text
            continue
        if kind is Kind.REPEAT and int(text) == 0:
            run = run[:-1]
        best, run = max(best, run, key=len), ""
        depth += (kind is Kind.OPEN) - (kind is Kind.CLOSE)
    return max(best, run, key=len)


def expansion(regex: str) -> int:
    """Roughly how many nodes the compiled regex has: `(?:a{1000}){1000}` is written out."""
    sizes, last = [0], 0
    for kind, text in _tokens(regex):
        match kind:
            case Kind.OPEN:
                sizes.append(0)
            case Kind.CLOSE if len(sizes) > 1:
                last = 1 + sizes.pop()
                sizes[-1] += last
            case Kind.REPEAT:
                more = last * max(int(text) - 1, 0)
                sizes[-1] += more
                last += more
            case _:
                last = 1
                sizes[-1] += 1
    return sum(sizes)


def words(regex: str) -> frozenset[str]:
    """The words that the regex spells out, in lower case."""
    spelled = "".join(text if kind is Kind.CHARACTER else " " for kind, text in _tokens(regex))
    return frozenset(_WORD.findall(spelled.lower()))
