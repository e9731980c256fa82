"""`tuner serve`: open the home's port, show who comes through it, and close it at the end.

Whoever started it may never read what it prints; it serves, and it ends, all the same.
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time

from tuner.cli.access_log import AccessLog, say
from tuner.client import Client, OwnerUnavailable
from tuner.domain.errors import AwsError
from tuner.exec.lease import RENEW_SECONDS, Address, Lease

_LOOK_EVERY = 0.2
_ONE_STOP_SECONDS = 1.0
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(client: Client, address: Address, home_option: str | None) -> None:
    """Serve until one of the usual signals. Raises KeyboardInterrupt for one more later on."""
    stop = threading.Event()
    patience_ends = float("inf")

    def told_to_stop(number: int, frame: object) -> None:
        nonlocal patience_ends
        if time.monotonic() > patience_ends:
            raise KeyboardInterrupt
        if not stop.is_set():
            # who ends a whole session may tell us more than once
            patience_ends = time.monotonic() + _ONE_STOP_SECONDS
        stop.set()

    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, told_to_stop)
    lease = Lease(client, address)
    log = AccessLog(client.settings.home / "access.log")
    try:
        url = lease.renew()
        option = f" --home {shlex.quote(home_option)}" if home_option else ""
        print(f"serving {url}")
        print(f'in the shell of your program: eval "$(tuner{option} env)"', flush=True)
        _serve(client, lease, log, stop)
        log.show()
    finally:
        lease.give_back()
    say("no longer serving; running jobs go on", sys.stdout)


def _serve(client: Client, lease: Lease, log: AccessLog, stop: threading.Event) -> None:
    owner, trouble, due = _owner(client), "", 0.0
    while not stop.wait(_LOOK_EVERY):
        log.show()
        if time.monotonic() < due:
            continue
        due = time.monotonic() + RENEW_SECONDS
        try:
            url = lease.renew()
        except (AwsError, OwnerUnavailable) as error:
            if str(error) != trouble:
                trouble = str(error)
                say(f"tuner: not serving for now: {trouble}", sys.stderr)
            continue
        now = _owner(client)
        if now != owner or trouble:
            owner, trouble = now, ""
            say(f"tuner: serving {url} again, by a new background process", sys.stderr)


def _owner(client: Client) -> str:
    """The pid of the background process, as it wrote it."""
    return (client.settings.home / "owner.lock").read_text().strip()
