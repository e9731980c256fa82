"""Filter patterns of CloudWatch Logs, as far as they are made of terms.

Rules: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html. A term is
found anywhere in a message, also within a word, in its own case.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import regex as regular_expressions

from tuner.domain.errors import InvalidParameterException
from tuner.training.metrics import regex_fault
from tuner.training.patterns import required_text

MOST_REGEXES = 2
SEARCH_SECONDS = 1.0
"""One search in one message may take as long by the clock."""
SEARCHES_SECONDS = 5.0
"""All searches of a request may take as much CPU time."""

Test = Callable[[str], bool]

_TERM = re.compile(
    r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>[^\s"%]+))'
    r"(?=\s|$)",
    re.DOTALL,
)
_BRACKETS = {"{": "}", "[": "]"}
_CHARACTERS = re.compile(r"[A-Za-z0-9\s:_#=@/;,^$?\[\]{}|\\*+.-]*")
# In our library other escapes, and braces that do not count, mean what AWS does not know.
_SYNTAX = re.compile(
    r"(?:[^\\{]|\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)\}|\\(?:[dDsSwW]|x[0-9A-Fa-f]{2}|[^\w\s]))*"
)


def pattern_test(pattern: str) -> Test:
    """Whether a message passes. Raises InvalidParameterException for a pattern that is none, or
    of a kind that is not served; the test does where a regex takes too long."""
    pattern = pattern.strip()
    if pattern[:1] in _BRACKETS:
        raise _bracketed(pattern)
    clock = _Clock()
    tests: dict[str, list[Test]] = {"": [], "-": [], "?": []}
    regexes = place = 0
    while place < len(pattern):
        term = _TERM.match(pattern, place)
        if term is None:
            raise InvalidParameterException(f"Invalid filter pattern: {pattern[place:].strip()}")
        tests[term["sign"]].append(_test(term, clock))
        regexes += term["regex"] is not None
        place = term.end()
    if regexes > MOST_REGEXES:
        raise InvalidParameterException(
            f"A filter pattern can have at most {MOST_REGEXES} regular expressions."
        )
    wanted, unwanted, optional = tests[""], tests["-"], tests["?"]
    if wanted or unwanted:  # optional terms beside others are ignored
        return lambda text: (
            all(test(text) for test in wanted) and not any(test(text) for test in unwanted)
        )
    return lambda text: not optional or any(test(text) for test in optional)


def _bracketed(pattern: str) -> InvalidParameterException:
    first, last = pattern[0], _BRACKETS[pattern[0]]
    if not pattern.endswith(last):
        return InvalidParameterException(
            f"If a filter pattern starts with '{first}' it must end with '{last}'"
        )
    kind = "JSON" if first == "{" else "space-delimited"
    return InvalidParameterException(
        f"Filter patterns for {kind} log events are not served here; use terms, phrases in double "
        "quotation marks, or a regular expression between percent signs."
    )


def _test(term: re.Match[str], clock: _Clock) -> Test:
    phrase, expression, word = term["phrase"], term["regex"], term["word"]
    if expression is not None:
        return _regex_test(expression, clock)
    if phrase is not None:
        text = re.sub(r"\\(.)", r"\1", phrase, flags=re.DOTALL)
        return lambda message: not text.strip() or text in message
    if not re.fullmatch(r"\w+", word):
        raise InvalidParameterException(f"Invalid character(s) in term '{term.group().strip()}'")
    return lambda message: word in message


def _regex_test(expression: str, clock: _Clock) -> Test:
    known = _CHARACTERS.fullmatch(expression) and _SYNTAX.fullmatch(expression)
    if not expression:
        fault: str | None = "It is empty."
    else:
        fault = regex_fault(expression) if known else "It has what is not supported."
    if fault is not None:
        raise InvalidParameterException(
            f"Invalid regular expression %{expression}% in the filter pattern. {fault}"
        )
    compiled = regular_expressions.compile(expression, regular_expressions.ASCII)
    required = required_text(expression)

    def test(message: str) -> bool:
        if required not in message:
            return False
        with clock:
            return compiled.search(message, timeout=SEARCH_SECONDS, concurrent=True) is not None

    return test


class _Clock:
    """Times the searches of one request."""

    def __init__(self) -> None:
        self._spent = self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.thread_time()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._spent += time.thread_time() - self._began
        if kind is TimeoutError or self._spent > SEARCHES_SECONDS:
            raise InvalidParameterException(
                "The regular expression in the filter pattern takes too long; make it more "
                "specific."
            ) from None
