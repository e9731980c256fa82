"""Trees as programs leave them go away whole."""

from __future__ import annotations

import os
from pathlib import Path

from tuner.backends.removal import remove_tree


def test_a_tree_without_permissions_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "attempt" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    for place in (inner, inner.parent, inner.parent.parent):
        place.chmod(0)
    remove_tree(tmp_path / "attempt")
    assert not (tmp_path / "attempt").exists()


def test_what_links_point_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o755)
    (kept / "file").write_text("x")
    (tmp_path / "attempt").mkdir()
    (tmp_path / "attempt" / "link").symlink_to(kept)
    remove_tree(tmp_path / "attempt")
    assert not (tmp_path / "attempt").exists()
    assert (kept / "file").read_text() == "x"


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(attempt)
        for _ in range(1500):
            Path("directory").mkdir()
            os.chdir("directory")
    finally:
        os.fchdir(here)
        os.close(here)
    remove_tree(attempt)
    assert not attempt.exists()


def test_nothing_to_remove_is_no_fault(tmp_path: Path) -> None:
    remove_tree(tmp_path / "attempt")
