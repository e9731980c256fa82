"""HOME/owner.log: what the owner says, and what it prints, bounded in size."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LARGEST = 5 * 1024 * 1024


class _WithOutput(RotatingFileHandler):
    """Takes stdout and stderr along when the file is rotated, if they go to the log."""

    def doRollover(self) -> None:  # noqa: N802
        before = Path(self.baseFilename).stat()
        followers = [fd for fd in (1, 2) if os.path.samestat(os.fstat(fd), before)]
        super().doRollover()
        if self.stream is not None:
            for descriptor in followers:
                os.dup2(self.stream.fileno(), descriptor)


def log_to(path: Path, access: Path) -> None:
    """Send all records of INFO and above to `path`, and those of requests over TCP to `access`;
    one older file is kept beside each."""
    handler = _WithOutput(path, maxBytes=_LARGEST, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # one line per connection and per queued request is no state change
    logging.getLogger("waitress").setLevel(logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    requests = RotatingFileHandler(access, maxBytes=_LARGEST, backupCount=1, encoding="utf-8")
    logger = logging.getLogger("tuner.access")
    logger.addHandler(requests)
    logger.propagate = False
