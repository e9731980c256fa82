"""Programs of any environment that start with the detour on their PYTHONPATH."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.exec.variables import STS_DETOUR, with_sts_detour

URL = "http://127.0.0.1:4580"
ADDRESS_OF = """
import sys, boto3
options = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
for service, address in zip(sys.argv[1::2], sys.argv[2::2]):
    client = boto3.client(service, endpoint_url=address, **options)
    print(client.meta.endpoint_url)
"""


def python(*arguments: str, path: str = "", **environ: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=with_sts_detour(inherited | {"PYTHONPATH": path} | environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("address", [
    "https://sts.us-east-1.amazonaws.com",
    "https://sts.amazonaws.com",
    "https://sts.cn-north-1.amazonaws.com.cn",
    "https://sts-fips.us-east-1.amazonaws.com",
])  # fmt: skip
def test_sts_of_aws_is_sought_at_the_endpoint(address: str) -> None:
    assert python("-c", ADDRESS_OF, "sts", address, AWS_ENDPOINT_URL=URL) == f"{URL}\n"


def test_other_addresses_and_services_stay() -> None:
    pairs = [
        ("sts", "https://sts.my.org"),
        ("sts", "https://sts.us-east-1.amazonaws.com.my.org"),
        ("s3", "https://sts.us-east-1.amazonaws.com"),
    ]
    words = [word for pair in pairs for word in pair]
    printed = python("-c", ADDRESS_OF, *words, AWS_ENDPOINT_URL=URL).split()
    assert printed == [address for _, address in pairs]


def test_without_an_endpoint_nothing_is_changed() -> None:
    address = "https://sts.us-east-1.amazonaws.com"
    assert python("-c", ADDRESS_OF, "sts", address) == f"{address}\n"


def test_children_take_the_detour_too() -> None:
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    address = "https://sts.us-east-1.amazonaws.com"
    assert python("-c", start, ADDRESS_OF, "sts", address, AWS_ENDPOINT_URL=URL) == f"{URL}\n"


@pytest.mark.parametrize("environ", [{}, {"AWS_ENDPOINT_URL": URL}])
def test_the_users_own_sitecustomize_runs(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "sitecustomize.py").write_text("MINE = 7\nprint('mine ran')\n")
    look = "import sitecustomize; print(sitecustomize.MINE, sitecustomize.__file__)"
    printed = python("-c", look, path=str(tmp_path), **environ)
    assert printed == f"mine ran\n7 {tmp_path / 'sitecustomize.py'}\n"


def test_an_environment_without_botocore_says_so_as_ever() -> None:
    code = (
        "import sys\n"
        "sys.path = [entry for entry in sys.path if 'site-packages' not in entry]\n"
        "try:\n    import botocore.session\n"
        "except ModuleNotFoundError as error:\n    print(error.name)\n"
    )
    assert python("-c", code, AWS_ENDPOINT_URL=URL) == "botocore\n"


def test_its_syntax_is_python_3_8s() -> None:
    ast.parse((STS_DETOUR / "sitecustomize.py").read_text(), feature_version=(3, 8))
