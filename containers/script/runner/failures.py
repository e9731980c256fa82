"""How a failed job tells why: the text of sagemaker-training, in /opt/ml/output/failure.

Source: aws/sagemaker-training-toolkit, errors.py and process.py.
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from runner.command import Ended

_MESSAGE_LENGTH = 650
"""Of the 1,024 characters that the platform shows; the command has to fit, too."""
_COMMAND_LENGTH = 250
_SIGNALLED = 128
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning|ERROR)\b")


class UserError(Exception):
    """What the user can mend; `code` is this program's exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Stopped(Exception):
    """The job was stopped, which is no failure; `code` is this program's exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def failed_command(kind: str, ended: Ended, command: Sequence[str]) -> UserError | Stopped:
    """What a command that ended with another code than 0 has to be told as."""
    if ended.stopped:
        return Stopped(ended.code)
    lines = [f"{kind}:", f"ExitCode {ended.code}", f'ErrorMessage "{_message(ended.errors)}"']
    if cause := _signal(ended.code):
        lines.append(f'ExtraInfo "{cause}"')
    lines.append(f'Command "{_shortened(" ".join(command), _COMMAND_LENGTH)}"')
    return UserError("\n".join(lines), ended.code)


def _signal(code: int) -> str | None:
    """Why there may be no message."""
    try:
        number = signal.Signals(code - _SIGNALLED)
    except ValueError:
        return None
    text = f"Process killed by {number.name} (signal {number.value})"
    return f"OutOfMemory: {text}" if number is signal.SIGKILL else text


def _message(errors: str) -> str:
    """From the last exception on; without one, the last lines."""
    lines = errors.replace("\r", "\n").rstrip().splitlines()
    starts = [index for index, line in enumerate(lines) if _EXCEPTION.match(line)]
    if not starts:
        return "\n".join(lines[-5:])[-_MESSAGE_LENGTH:]
    return _shortened("\n".join(lines[starts[-1] :]), _MESSAGE_LENGTH)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."


def write_failure(base: Path, text: str) -> None:
    """Leave the reason, unless the script has left its own. Paths below `base` are told as a
    container would have them."""
    path = base / "output" / "failure"
    if not path.exists():
        with contextlib.suppress(OSError):
            path.write_text(text.replace(str(base), "/opt/ml"))
