from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.training.patterns import expansion, required_text, words


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r".*\[[0-9]+\].*#011validation-rmse:(\S+)", "#011validation-rmse:"),
        (r"loss=(.*?);", "loss="),
        (r"(loss)=x", "=x"),
        (r"colou?r", "colo"),
        (r"ab+c", "ab"),
        (r"a{0,3}bc", "bc"),
        (r"train\.loss", "train.loss"),
        (r"[]a]bc[^]]", "bc"),
        (r"a|b", ""),
        (r"(?i)loss", ""),
        (r"(?x) lo ss", ""),
        (r"(loss){e<=1}x", ""),
        (r"\p{Lu}loss", ""),
        (r"[[:digit:]a]+]", ""),
        (r"(?(1)a|b)xyz", ""),
    ],
)
def test_the_text_that_a_match_must_contain(pattern: str, text: str) -> None:
    assert required_text(pattern) == text


PLAIN = ["a", "b", "ab", "=", " ", "#", ":", "{", "}", "]", r"\.", r"\[", ".", "^", "$", "a|"]
SETS = [r"\d", r"\b", "[ab]", "[^a]", "[]a]", "[[:alpha:]]", r"\x61", r"\p{L}"]
GROUPS = ["(a)", "(?:ab|b)", "(?=a)", "(?<!b)", "(?P<n>a)", "(?>ab)", "(?i)", "(?i:a)", "(?#a)"]
FUZZY = ["(a){e<=1}", "a{i<=1}"]
ATOMS = st.sampled_from([*PLAIN, *SETS, *GROUPS, *FUZZY])
REPEATS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{0}", "{,2}", "{1,}", "*?", "++"])
PATTERNS = st.lists(st.tuples(ATOMS, REPEATS).map("".join), min_size=1, max_size=6).map("".join)
TEXTS = st.text(alphabet="abA.=[]{}# :1", max_size=20)


@settings(max_examples=1500)
@given(pattern=PATTERNS, text=TEXTS)
def test_a_line_without_the_required_text_is_never_matched(pattern: str, text: str) -> None:
    try:
        compiled = regex.compile(pattern)
    except regex.error:
        return
    if compiled.search(text) is not None:
        assert required_text(pattern) in text


@given(
    pattern=st.text(max_size=60) | st.text(alphabet=r"()[]{}|*+?\^$.,<>=!:P0159ab", max_size=60)
)
def test_any_text_can_be_looked_at(pattern: str) -> None:
    assert isinstance(required_text(pattern), str)
    assert expansion(pattern) >= 0
    assert all(word == word.lower() for word in words(pattern))


def test_repeats_are_multiplied() -> None:
    assert expansion(r"(?:(?:a{1000}){1000}){1000}") > 10**9
    assert expansion(r"\d{4}-\d{2}-\d{2} loss=(.{20}).*") < 100
    assert expansion(r"(?:a{1,1000}){1,1000}") < 100


def test_words_are_those_spelled_out() -> None:
    assert words(r"\bTrain_loss[abc]: (\d+)nats") == {"train", "loss", "nats"}
