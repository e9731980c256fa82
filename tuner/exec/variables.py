"""The variables with which unchanged programs use a home instead of AWS."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tuner.settings import Settings

STS_DETOUR = Path(__file__).with_name("sts")
"""What is to be first on PYTHONPATH."""

_PER_SERVICE = "AWS_ENDPOINT_URL_"
_SDK_CONFIG = "SAGEMAKER_USER_CONFIG_OVERRIDE"
_SDK_CONFIG_BELOW = "SAGEMAKER_ADMIN_CONFIG_OVERRIDE"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")

_OUTRANKING = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
)
"""With these set, botocore would take other credentials than the home's, or a part of them."""

Variables = dict[str, str | None]
"""None: the variable is to be unset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a home is served, and the home's own access key."""

    url: str
    access_key_id: str
    secret_access_key: str


def variables(
    endpoint: Endpoint, settings: Settings, environ: Mapping[str, str] = os.environ
) -> Variables:
    """What to set and unset in `environ`; writes the SDKs' configuration into the home.

    The user's own AWS files stay in use: what they say of endpoints, FIPS and the region is
    outranked, and named profiles can still be opened. Raises OSError.
    """
    found: Variables = dict.fromkeys(_OUTRANKING)
    found |= {name: None for name in environ if name.startswith(_PER_SERVICE)}
    found |= {
        "TUNER_HOME": str(settings.home),
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": endpoint.access_key_id,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_access_key,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        # botocore refuses a custom endpoint together with either
        "AWS_USE_FIPS_ENDPOINT": "false",
        "AWS_USE_DUALSTACK_ENDPOINT": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return found | _of_sdks(settings, environ) | _of_proxies(endpoint.url, environ)


def left() -> Variables:
    """What to unset so that AWS itself is used again. The region may stay, and so may the other
    file of the SDKs: it is the user's own."""
    names = (
        "AWS_ENDPOINT_URL",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_EC2_METADATA_DISABLED",
        _SDK_CONFIG,
    )
    return dict.fromkeys(names)


def applied(found: Variables, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment with the variables set and unset."""
    kept = {name: value for name, value in environ.items() if name not in found}
    return kept | {name: value for name, value in found.items() if value is not None}


def with_sts_detour(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment whose Python programs reach the home's STS too, through both SDKs."""
    ours = str(STS_DETOUR)
    before = environ.get("PYTHONPATH", "")
    entries = [entry for entry in before.split(os.pathsep) if entry and entry != ours]
    return {**environ, "PYTHONPATH": os.pathsep.join([ours, *entries])}


def _of_sdks(settings: Settings, environ: Mapping[str, str]) -> Variables:
    """Without a default bucket of their own both SDKs ask AWS's STS for the account. What the
    user configured for them holds as well: they merge the other file below this one."""
    ours = settings.home / f"sagemaker-config-{settings.region}.yaml"
    _write(
        ours,
        "SchemaVersion: '1.0'\n"
        "SageMaker:\n"
        "  PythonSDK:\n"
        "    Modules:\n"
        "      Session:\n"
        f"        DefaultS3Bucket: sagemaker-{settings.region}-{settings.account}\n"
        "      TelemetryOptOut: true\n",
    )
    found: Variables = {_SDK_CONFIG: str(ours)}
    theirs = Path(environ.get(_SDK_CONFIG) or _default_sdk_config(environ))
    is_ours = theirs.name.startswith("sagemaker-config-")
    if not environ.get(_SDK_CONFIG_BELOW) and not is_ours and theirs.is_file():
        found[_SDK_CONFIG_BELOW] = str(theirs)
    return found


def _default_sdk_config(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "sagemaker" / "config.yaml"


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(path)


def _of_proxies(url: str, environ: Mapping[str, str]) -> Variables:
    """The home's address, where a proxy would be asked for it."""
    if not any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        return {}
    known = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    host = urlsplit(url).hostname or ""
    if "*" not in hosts and host not in hosts:
        hosts.append(host)
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(hosts))
