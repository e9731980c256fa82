"""What the README has to tell: every command, every variable, every benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuner.cli.commands import tuner

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SOURCES = list((ROOT / "tuner").rglob("*.py"))
VARIABLES = sorted(
    {name for path in SOURCES for name in re.findall(r"\bTUNER_[A-Z_]+\b", path.read_text())}
)


@pytest.mark.parametrize("name", sorted(tuner.commands))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`tuner {name}" in README


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_is_in_the_readme(name: str) -> None:
    assert name in README


def test_every_benchmark_is_in_the_readme() -> None:
    for path in (ROOT / "tests" / "benchmarks").glob("*.py"):
        assert f"tests/benchmarks/{path.name}" in README


def test_every_room_is_in_the_readme() -> None:
    rooms = [path for path in (ROOT / "tuner").iterdir() if path.suffix == ".py" or path.is_dir()]
    for room in rooms:
        if room.name not in ("__init__.py", "__pycache__", "_containers"):
            assert f"`tuner/{room.name}" in README, room.name
