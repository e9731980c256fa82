"""Starts containers, each at most once, whatever becomes of the engine meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from tuner.backends.docker_engine import Engine
from tuner.backends.docker_watch import RESTARTED, Lost, moment, was_started

_NOTE = "launch"


def note_launch(engine: Engine, directory: Path) -> None:
    """Write down in which of its lives the engine is asked to start the containers of the
    attempt that has this `directory`, unless it was asked before.

    Raises Lost if that was in a former life: an engine that was killed may have started a
    container, and have forgotten it. Raises EngineUnavailable and OSError.
    """
    note, life = directory / _NOTE, str(engine.began())
    try:
        if note.read_text() != life:
            raise Lost(RESTARTED)
    except FileNotFoundError:
        draft = note.with_suffix(".new")
        draft.write_text(life)
        draft.replace(note)


def start(engine: Engine, container: str, directory: Path) -> float:
    """Start a container, unless it was started before; when that was (epoch seconds)."""
    state = engine.state(container)
    if was_started(state):
        return moment(state["StartedAt"])
    note_launch(engine, directory)
    engine.start(container)
    return time.time()
