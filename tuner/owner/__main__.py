"""`python -m tuner.owner --home HOME [--detach]`: own a home until nobody needs it.

With --detach the process goes to the background and the command ends as soon as it serves.
Exit status: 0, 2 for unusable settings, 75 when another owner has the home, 1 otherwise. What
a running owner has to say is in HOME/owner.log.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.owner.address import ANOTHER_OWNS, LOCK, LOG
from tuner.settings import Settings, SettingsError

if TYPE_CHECKING:
    import logging

Ready = Callable[[], None]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tuner.owner", description=__doc__)
    parser.add_argument("--home", type=Path, help="the home to own (default: TUNER_HOME)")
    parser.add_argument("--detach", action="store_true", help="run in the background")
    options = parser.parse_args()
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"tuner: {error}", file=sys.stderr)
        return 2
    if options.home is not None:
        settings = replace(settings, home=options.home.absolute())
    try:
        lock = _lock(settings.home)
    except OSError as error:
        print(f"tuner: the home {settings.home} cannot be used: {error}", file=sys.stderr)
        return 1
    if lock is None:
        print(f"tuner: another process owns {settings.home}", file=sys.stderr)
        return ANOTHER_OWNS
    if options.detach:
        return _detached(settings, lock)
    return _own(settings, lock, lambda: None)


def _lock(home: Path) -> int | None:
    """The descriptor that holds the home's lock while it is open; None when another has it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _detached(settings: Settings, lock: int) -> int:
    """Own the home in a forked session; returns in the parent, with its exit status."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        return 0 if os.read(reader, 1) else 1
    os.close(reader)
    os.setsid()
    os.chdir("/")
    with Path(os.devnull).open("rb") as nothing, (settings.home / LOG).open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)

    def ready() -> None:
        os.write(writer, b"1")
        os.close(writer)

    return _own(settings, lock, ready)


def _own(settings: Settings, lock: int, ready: Ready) -> int:
    """Serve the home to the end; the lock's file tells people our pid."""
    import logging

    from tuner.owner.log import log_to

    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    log_to(settings.home / LOG)
    log = logging.getLogger("tuner.owner")
    try:
        _serve(settings, log, ready)
    except Exception as error:
        log.exception("the owner of %s failed: %s", settings.home, error)
        return 1
    return 0


def _serve(settings: Settings, log: logging.Logger, ready: Ready) -> None:
    from tuner.owner.app import application
    from tuner.owner.gate import Gate
    from tuner.owner.server import Server, listener
    from tuner.service import Service

    gate, told_to_end = Gate(), False
    service = Service(settings)

    def call(target: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        with gate:
            return service.call(target, params, region)

    def ended() -> bool:
        return told_to_end or (service.idle() and gate.shut_if_unused(settings.idle_seconds))

    def end(number: int, frame: object) -> None:
        nonlocal told_to_end
        told_to_end = True
        server.wake()

    service.start()
    server = Server(application(call, settings.region), listener(settings.home))
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log.info("pid %d owns %s", os.getpid(), settings.home)
    ready()
    try:
        server.run(ended)
    finally:
        gate.shut()
        server.close(settings.home)
        service.close()
        log.info("pid %d ended", os.getpid())


if __name__ == "__main__":
    sys.exit(main())
