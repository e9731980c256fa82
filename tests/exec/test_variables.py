"""What is set and unset so that programs written for AWS use a home."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from tuner.exec.variables import Endpoint, applied, left, variables, with_sts_detour
from tuner.settings import Settings

ENDPOINT = Endpoint(url="http://127.0.0.1:4580", access_key_id="AK", secret_access_key="S")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", region="eu-north-1")


def test_what_would_outrank_the_endpoint_is_unset(settings: Settings) -> None:
    environ = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere",
        "PATH": "/bin",
    }
    found = applied(variables(ENDPOINT, settings, environ), environ)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & found.keys()
    assert found["PATH"] == "/bin"
    assert found["AWS_ENDPOINT_URL"] == ENDPOINT.url


def test_users_aws_files_outrank_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = us-west-1\nendpoint_url = https://elsewhere\nservices = mine\n"
        "ignore_configured_endpoint_urls = true\nuse_fips_endpoint = true\n"
        "use_dualstack_endpoint = true\naws_access_key_id = REAL\naws_secret_access_key = REAL\n"
        "aws_session_token = REAL\ns3 =\n    addressing_style = virtual\n"
        "[services mine]\nsagemaker =\n    endpoint_url = https://elsewhere\n"
    )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config))
    for name, value in applied(variables(ENDPOINT, settings), {}).items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    keys = session.get_credentials().get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("AK", "S", None)
    for service in ("sagemaker", "s3", "sts", "logs"):
        client = session.client(service)
        assert client.meta.endpoint_url == ENDPOINT.url
        assert client.meta.region_name == "eu-north-1"


@pytest.mark.parametrize(("before", "after"), [
    ({}, None),
    ({"https_proxy": "http://proxy"}, "127.0.0.1"),
    ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "a.org, b.org"}, "a.org,b.org,127.0.0.1"),
    ({"HTTP_PROXY": "http://proxy", "no_proxy": "127.0.0.1"}, "127.0.0.1"),
    ({"HTTP_PROXY": "http://proxy", "no_proxy": "*"}, "*"),
])  # fmt: skip
def test_a_proxy_is_not_asked_for_the_endpoint(
    settings: Settings, before: dict[str, str], after: str | None
) -> None:
    found = variables(ENDPOINT, settings, before)
    assert found.get("no_proxy") == found.get("NO_PROXY") == after


def test_the_sdks_get_a_default_bucket_of_region_and_account(settings: Settings) -> None:
    for region in ("eu-north-1", "us-west-2"):
        found = variables(ENDPOINT, replace(settings, region=region), {"HOME": "/nowhere"})
        path = Path(str(found["SAGEMAKER_USER_CONFIG_OVERRIDE"]))
        assert f"DefaultS3Bucket: sagemaker-{region}-123456789012\n" in path.read_text()
        assert "TelemetryOptOut: true" in path.read_text()
        assert "SAGEMAKER_ADMIN_CONFIG_OVERRIDE" not in found
    assert len(list(settings.home.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="needs linux: where the SDKs look")
def test_what_the_user_configured_for_the_sdks_still_holds(
    settings: Settings, tmp_path: Path
) -> None:
    theirs = tmp_path / "sagemaker" / "config.yaml"
    theirs.parent.mkdir()
    theirs.write_text("SchemaVersion: '1.0'\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    found = variables(ENDPOINT, settings, environ)
    assert found["SAGEMAKER_ADMIN_CONFIG_OVERRIDE"] == str(theirs)
    again = variables(ENDPOINT, settings, applied(found, {}))
    assert "SAGEMAKER_ADMIN_CONFIG_OVERRIDE" not in again
    other = {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(theirs)}
    assert variables(ENDPOINT, settings, other)["SAGEMAKER_ADMIN_CONFIG_OVERRIDE"] == str(theirs)


def test_leaving_unsets_what_points_here(settings: Settings) -> None:
    entered = applied(variables(ENDPOINT, settings, {}), {})
    after = applied(left(), entered)
    assert set(after) == {"TUNER_HOME", "AWS_REGION", "AWS_DEFAULT_REGION"}


def test_the_detour_is_first_on_the_path_once() -> None:
    environ = with_sts_detour(with_sts_detour({"PYTHONPATH": f"/one{os.pathsep}/two"}))
    first, *others = environ["PYTHONPATH"].split(os.pathsep)
    assert [path.name for path in Path(first).glob("*.py")] == ["sitecustomize.py"]
    assert others == ["/one", "/two"]
