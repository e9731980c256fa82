"""Faults of a spec are told with the line they are on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.job.lines import line_of, lines_by_path, repeated
from tuner.job.spec import FaultySpec, Spec

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=".["), min_size=1)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=10
    ),
    max_size=4,
)


def scalars(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from scalars(value, f"{path}.{name}" if path else name)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from scalars(value, f"{path}[{index}]")
    else:
        yield path, document


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_every_value_is_found_on_its_line(document: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=ascii_only)
    lines = text.split("\n")
    found = lines_by_path(text)
    for path, value in scalars(document):
        assert json.dumps(value, ensure_ascii=ascii_only) in lines[found[path] - 1]


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS)
def test_all_on_one_line_is_line_1(document: dict[str, Any]) -> None:
    assert set(lines_by_path(json.dumps(document)).values()) <= {1}


def test_what_is_missing_is_told_where_it_would_be() -> None:
    lines = lines_by_path('{\n "A": {\n  "B": [\n   {"C": 1}\n  ]\n }\n}')
    assert lines == {"A": 2, "A.B": 3, "A.B[0]": 4, "A.B[0].C": 4}
    assert line_of(lines, "A.B[0].D") == 4
    assert line_of(lines, "A.B[7].C.D") == 3
    assert line_of(lines, "A.X") == 2
    assert line_of(lines, "Z") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "A": 1,\n}', "line 3, column 1: not valid JSON"),
        ("[1]", "must be one JSON object"),
        ("", "line 1, column 1: not valid JSON"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_that_is_no_spec_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(FaultySpec) as caught:
        Spec.of(path)
    assert str(caught.value).startswith(f"{path} has 1 fault\n  ")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, said in (("gone", "No such file"), (".", "directory"), ("binary", "decode")):
        with pytest.raises(FaultySpec, match=said):
            Spec.of(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"A": 1, "A": 2, "A": 3}', ["A"]),
        ('{"A": [{"B": 1}, {"B": 1, "C": 2, "C": 2}]}', ["A[1].C"]),
        ('{"A": {"B": 1}, "A": {"B": 2}}', ["A"]),
        ('{"A": {"B": 1}, "B": {"B": 2}}', []),
    ],
)
def test_names_given_twice_are_found(text: str, paths: list[str]) -> None:
    assert repeated(text) == paths


def test_a_number_that_json_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text('{"A": NaN}')
    with pytest.raises(FaultySpec, match="NaN is not a JSON number"):
        Spec.of(path)


@pytest.mark.parametrize("value", [float("inf"), {1, 2}, Path("x")])
def test_a_dict_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(FaultySpec, match="cannot be written as JSON"):
        Spec.of({"A": value})


def test_faults_are_told_in_the_order_of_the_text() -> None:
    spec = Spec("s.json", {}, '{\n"A": 1,\n"B": 2}', Path())
    faults = spec.faulty([("B", "b"), ("A", "a"), ("", "all")]).faults
    assert [fault.message for fault in faults] == ["all", "a", "b"]


def test_of_many_allowed_values_the_most_alike_are_told() -> None:
    sentence = "Value 'ml.m5.7' at 'a.b' failed to satisfy constraint: Member must satisfy enum "
    values = [f"ml.{kind}.{size}" for kind in ("c4", "m5", "p3") for size in range(10, 40)]
    long = f"{sentence}value set: [{', '.join(values)}]"
    short = f"{sentence}value set: [ml.m5.17, ml.c4.10]"
    told = [item.message for item in Spec.of({}).faulty([("", long), ("", short)]).faults]
    assert told[0].startswith(f"{sentence}value set: [ml.m5.")
    assert told[0].endswith(", and 85 more]")
    assert told[1] == short
