"""How many files the owner may have open, and how many of them may be connections.

A process usually begins with 1,024: idle connections alone could use them up, and then nobody is
served, not even whoever wants to end the owner.
"""

from __future__ import annotations

import resource

_FILES = 8192


def allow_many_files() -> None:
    """As many as the system lets us have, up to what we have a use for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """So many that each can have a file of its own open, and something is left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (_FILES if soft == resource.RLIM_INFINITY else min(_FILES, soft)) * 3 // 8
