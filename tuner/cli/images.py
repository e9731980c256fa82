"""`tuner images`: which training images run here, and what runs for them."""

from __future__ import annotations

from typing import Any

from tuner.cli.text import print_json, show
from tuner.client import Client

_MODES = {
    "mapped": "as mapped",
    "algorithm": "the algorithm",
    "script": "your script",
}


def images(client: Client, as_json: bool) -> None:
    """The image map of this command counts; where it is empty, that of the owner."""
    chosen = client.settings.image_map
    answer = client.call("Tuner.Images", **({"ImageMap": chosen} if chosen else {}))
    if as_json:
        print_json(answer)
    else:
        _print(answer["Images"])


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("image", "runs", "container", "command"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        mode = _MODES.get(row["Mode"], row["Mode"])
        table.add_row(Text(row["Image"]), mode, Text(row["Container"]), Text(row["Command"]))
    show(table)
    print("\n*/NAME is a repository of AWS's registries, in any account and region.")
