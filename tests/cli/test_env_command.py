"""`tuner env`, as shells and programs read it."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

from tests.cli.conftest import CommandLine
from tests.owner.homes import owned
from tuner.testing import serving


def test_a_shell_evaluates_it(tuner: CommandLine) -> None:
    printed = tuner("env", AWS_PROFILE="work", AWS_ENDPOINT_URL_S3="https://elsewhere")
    shell = subprocess.run(
        ["sh", "-c", f"{printed.stdout}\nenv"],
        env={"PATH": "/usr/bin:/bin", "AWS_PROFILE": "work", "AWS_ENDPOINT_URL_S3": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    assert found["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-north-1"
    assert found["TUNER_HOME"] == str(tuner.home)
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"} & found.keys()


def test_json_tells_values_and_what_to_unset(tuner: CommandLine) -> None:
    printed = tuner("env", "--json")
    found = json.loads(printed.stdout)
    assert found["AWS_PROFILE"] is None
    assert Path(found["SAGEMAKER_USER_CONFIG_OVERRIDE"]).is_file()


def test_where_nothing_serves_it_says_so_and_names_the_default_port(tuner: CommandLine) -> None:
    printed = tuner("env", "--json")
    assert json.loads(printed.stdout)["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4580"
    assert "tuner serve" in printed.stderr
    assert len(printed.stderr.splitlines()) == 1
    assert printed.returncode == 0


def test_where_something_serves_it_names_that_and_is_silent(tuner: CommandLine) -> None:
    with serving(tuner.home, region="eu-north-1") as server:
        printed = tuner("env", "--json")
        assert json.loads(printed.stdout)["AWS_ENDPOINT_URL"] == server.url
        assert printed.stderr == ""


def test_unset_leaves_for_aws(tuner: CommandLine) -> None:
    lines = tuner("env", "--unset").stdout.splitlines()
    assert "unset AWS_ENDPOINT_URL" in lines
    assert "unset AWS_ACCESS_KEY_ID" in lines
    assert all(line.startswith("unset ") for line in lines)


def test_values_are_quoted_for_the_shell(tmp_path: Path, tuner: CommandLine) -> None:
    with owned(tmp_path / "a home; with 'quotes'") as home:
        printed = tuner("--home", home, "env", TUNER_IDLE_SECONDS="1").stdout
        words = shlex.split(printed)
        assert f"TUNER_HOME={home}" in words


def test_the_key_is_that_of_the_home(tuner: CommandLine) -> None:
    keys = {json.loads(tuner("env", "--json").stdout)["AWS_ACCESS_KEY_ID"] for _ in range(2)}
    assert len(keys) == 1
