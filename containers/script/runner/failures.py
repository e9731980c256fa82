"""How a failed job tells why: the text of sagemaker-training, in /opt/ml/output/failure.

Source: aws/sagemaker-training-toolkit, errors.py and process.py.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

_MESSAGE_LENGTH = 650
"""Of the 1,024 characters that the platform shows; the command has to fit, too."""
_COMMAND_LENGTH = 250
_KILLED = 128 + 9
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning|ERROR)\b")


class UserError(Exception):
    """What the user can mend; `code` is this program's exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def failed_command(kind: str, code: int, errors: str, command: Sequence[str]) -> UserError:
    """The failure of a command that ended with `code`, after writing `errors` to stderr."""
    lines = [f"{kind}:", f"ExitCode {code}", f'ErrorMessage "{_message(errors)}"']
    if code == _KILLED:
        lines.append('ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"')
    lines.append(f'Command "{_shortened(" ".join(command), _COMMAND_LENGTH)}"')
    return UserError("\n".join(lines), code)


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
