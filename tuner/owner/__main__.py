"""`python -m tuner.owner --home HOME [--detach]`: own a home until nobody needs it.

With --detach the process goes to the background and the command ends as soon as it serves.
Exit status: 0, 2 for unusable settings, 75 when another owner has the home or this one was
killed before it served, 1 otherwise. What a running owner has to say is in HOME/owner.log.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tuner.owner.address import ACCESS_LOG, LOCK, LOG, TRY_AGAIN
from tuner.settings import Settings, SettingsError

SWITCH_SECONDS = 0.0005
"""A thread that waits for the interpreter gets it sooner than by default (5 ms): a training job
passes from thread to thread, and a no-op one is a quarter quicker for it."""

Report = Callable[[bool], None]
"""Called once: True when the owner serves, False when it cannot."""


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
        return TRY_AGAIN
    if options.detach:
        return _detached(settings, lock)
    return _own(settings, lock, lambda serves: None)


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
        return {b"1": 0, b"0": 1}.get(os.read(reader, 1), TRY_AGAIN)
    os.close(reader)
    os.setsid()
    os.chdir("/")
    with Path(os.devnull).open("rb") as nothing, (settings.home / LOG).open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)

    def report(serves: bool) -> None:
        os.write(writer, b"1" if serves else b"0")
        os.close(writer)

    return _own(settings, lock, report)


def _own(settings: Settings, lock: int, report: Report) -> int:
    """Serve the home to the end; the lock's file tells people our pid."""
    import logging

    from tuner.owner.limits import allow_many_files
    from tuner.owner.log import log_to

    allow_many_files()
    # what is uploaded waits here: the system's directory may be in memory, or on a small disk
    tempfile.tempdir = str(settings.home)
    sys.setswitchinterval(SWITCH_SECONDS)
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    log_to(settings.home / LOG, settings.home / ACCESS_LOG)
    try:
        # imported here because it takes long, and a refused owner is to be quick
        from tuner.owner.owner import Owner

        owner = Owner(settings)
    except Exception as error:
        logging.exception("the owner of %s cannot start: %s", settings.home, error)
        report(False)
        return 1
    signal.signal(signal.SIGTERM, lambda number, frame: owner.end())
    signal.signal(signal.SIGINT, lambda number, frame: owner.end())
    report(True)
    owner.run()
    logging.shutdown()
    os._exit(0)  # threads that wait for somebody else, such as a container engine, end here


if __name__ == "__main__":
    sys.exit(main())
