"""Start the owner of a home, for a client that found none."""

from __future__ import annotations

import os
import subprocess
import sys

from tuner.owner.address import LOG, TRY_AGAIN, OwnerUnavailable
from tuner.settings import Settings

_LOG_TAIL = 8192


def start_owner(settings: Settings, timeout: float) -> bool:
    """Start an owner in the background and wait, at most `timeout` seconds, until it serves.

    False: try to reach an owner again, another is starting or ending. Raises OwnerUnavailable.
    """
    command = [sys.executable, "-P", "-m", "tuner.owner", "--home", str(settings.home), "--detach"]
    try:
        done = subprocess.run(
            command,
            env=os.environ | settings.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise OwnerUnavailable(
            f"the background process did not get ready within {timeout:.0f} s; "
            f"see {settings.home / LOG}"
        ) from None
    if done.returncode not in (0, TRY_AGAIN):
        said = done.stderr.decode(errors="replace").strip()
        raise OwnerUnavailable(
            f"the background process could not start: {_last_line(said) or last_words(settings)}"
        )
    return done.returncode == 0


def last_words(settings: Settings) -> str:
    """The end of the owner's log, in one line."""
    log = settings.home / LOG
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _LOG_TAIL))
            text = stream.read().decode(errors="replace")
    except OSError as error:
        return str(error)
    return f"{_last_line(text)} ({log})"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("tuner: ") if lines else ""
