"""Channels in Pipe mode, as the backends that run programs on this machine provide them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tuner.backends.attempt_records import FED
from tuner.domain.clusters import shards_of
from tuner.domain.definitions import InputMode
from tuner.domain.jobs import TrainingJob
from tuner.training.feeding import Feed, make_fifo
from tuner.training.inputs import InputViews

_FEEDS = "feeds.json"


def lay_out(views: InputViews, job: TrainingJob, index: int, tree: Path) -> list[Feed]:
    """What instance number `index` is to be fed, with the FIFOs of the first epoch in its tree:
    a program may look for them before it is fed. Raises InputError."""
    target = tree / "input" / "data"
    feeds = []
    for channel, shard, shards in shards_of(job.spec, index):
        if job.spec.input_mode_of(channel) is InputMode.PIPE:
            feed = views.feed(channel, shard, shards, user=str(job.key), target=target)
            make_fifo(feed, 0)
            feeds.append(feed)
    return feeds


def keep_feeds(directory: Path, feeds: Sequence[Feed]) -> None:
    """From prepare to launch, in the attempt's directory."""
    (directory / _FEEDS).write_text(json.dumps(feeds))


def kept_feeds(directory: Path) -> list[Feed]:
    feeds: list[Feed] = json.loads((directory / _FEEDS).read_bytes())
    return feeds


def was_fed(directory: Path) -> bool:
    return (directory / FED).exists()
