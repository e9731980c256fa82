"""The live view: it fits any terminal, and says in words what it says in colour."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
from typing import Any

import pytest
from rich.console import Console

from tests.cli.conftest import COMMAND, CommandLine
from tuner.cli.follow import Snapshot
from tuner.cli.live import view
from tuner.cli.phase import Phase


def summary(number: int, status: str, value: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "TrainingJobName": f"a-tuning-job-with-a-long-name-{number:03}-0123abcd",
        "TrainingJobStatus": status,
        "TrainingStartTime": 100.0,
        "TunedHyperParameters": {f"parameter_{index}": "0.123456789" for index in range(9)},
    }
    if value is not None:
        found["TrainingEndTime"] = 160.0
        found["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "MetricName": "validation:logloss",
            "Value": value,
        }
    return found


def snapshot(ended: int, running: int, planned: int | None = 500) -> Snapshot:
    jobs = [summary(number, "InProgress", None) for number in range(running)]
    jobs += [summary(number, "Completed", 1 / (number + 1)) for number in range(ended)]
    limits = {"MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 9000}
    description: dict[str, Any] = {
        "HyperParameterTuningJobName": "a-tuning-job-with-a-long-name",
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": 0.0,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:logloss",
            },
            "ResourceLimits": limits | ({"MaxNumberOfTrainingJobs": planned} if planned else {}),
        },
        "TrainingJobStatusCounters": {
            "Completed": ended,
            "InProgress": running,
            "NonRetryableError": 0,
            "RetryableError": 0,
            "Stopped": 0,
        },
    }
    if ended:
        description["BestTrainingJob"] = jobs[-1]
    return Snapshot(description=description, training_jobs=jobs, changed=[], now=3700.0)


TRAINING = Phase("Training")


def drawn(shown: Snapshot, width: int, height: int, phase: Phase = TRAINING) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=width, height=height, markup=False, highlight=False)
    console.print(view(shown, console, lambda name: phase))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [24, 50])
@pytest.mark.parametrize(("ended", "running", "planned"), [(0, 0, 5), (60, 4, 500), (60, 4, None)])
def test_it_fits_the_terminal(
    width: int, height: int, ended: int, running: int, planned: int | None
) -> None:
    lines = drawn(snapshot(ended, running, planned), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [60, 120])
def test_it_tells_of_an_image_that_is_pulled_once_and_whole(width: int) -> None:
    pull = "Downloading the training image registry.example.com/team/of/many/program:1.25"
    phase = Phase("Downloading", f"{pull}: 2 of 7 layers, 120.5 MB")
    lines = drawn(snapshot(60, 4), width, 24, phase)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= width
    text = " ".join(line.strip() for line in lines)
    assert text.count("2 of 7 layers, 120.5 MB") == 1
    assert text.count("many/program:1.25") == 1


def test_it_tells_progress_best_and_what_runs() -> None:
    text = "\n".join(drawn(snapshot(60, 4), 100, 40))
    assert "60 of 500" in text
    assert "4 running" in text
    assert "1 h 01 min" in text
    assert re.search(r"about 1 h \d\d min left", text)
    assert "best  validation:logloss 0.0166667" in text
    assert text.count("Training ") == 4
    assert "Completed" in text


def test_hyperparameters_are_in_the_table_where_there_is_room() -> None:
    assert "hyperparameters" in "\n".join(drawn(snapshot(9, 1), 140, 40))
    assert "hyperparameters" not in "\n".join(drawn(snapshot(9, 1), 80, 40))


def in_terminal(tuner: CommandLine, *arguments: object, **more: str) -> tuple[int, str]:
    """Exit status and everything written to a terminal of 80 columns and 24 lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env={**tuner.environ, "TERM": "xterm-256color", **more},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the last writer is gone
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(timeout=60), written.decode()


def test_run_in_a_terminal_draws_and_leaves_the_outcome(tuner: CommandLine) -> None:
    status, screen = in_terminal(tuner, "run", tuner.spec("seen", jobs=3), "--name", "seen")
    assert status == 0
    assert "Ctrl-C leaves" in screen
    assert "training job" in screen
    assert screen.splitlines()[-1].endswith("model.tar.gz"), "a path is not broken into lines"
    assert "\x1b[?25h" in screen, "the cursor is shown again"


def test_no_color_is_respected(tuner: CommandLine) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    _, plain = in_terminal(tuner, "run", tuner.spec("grey", jobs=1), NO_COLOR="1")
    assert not colour.search(plain)
    _, coloured = in_terminal(tuner, "run", tuner.spec("colourful", jobs=1))
    assert colour.search(coloured)


def test_a_dumb_terminal_gets_lines(tuner: CommandLine) -> None:
    status, screen = in_terminal(tuner, "run", tuner.spec("dumb", jobs=1), TERM="dumb")
    assert status == 0
    assert "dumb-001-" in screen.splitlines()[0] + screen.splitlines()[1]
    assert "\x1b" not in screen
    assert screen.splitlines()[-1].endswith("model.tar.gz")


def test_training_jobs_that_an_internal_error_ended_are_done() -> None:
    shown = snapshot(ended=0, running=0, planned=5)
    shown.description["TrainingJobStatusCounters"]["RetryableError"] = 2
    assert shown.done == 2
