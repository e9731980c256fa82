"""The AWS CLI as it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

AWS = shutil.which("aws")
pytestmark = pytest.mark.skipif(AWS is None, reason="needs awscli")


@pytest.fixture
def aws(port: int, tmp_path: Path) -> Any:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(AWS), *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_directory_is_synced_listed_moved_and_removed(aws: Any, tmp_path: Path) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    (here / "sub dir").mkdir(parents=True)
    (here / "big").write_bytes(os.urandom(20_000_000))
    (here / "sub dir" / "ü+.csv").write_text("1,2\n")
    aws("s3", "mb", "s3://cli-bucket")
    aws("s3", "sync", str(here), "s3://cli-bucket/data")
    assert "upload" not in aws("s3", "sync", str(here), "s3://cli-bucket/data")
    assert "PRE sub dir/" in aws("s3", "ls", "s3://cli-bucket/data/")
    aws("s3", "cp", "s3://cli-bucket/data/big", "s3://cli-bucket/copy")
    aws("s3", "mv", "s3://cli-bucket/copy", "s3://cli-bucket/data/moved")
    aws("s3", "sync", "s3://cli-bucket/data", str(back))
    assert (back / "moved").read_bytes() == (here / "big").read_bytes()
    assert (back / "sub dir" / "ü+.csv").read_text() == "1,2\n"
    url = aws("s3", "presign", "s3://cli-bucket/data/sub dir/ü+.csv").strip()
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"1,2\n"
    aws("s3", "rb", "--force", "s3://cli-bucket")
    assert "cli-bucket" not in aws("s3", "ls")
