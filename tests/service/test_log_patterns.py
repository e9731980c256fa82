"""Filter patterns: which messages pass, and which patterns are refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.domain.errors import InvalidParameterException
from tuner.service.log_patterns import pattern_test

MESSAGES = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[INFO] REQUEST FAILED",
    'ERRORCODE: "-1" \\ at 50%',
]


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("", [0, 1, 2, 3, 4]),
        ('" "', [0, 1, 2, 3, 4]),
        ("ERROR", [0, 1, 2, 4]),
        ("error", []),
        ("ERROR ARGUMENTS", [2]),
        ("?ARGUMENTS ?INFO", [2, 3]),
        ("?ERROR ?ARGUMENTS REQUEST", [0, 1, 3]),
        ("?INFO -ERROR", [3]),
        ("-ERROR", [3]),
        ("ERROR -ARGUMENTS -ERRORCODE", [0, 1]),
        ('"BAD REQUEST"', [0]),
        ('-"BAD REQUEST" ERROR', [1, 2, 4]),
        ('?"BAD REQUEST" ?FAILED', [0, 3]),
        (r'"\"-1\" \\ at"', [4]),
        ("%AUTHORIZED%", [1]),
        ("%4[01][0-9]\\]%", [0, 1, 2]),
        ("%^.INFO|S$%", [2, 3]),
        ("%\\x2D1%", [4]),
        ("ERROR %[A-Z]{12} %", [1]),
        ("-%\\d{3}%", [3, 4]),
    ],
)
def test_a_pattern_passes_the_messages_that_it_describes(pattern: str, numbers: list[int]) -> None:
    test = pattern_test(pattern)
    assert [number for number, message in enumerate(MESSAGES) if test(message)] == numbers


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("loss=", "Invalid character"),
        ("-a.b", "Invalid character"),
        ('"open', "Invalid filter pattern"),
        ('a"b"', "Invalid filter pattern"),
        ("%open", "Invalid filter pattern"),
        ("?", "Invalid character"),
        ("{ $.a = 1", "must end with '}'"),
        ("[a, b", "must end with"),
        ("{ $.a = 1 }", "JSON"),
        ("[a, b=1]", "space-delimited"),
        ("%something!%", "not supported"),
        ("%(a|b)%", "not supported"),
        ("%é%", "not supported"),
        ("%a{e}%", "not supported"),
        ("%\\p{L}%", "not supported"),
        ("%[a%", "Invalid regular expression"),
        ("%*%", "Invalid regular expression"),
        ("%%", "empty"),
        ("%a{9999}{9999}%", "Invalid regular expression"),
        ("%a% %b% %c%", "at most 2"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, text: str) -> None:
    with pytest.raises(InvalidParameterException, match=text):
        pattern_test(pattern)


def test_a_hostile_regex_ends_in_a_refusal() -> None:
    test = pattern_test("%x*x*x*x*x*x*[yz]%")
    began = time.monotonic()
    with pytest.raises(InvalidParameterException, match="too long"):
        test("x" * 100_000)
    assert time.monotonic() - began < 20


PATTERNS = st.text(max_size=30) | st.from_regex(
    r"%[a-z0-9_\[\]{},^$?|*+.\\-]{1,12}%", fullmatch=True
)


@given(PATTERNS, st.text(max_size=30))
def test_any_pattern_is_served_or_refused(pattern: str, message: str) -> None:
    try:
        test = pattern_test(pattern)
    except InvalidParameterException:
        return
    assert test(message) in (True, False)
