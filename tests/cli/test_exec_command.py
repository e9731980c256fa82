"""`tuner exec`: programs reach the home, and end, are ended and fail as without it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, CommandLine, opens, replace_owner
from tests.owner.homes import until
from tuner.testing import serving

WAITING = """
import signal, sys, time
def told(number, frame):
    print("told", number, flush=True)
    if number in (2, 15): sys.exit(7)
for number in (1, 2, 10, 12, 15): signal.signal(number, told)
print("ready", flush=True)
while True: time.sleep(0.05)
"""


def started(
    tuner: CommandLine, program: str, *arguments: str, **more: str
) -> subprocess.Popen[str]:
    """In a session of its own, so that no terminal sends it signals."""
    return subprocess.Popen(
        [*COMMAND, "exec", sys.executable, "-c", program, *arguments],
        env={**tuner.environ, **more},
        cwd=tuner.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_an_unchanged_program_reaches_the_home_and_sts(tuner: CommandLine) -> None:
    program = """
        import boto3
        print(boto3.client("sagemaker").list_training_jobs(MaxResults=1)["ResponseMetadata"]
              ["HTTPStatusCode"])
        sts = boto3.client("sts", endpoint_url="https://sts.eu-north-1.amazonaws.com")
        print(sts.meta.endpoint_url == boto3.client("s3").meta.endpoint_url)
    """
    done = tuner("exec", "--", sys.executable, "-c", textwrap.dedent(program))
    assert (done.stdout, done.stderr, done.returncode) == ("200\nTrue\n", "", 0)


def test_options_after_the_program_are_its_own(tuner: CommandLine) -> None:
    done = tuner("exec", "sh", "-c", 'echo "$@"', "-h", "--json", "--", "--help", "-h")
    assert done.stdout == "--json -- --help -h\n"


@pytest.mark.parametrize(("script", "status"), [
    ("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143),
])  # fmt: skip
def test_the_status_is_the_programs(tuner: CommandLine, script: str, status: int) -> None:
    done = tuner("exec", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (status, "")


def test_a_program_that_cannot_run_is_named(tuner: CommandLine, tmp_path: Path) -> None:
    done = tuner("exec", "no-such-program")
    assert (done.returncode, done.stderr) == (127, "tuner: no-such-program is not found\n")
    done = tuner("exec", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (126, 1)
    assert str(tmp_path) in done.stderr


def test_standard_input_is_the_programs(tuner: CommandLine) -> None:
    done = subprocess.run(
        [*COMMAND, "exec", "cat"], env=tuner.environ, input=b"to and fro", stdout=subprocess.PIPE
    )
    assert done.stdout == b"to and fro"


def test_a_port_is_open_only_as_long_as_the_program_runs(tuner: CommandLine) -> None:
    program = "import os; print(os.environ['AWS_ENDPOINT_URL'], flush=True); input()"
    process = subprocess.Popen(
        [*COMMAND, "exec", sys.executable, "-c", program],
        env=tuner.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = line_of(process)
    assert opens(url)
    process.communicate("\n", timeout=30)
    until(lambda: not opens(url))


def test_the_port_that_serves_is_used(tuner: CommandLine) -> None:
    with serving(tuner.home, region="eu-north-1") as server:
        done = tuner("exec", "sh", "-c", "echo $AWS_ENDPOINT_URL")
        assert done.stdout.strip() == server.url


def test_the_port_is_there_again_after_the_owner_was_killed(tuner: CommandLine) -> None:
    program = "import os; print(os.environ['AWS_ENDPOINT_URL'], flush=True); input()"
    process = subprocess.Popen(
        [*COMMAND, "exec", sys.executable, "-c", program],
        env=tuner.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = line_of(process)
    replace_owner(tuner.home, url)
    process.communicate("\n", timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
])  # fmt: skip
def test_signals_reach_the_program_once(tuner: CommandLine, number: signal.Signals) -> None:
    process = started(tuner, WAITING)
    assert line_of(process) == "ready"
    process.send_signal(number)
    assert line_of(process) == f"told {number.value}"
    if number not in (signal.SIGTERM, signal.SIGINT):
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert out.count("told") == (0 if number in (signal.SIGTERM, signal.SIGINT) else 1)
    assert (errors, process.returncode) == ("", 7)


def test_ctrl_c_at_a_terminal_reaches_the_program_once(tuner: CommandLine) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tuner.directory)
        command = [*COMMAND, "exec", sys.executable, "-c", WAITING]
        os.execvpe(command[0], command, dict(tuner.environ))
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while chunk := read_or_end(terminal):
        shown += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7
    assert shown.count(b"told 2") == 1
    assert b"Traceback" not in shown


def read_or_end(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # the other end is closed
        return b""


def test_an_ignored_signal_stays_ignored(tuner: CommandLine) -> None:
    show = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(
        ["nohup", *COMMAND, "exec", sys.executable, "-c", show],
        env=tuner.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n"
