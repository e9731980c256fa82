"""`tuner doctor`: what works here, and the remedy for what does not."""

from __future__ import annotations

import os
from typing import Any

from tuner.cli.text import print_json, show
from tuner.client import Client, OwnerUnavailable


def doctor(client: Client, as_json: bool) -> int:
    """Exit status 1 when something is missing."""
    checks = _checks(client)
    if as_json:
        print_json({"checks": checks})
    else:
        _print(checks)
    return 0 if all(check["ok"] for check in checks) else 1


def _checks(client: Client) -> list[dict[str, Any]]:
    home = client.settings.home
    try:
        checks: list[dict[str, Any]] = client.call("Tuner.Doctor")["checks"]
    except OwnerUnavailable as error:
        parent = next(path for path in (home, *home.parents) if path.exists())
        writable = os.access(parent, os.W_OK)
        detail = f"{home}" if writable else f"{home}: {parent} cannot be written"
        return [
            {"name": "home", "ok": writable, "detail": detail},
            {"name": "background process", "ok": False, "detail": str(error)},
        ]
    return [{"name": "background process", "ok": True, "detail": f"owns {home}"}, *checks]


def _print(checks: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        mark = Text("ok", style="green") if check["ok"] else Text("missing", style="bold red")
        grid.add_row(mark, check["name"], check["detail"])
    show(grid)
