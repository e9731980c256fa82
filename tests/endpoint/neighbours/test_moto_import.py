"""moto is imported when it is first needed, once, and its absence is said plainly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MOTO_ACCOUNT_ID": "000011112222"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_eight_first_requests_at_once_are_all_answered() -> None:
    printed = _run(
        """
import sys, tempfile, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.endpoint.neighbours.neighbour_server import serving
assert "moto" not in sys.modules
calls = [("sts", "get_caller_identity"), ("iam", "list_roles"), ("ecr", "describe_repositories"),
         ("kms", "list_keys"), ("cloudwatch", "list_metrics"), ("sagemaker", "list_models"),
         ("sns", "list_topics"), ("sqs", "list_queues")]
with serving(Path(tempfile.mkdtemp())) as neighbours:
    asked = [(neighbours.client(service), name) for service, name in calls]
    together = threading.Barrier(len(asked))
    def ask(item):
        together.wait()
        return getattr(item[0], item[1])()
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(ask, asked))
print(len(answers), answers[0]["Account"])
"""
    )
    assert printed.split() == ["8", "111122223333"]


def test_without_moto_each_protocol_says_what_to_install() -> None:
    printed = _run(
        """
import logging, sys, tempfile
from pathlib import Path
from botocore.exceptions import ClientError
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "moto":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
logging.disable()
from tests.endpoint.neighbours.neighbour_server import serving
calls = [("sts", "get_caller_identity"), ("ecr", "describe_repositories"),
         ("ec2", "describe_vpcs"), ("eks", "list_clusters"), ("route53", "list_hosted_zones"),
         ("cloudwatch", "list_metrics")]
with serving(Path(tempfile.mkdtemp())) as neighbours:
    for service, name in calls:
        try:
            getattr(neighbours.client(service), name)()
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            assert "pip install 'amtlocal[serve]'" in error.response["Error"]["Message"], error
            print(service)
"""
    )
    assert printed.split() == ["sts", "ecr", "ec2", "eks", "route53", "cloudwatch"]
