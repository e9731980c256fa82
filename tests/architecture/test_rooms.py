"""The rooms of the house and who may import whom (README, Architecture)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "tuner"

MAY_IMPORT = {
    "domain": set(),
    "shapes": {"domain"},
    "strategies": {"domain"},
    "controller": {"domain", "strategies"},
    "training": {"domain"},
    "backends": {"domain", "training"},
    "store": {"domain"},
    "settings": set(),
    "service": {
        "domain", "shapes", "strategies", "controller", "training", "backends", "store", "settings"
    },
    "owner": {"endpoint", "service", "shapes", "domain", "settings"},
    "endpoint": {"service", "shapes", "domain", "settings"},
    "client": {"owner", "domain", "settings"},
    "job": {"client", "domain", "settings"},
    "exec": {"client", "domain", "settings"},
    "testing": {"exec", "client", "backends", "domain", "settings"},
    "cli": {"client", "exec", "job", "domain", "settings", "shapes"},
    "__init__": {"client", "job", "domain", "settings"},
}  # fmt: skip

LIBRARIES_OF_THE_CORE = {
    "domain": {"numpy"},
    "controller": {"numpy"},
    "shapes": {"botocore", "cattrs", "regex"},
}


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_containers" not in path.parts:
            yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("room", "path"), [
    pytest.param(room, path, id=str(path.relative_to(PACKAGE))) for room, path in _modules()
])  # fmt: skip
def test_a_room_imports_only_what_it_may(room: str, path: Path) -> None:
    assert room in MAY_IMPORT, f"{room} is not a room of the house"
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "tuner" and len(parts) > 1:
            assert parts[1] in MAY_IMPORT[room] | {room}, f"{room} imports {name}"


@pytest.mark.parametrize("room", sorted(LIBRARIES_OF_THE_CORE))
def test_the_core_uses_few_libraries(room: str) -> None:
    import sys

    allowed = LIBRARIES_OF_THE_CORE[room] | {"tuner"} | set(sys.stdlib_module_names)
    for owner, path in _modules():
        if owner == room:
            found = {name.split(".")[0] for name in _imports(path)}
            assert found <= allowed, f"{path.name} imports {found - allowed}"
