"""Becoming the keeper of a home: one at a time, in the background, behind a socket (0600)."""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from tuner.backends import namespaces
from tuner.backends.keeper import Keeper

SOCKET = "keeper.sock"
LOCK = "keeper.lock"
ANOTHER_RUNS = 3
"""Exit status of a keeper that found its home taken."""


def main(home: str, idle_seconds: float) -> NoReturn:
    """Become the keeper of a home, in the background; returns to the caller of the program (by
    ending the first process) once the socket listens."""
    os.chdir(home)  # the socket's name stays short, however long the home's path is
    os.umask(0o077)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(ANOTHER_RUNS)
    Path(SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    listener.listen(16)
    if pid := os.fork():
        os.ftruncate(lock, 0)
        os.write(lock, b"%d\n" % pid)
        os._exit(0)
    os.setsid()
    faulthandler.enable()  # what ends us leaves a trace in the log
    os.umask(0o022)
    missing = namespaces.missing()
    if missing is None:
        namespaces.enter_user_namespace()
    namespaces.become_subreaper()
    gc.freeze()  # what is there stays: forks need not touch it
    try:
        Keeper(listener, idle_seconds, missing).run()
    finally:
        Path(SOCKET).unlink(missing_ok=True)
    sys.exit(0)
