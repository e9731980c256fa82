"""Input channels as directories: one per distinct content and shard, shared by all jobs."""

from __future__ import annotations

from pathlib import Path

from tuner.domain.definitions import Channel
from tuner.domain.ports import Objects


class InputError(Exception):
    """A channel cannot be provided; the text is what a FailureReason (ClientError) says."""


class InputViews:
    def __init__(self, objects: Objects, directory: Path) -> None:
        raise NotImplementedError

    def view(self, channel: Channel, shard: int, shards: int, *, copy: bool) -> Path:
        """The directory of a channel for host `shard` (from 0) of `shards`."""
        raise NotImplementedError


def missing_input(channel: Channel, objects: Objects, role_arn: str, region: str) -> str | None:
    """AWS's text at create when no object lies under the channel's S3 URI; else None."""
    raise NotImplementedError
