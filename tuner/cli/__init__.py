"""The command line. Modules are imported by the command that needs them: starting is quick."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

FAULTY = 2
STOPPED = 3
INTERRUPTED = 130


class Refusal(Exception):
    """What the user asked for cannot be done; the text is one sentence for stderr."""


def main() -> NoReturn:
    """Run the `tuner` command; the exit status tells the outcome."""
    sys.exit(_status())


def _status() -> int:
    import click

    from tuner.cli.commands import tuner

    try:
        status = int(tuner.main(prog_name="tuner", standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.UsageError as error:
        message = error.format_message()
        if error.ctx is not None and message == error.ctx.get_help():
            print(message, file=sys.stderr)
            return FAULTY
        if error.ctx is not None:
            print(error.ctx.get_usage(), file=sys.stderr)
        return _say(message, FAULTY)
    except BrokenPipeError:
        # whoever read the output has seen enough; nothing more may be flushed into the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("TUNER_DEBUG"):
            raise
        return _refused(error)


def _refused(error: Exception) -> int:
    from tuner.client import OwnerUnavailable
    from tuner.domain.errors import AwsError
    from tuner.job.spec import FaultySpec
    from tuner.settings import SettingsError

    if isinstance(error, FaultySpec | SettingsError):
        return _say(str(error), FAULTY)
    if isinstance(error, AwsError | OwnerUnavailable | Refusal | OSError):
        return _say(str(error), 1)
    return _say(f"unexpected {type(error).__name__}: {error} (TUNER_DEBUG=1 shows where)", 1)


def _say(message: str, status: int) -> int:
    print(f"tuner: {message}", file=sys.stderr)
    return status
