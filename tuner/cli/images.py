"""`tuner images`: which training images run here, what runs for them, and building our own."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from tuner.cli import Refusal
from tuner.cli.text import print_json, show
from tuner.client import Client
from tuner.domain.errors import ResourceNotFound

_LOOK_EVERY = 0.2
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
        _print_rows(answer["Images"])
        _print_states(answer["Containers"], answer.get("Note"))


def _print_rows(rows: list[dict[str, Any]]) -> None:
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


def _print_states(containers: list[dict[str, Any]], note: str | None) -> None:
    print(
        "\nA bundled container runs as a process, or as a container of its own image once that is "
        "built:"
    )
    if note is not None:
        print(f"no engine to build it: {note}")
        return
    for item in containers:
        print(f"{item['Image']}: {_state(item)}")


def _state(item: dict[str, Any]) -> str:
    match item["Status"]:
        case "NotBuilt":
            return f"not built (tuner images build {item['Name']})"
        case "Building":
            return f"being built from {item['Base']}"
    built = f"built from {item['Base']} on {item['CreationTime'][:10]}, {_size(item)}"
    if item["Status"] == "Outdated":
        return f"{built}; it would be another one now (tuner images build {item['Name']})"
    return built


def _size(item: dict[str, Any]) -> str:
    return f"{item['SizeInBytes'] / 1e6:.0f} MB"


def build(client: Client, names: Sequence[str], base: str | None) -> int:
    """Build images one after the other and show their steps. Exit status 1 when one fails; a
    build goes on when this command ends."""
    known = [item["Name"] for item in client.call("Tuner.Images")["Containers"]]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}.")
    chosen = {"Base": base} if base else {}
    for name in names or known:
        began = time.monotonic()
        answer = client.call("Tuner.BuildImage", Name=name, **chosen)
        print(f"building {answer['Image']} from {answer['Base']}", flush=True)
        try:
            answer = _follow(client, answer)
        except KeyboardInterrupt:
            print(
                f"\ntuner: the build of {answer['Image']} goes on: tuner images build {name} "
                "shows it again",
                file=sys.stderr,
            )
            raise
        if answer["Status"] == "Failed":
            return _failed(answer)
        print(f"built {answer['Image']} in {time.monotonic() - began:.0f} s", flush=True)
    return 0


def _follow(client: Client, answer: dict[str, Any]) -> dict[str, Any]:
    """Print the steps of a build until its end; the last answer about it."""
    shown = 0
    while True:
        for step in answer["Steps"]:
            print(f"  {step}", flush=True)
        shown += len(answer["Steps"])
        if answer["Status"] != "InProgress":
            return answer
        time.sleep(_LOOK_EVERY)
        name, image = answer["Name"], answer["Image"]
        try:
            answer = client.call("Tuner.DescribeImageBuild", Name=name, FirstStep=shown)
        except ResourceNotFound:
            text = f"The background process ended, and with it the build of {image}."
            raise Refusal(text) from None


def _failed(answer: dict[str, Any]) -> int:
    for line in answer["Output"]:
        print(f"  | {line}", file=sys.stderr)
    print(f"tuner: {answer['Image']} was not built: {answer['FailureReason']}", file=sys.stderr)
    return 1
