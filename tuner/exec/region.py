"""The region that a program of the user works in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from tuner.settings import Settings


def in_users_region(settings: Settings, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings with the region of the user's AWS profile, where no variable names one."""
    if environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
        return settings
    from botocore.configloader import load_config
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    profile = environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"
    try:
        profiles = load_config(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")["profiles"]
    except (ConfigNotFound, ConfigParseError):
        return settings
    region = profiles.get(profile, {}).get("region")
    return replace(settings, region=region) if isinstance(region, str) and region else settings
