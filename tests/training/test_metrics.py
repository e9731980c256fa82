from __future__ import annotations

import math
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.domain.definitions import MetricDefinition
from tuner.domain.ports import LogLine
from tuner.training.metrics import MetricScraper, escaped, number, regex_fault


def scraper(objective: str | None = "loss", /, **regexes: str) -> MetricScraper:
    definitions = [MetricDefinition(name=name, regex=text) for name, text in regexes.items()]
    return MetricScraper(definitions, objective)


def values(metrics: MetricScraper, *texts: str) -> list[tuple[str, float]]:
    lines = [LogLine(number, "algo-1", text) for number, text in enumerate(texts)]
    return [(point.name, point.value) for line in lines for point in metrics.scan(line)]


def float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


# ---- the rules ------------------------------------------------------------------------------


def test_a_point_carries_time_host_and_a_float32_value() -> None:
    (point,) = scraper(loss="loss=(.*)").scan(LogLine(1_500_000_000, "algo-2", "loss=0.92323"))

    assert (point.name, point.time, point.host) == ("loss", 1.5, "algo-2")
    assert point.value == 0.923229992389679


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"Loss = (.*?);", "epoch 1 Loss = 0.5; Loss = 0.25;", [0.5]),
        (r"loss=([0-9.]+)", "loss=0.5 loss=0.25", [0.5]),
        (r"\d+\.\d+", "value 0.5 here", [0.5]),
        (r"loss", "loss=0.5", []),
        (r"F1=(.*?)", "F1=0.5", []),
        (r"(a)|loss=(\S+)", "loss=0.5", []),
        (r"loss=(\S+)", "loss=0.5,", []),
        (r"loss=(\S+)", "loss=nan", []),
        (r"loss=(\S+)", "loss=-inf", []),
        (r"loss=(\S+)", "loss=1e39", []),
        (r"loss=(\S+)", "loss=1_0", []),
        (r"loss=(\S+)", "loss=-1.5e-3", [float32(-1.5e-3)]),
        (r"loss=(.*)", "loss= 2 ", [2.0]),
        (r"^loss=(\S+)", "a loss=1", []),
    ],
)
def test_search_first_match_first_group_finite_number(
    pattern: str, text: str, expected: list[float]
) -> None:
    assert [value for _, value in values(scraper(loss=pattern), text)] == expected


@pytest.mark.parametrize(
    "pattern",
    [
        r".*\[[0-9]+\].*#011validation-rmse:(\S+)",
        r".*\[[0-9]+\].*\tvalidation-rmse:(\S+)",
        r"validation-rmse:([0-9.]+)",
    ],
)
def test_a_tab_is_matched_escaped_and_raw(pattern: str) -> None:
    line = "[3]\ttrain-rmse:0.75\tvalidation-rmse:0.5"

    assert values(scraper(loss=pattern), line) == [("loss", 0.5)]


def test_an_escaped_tab_ends_the_number() -> None:
    line = "[3]\ttrain-rmse:0.75\tvalidation-rmse:0.5"

    assert values(scraper(loss=r"#011train-rmse:(\S+)"), line) == [("loss", 0.75)]


def test_one_regex_can_give_several_metrics() -> None:
    metrics = scraper("loss", loss="l=(.*)", other="o=(.*)", ObjectiveMetric="l=(.*)")

    assert values(metrics, "l=1") == [("loss", 1.0), ("ObjectiveMetric", 1.0)]


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_control_characters_are_escaped_in_octal(text: str) -> None:
    result = escaped(text)

    assert not re.search(r"[\x00-\x1f\x7f]", result)
    if "#" not in text:
        assert re.sub(r"#(\d{3})", lambda found: chr(int(found.group(1), 8)), result) == text


@given(st.floats(width=32) | st.floats())
def test_numbers_are_rounded_to_float32_or_left_out(value: float) -> None:
    found = number(repr(value))

    if found is None:
        assert not math.isfinite(value) or abs(value) > 3.4e38
    else:
        assert found == float32(value)


def naive(definitions: list[MetricDefinition], text: str) -> list[tuple[str, float]]:
    """The rules without any of the short cuts."""
    import regex

    found = []
    for item in definitions:
        pattern = regex.compile(item.regex)
        for form in (escaped(text), text):
            match = pattern.search(form)
            if match is None:
                continue
            captured = match.group(1 if pattern.groups else 0)
            value = None if captured is None else number(captured)
            if value is not None:
                found.append((item.name, value))
                break
    return found


PIECES = ["loss=", "0.5", "1", ";", "\t", "#011", "[3]", "validation-", "rmse:", " ", "é", "nan"]
REGEXES = [
    r"loss=(\S+)",
    r"loss=(.*?);",
    r".*\[[0-9]+\].*#011validation-rmse:(\S+)",
    r"\tloss=([0-9.]+)",
    r"(?i)LOSS=([0-9.]+)",
    r"[0-9]+\.[0-9]+",
    r"rmse:|(\d)",
    r"(?:validation-)?rmse:(\d+)",
    r"é(.*)$",
]


@settings(max_examples=400)
@given(
    regexes=st.lists(st.sampled_from(REGEXES), min_size=1, max_size=5, unique=True),
    text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
)
def test_the_short_cuts_change_nothing(regexes: list[str], text: str) -> None:
    definitions = [MetricDefinition(name=item, regex=item) for item in regexes]

    assert values(MetricScraper(definitions, None), text) == naive(definitions, text)


# ---- hostile regexes --------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[", "(?P<n>a)(?P<n", "*", "\\"])
def test_an_invalid_regex_is_reported(pattern: str) -> None:
    assert "is not valid" in (regex_fault(pattern) or "")


@pytest.mark.parametrize(
    "pattern", ["(?:(?:a{1000}){1000}){1000}", "a{100000000}", "(a|b){99999}"]
)
def test_a_regex_that_would_fill_the_memory_is_refused(pattern: str) -> None:
    assert "repeats too much" in (regex_fault(pattern) or "")
    assert values(scraper(loss=pattern), "aaa") == []


def test_ordinary_regexes_are_fine() -> None:
    for pattern in ("", "loss=(.*)", r"\d{4}", r"(?P<x>a)+", "(" * 200 + ")" * 200):
        assert regex_fault(pattern) is None


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a|aa)*(b)?$", r"(.*)*=(x)"])
def test_a_hostile_regex_is_switched_off_and_the_others_go_on(pattern: str) -> None:
    metrics = scraper("bad", bad=pattern, good="good=(.*)")
    hostile = "a" * 100_000 + "=!"

    for _ in range(200):  # some ten seconds of work each, if it were done
        values(metrics, hostile)

    assert values(metrics, "good=1") == [("good", 1.0)]


def test_the_user_is_told_of_a_regex_that_takes_too_long() -> None:
    metrics = scraper("bad", bad=r"(a+)+$")

    for _ in range(40):
        values(metrics, "a" * 100_000 + "!")

    assert "takes too long" in metrics.diagnosis()


# ---- what the user is told --------------------------------------------------------------------


def test_the_diagnosis_shows_the_regex_and_the_nearest_lines() -> None:
    metrics = scraper(loss=r"Validation loss=([0-9.]+)")
    for epoch in range(100):
        values(metrics, f"validation loss: 0.{epoch}", "unrelated", f"step {epoch}")

    text = metrics.diagnosis()

    assert r"/Validation loss=([0-9.]+)/" in text
    assert "in 300 lines" in text
    assert '"validation loss: 0.0"' in text
    assert "0.1" not in text
    assert not metrics.objective_seen


def test_without_a_line_that_comes_near_the_diagnosis_shows_the_last_ones() -> None:
    metrics = scraper(loss="loss=([0-9.]+)")
    values(metrics, "starting", "training", "done", "  ")

    assert metrics.diagnosis().endswith('; the last: "training", "done".')


def test_the_diagnosis_says_when_nothing_was_printed() -> None:
    assert "printed nothing" in scraper(loss="loss=(.*)").diagnosis()


def test_the_diagnosis_says_what_was_captured_instead_of_a_number() -> None:
    metrics = scraper(loss=r"loss=(\S+)")
    values(metrics, "loss=nan")

    assert "captured 'nan', which is no finite number" in metrics.diagnosis()


def test_the_diagnosis_names_an_objective_without_a_definition() -> None:
    assert "'loss'" in scraper(other="x").diagnosis()


@given(lines=st.lists(st.text(max_size=3000) | st.just("x" * 300_000), max_size=8))
def test_the_diagnosis_stays_short(lines: list[str]) -> None:
    metrics = scraper(loss=f"{'word ' * 80}=(\\d+)")
    values(metrics, *lines)

    assert len(metrics.diagnosis()) < 1000


def test_objective_seen_turns_true_with_its_first_value() -> None:
    metrics = scraper(loss="loss=(.*)", other="other=(.*)")

    values(metrics, "other=1")
    assert not metrics.objective_seen
    values(metrics, "loss=1")
    assert metrics.objective_seen
