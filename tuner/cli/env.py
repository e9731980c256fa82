"""`tuner env`: the variables with which a shell's programs use this home instead of AWS."""

from __future__ import annotations

import json
import shlex
import sys

from tuner.client import Client
from tuner.exec import PORT
from tuner.exec.lease import LOOPBACK, Served
from tuner.exec.variables import Variables, left, variables


def env(client: Client, as_json: bool, unset: bool) -> None:
    found = left() if unset else _of_home(client)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")


def _of_home(client: Client) -> Variables:
    served = Served.of(client)
    if served.url is None:
        print(
            f"tuner: nothing serves {client.settings.home} yet: run tuner serve", file=sys.stderr
        )
    url = served.url or f"http://{LOOPBACK}:{PORT}"
    return variables(served.at(url), client.settings)
