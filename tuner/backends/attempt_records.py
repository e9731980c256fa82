"""What an attempt of the keeper's leaves on disk, and how it stands by that.

In the attempt's directory lie `launch.json`, made before anything is started and never again,
`started.json` with pid, start time and boot id of each init process, and `HOST.exit.json` for
every instance that has ended. Together they tell a later owner, or a later keeper, everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.backends import processes
from tuner.backends.memory_group import remove_group

LAUNCH, STARTED = "launch.json", "started.json"
FED = "fed"
"""Made when an attempt is fed on its own, and never again."""
_OF_END = ("code", "time", "cause")


def standing(directory: Path, *, running: bool) -> Iterator[dict[str, Any]]:
    """The events that tell how a launched attempt stands. One that is not `running` here although
    not all its ends are on record is lost: what may still live of it is ended."""
    launch, started = _read_record(directory / LAUNCH), _read_record(directory / STARTED)
    hosts = launch["hosts"] if launch else ()
    ends = {host: end for host in hosts if (end := _read_record(exit_path(directory, host)))}
    faults = [end["fault"] for end in ends.values() if end["fault"]]
    if not running and (started is None or len(ends) < len(hosts)):
        _end_remains(directory)
        yield {"event": "lost"}
    elif faults and not running:
        yield {"event": "faulted", "text": faults[0]}
    elif started is not None:
        yield {"event": "started", "time": started["time"]}
        for host, end in ends.items():
            yield exited(host, end)


def exited(host: str, end: dict[str, Any]) -> dict[str, Any]:
    """The event of an instance's end."""
    return {"event": "exited", "host": host, **{name: end[name] for name in _OF_END}}


def exit_path(directory: Path, host: str) -> Path:
    return directory / f"{host}.exit.json"


def write_atomically(path: Path, record: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(record), encoding="utf-8")
    draft.replace(path)


def _read_record(path: Path) -> dict[str, Any] | None:
    """None when it is not there, or was cut off while it was made."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _end_remains(directory: Path) -> None:
    """End what may still live of an attempt whose keeper is gone."""
    record = _read_record(directory / STARTED)
    if record is not None and record["boot"] == processes.boot_id():
        for pid, start in record["instances"].values():
            processes.end_started(pid, start)
    processes.end_marked(str(directory))
    for group in record["groups"] if record is not None else ():
        remove_group(Path(group))
