"""What a user can set for a home: read from `TUNER_*` environment variables once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"


class SettingsError(Exception):
    """A variable has a value that cannot be used; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`backend` is "process", "docker" or "auto"; `interruption_rate` is how often spot instances
    are taken away, per hour of training; `cpus` and `memory_mib` bound what training jobs may use
    together (None: the machine); `idle_seconds` is how long the background process stays without
    work; `image_map` maps image URIs to directories of local containers."""

    home: Path
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    cpus: int | None = None
    memory_mib: int | None = None
    backend: str = "auto"
    idle_seconds: float = 60.0
    interruption_rate: float = 0.0
    image_map: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Raises SettingsError for a value that is no number or no mapping."""
        home = Path(environ.get("TUNER_HOME") or Path.home() / ".amtlocal").expanduser()
        return cls(
            home=home.absolute(),
            account=environ.get("TUNER_ACCOUNT") or DEFAULT_ACCOUNT,
            region=_region(environ),
            cpus=_positive_integer(environ, "TUNER_CPUS"),
            memory_mib=_positive_integer(environ, "TUNER_MEMORY_MIB"),
            backend=environ.get("TUNER_BACKEND") or "auto",
            idle_seconds=float(_positive_integer(environ, "TUNER_IDLE_SECONDS") or 60),
            interruption_rate=_rate(environ, "TUNER_INTERRUPTION_RATE"),
            image_map=_image_map(environ.get("TUNER_IMAGE_MAP", "")),
        )

    def environment(self) -> dict[str, str]:
        """The variables that give these settings, but for the home."""
        values = {
            "TUNER_ACCOUNT": self.account,
            "AWS_REGION": self.region,
            "TUNER_CPUS": self.cpus,
            "TUNER_MEMORY_MIB": self.memory_mib,
            "TUNER_BACKEND": self.backend,
            "TUNER_IDLE_SECONDS": max(1, round(self.idle_seconds)),
            "TUNER_INTERRUPTION_RATE": self.interruption_rate or None,
            "TUNER_IMAGE_MAP": ",".join(f"{uri}={path}" for uri, path in self.image_map.items()),
        }
        return {name: str(value) for name, value in values.items() if value is not None}

    def chosen(self) -> dict[str, str]:
        """Of these variables those that differ from the defaults and concern the whole home;
        a region is each request's own."""
        plain = Settings(home=self.home, region=self.region).environment()
        return {
            name: value for name, value in self.environment().items() if value != plain.get(name)
        }


def _region(environ: Mapping[str, str]) -> str:
    """As boto3 finds it: a variable's, else that of the user's AWS profile."""
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    config = environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    if named or not Path(config).expanduser().is_file():
        return named or DEFAULT_REGION
    # most users of a variable do without the import
    from botocore.configloader import load_config
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    profile = environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"
    try:
        region = load_config(config)["profiles"].get(profile, {}).get("region")
    except (ConfigNotFound, ConfigParseError):
        return DEFAULT_REGION
    return region if isinstance(region, str) and region else DEFAULT_REGION


def _positive_integer(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{name} must be a whole number from 1 up, not {text!r}.")
    return int(text)


def _rate(environ: Mapping[str, str], name: str) -> float:
    text = environ.get(name) or "0"
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < math.inf:
        raise SettingsError(f"{name} must be a number from 0 up, not {text!r}.")
    return rate


def _image_map(text: str) -> dict[str, str]:
    pairs = [item.split("=", 1) for item in text.split(",") if item.strip()]
    for pair in pairs:
        if len(pair) != 2 or not pair[0].strip() or not pair[1].strip():
            raise SettingsError("TUNER_IMAGE_MAP must be IMAGE=LOCAL[,IMAGE=LOCAL...].")
    return {uri.strip(): _local_container(local.strip()) for uri, local in pairs}


def _local_container(local: str) -> str:
    """A path is made absolute; the name of a bundled container is one word and stays."""
    path = Path(local)
    return str(path.absolute()) if os.sep in local or path.exists() else local
