"""What the environment says, and what it may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.settings import Settings, SettingsError


@pytest.mark.parametrize(("environ", "region"), [
    ({}, "eu-west-1"),
    ({"AWS_PROFILE": "work"}, "ap-south-1"),
    ({"AWS_PROFILE": "bare"}, "us-east-1"),
    ({"AWS_PROFILE": "nobody"}, "us-east-1"),
    ({"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
    ({"AWS_DEFAULT_REGION": "us-west-2", "AWS_REGION": "eu-north-1"}, "eu-north-1"),
    ({"AWS_CONFIG_FILE": "/nowhere"}, "us-east-1"),
])  # fmt: skip
def test_the_region_of_the_profile_counts_where_no_variable_names_one(
    tmp_path: Path, environ: dict[str, str], region: str
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\n[profile work]\nregion = ap-south-1\n[profile bare]\n"
    )
    environ = {"AWS_CONFIG_FILE": str(config)} | environ
    assert Settings.from_environment(environ).region == region


def test_a_broken_profile_file_does_no_harm(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default\n=")
    assert Settings.from_environment({"AWS_CONFIG_FILE": str(config)}).region == "us-east-1"


def test_an_image_is_mapped_to_a_path_or_to_the_name_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    environ = {"TUNER_IMAGE_MAP": "a:1=mine, b=./other ,c=script"}
    assert Settings.from_environment(environ).image_map == {
        "a:1": str(tmp_path / "mine"),
        "b": str(tmp_path / "other"),
        "c": "script",
    }


@pytest.mark.parametrize("environ", [
    {"TUNER_IMAGE_MAP": "a"}, {"TUNER_IMAGE_MAP": "=b"}, {"TUNER_IMAGE_MAP": "a="},
    {"TUNER_CPUS": "0"}, {"TUNER_CPUS": "many"}, {"TUNER_IDLE_SECONDS": "-1"},
    {"TUNER_INTERRUPTION_RATE": "-1"}, {"TUNER_INTERRUPTION_RATE": "nan"},
    {"TUNER_INTERRUPTION_RATE": "often"},
])  # fmt: skip
def test_a_value_that_cannot_be_used_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environ))):
        Settings.from_environment(environ)


def test_a_rate_of_interruptions_is_handed_on() -> None:
    settings = Settings.from_environment({"TUNER_INTERRUPTION_RATE": "0.5"})
    assert settings.interruption_rate == 0.5
    assert settings.chosen()["TUNER_INTERRUPTION_RATE"] == "0.5"
    assert "TUNER_INTERRUPTION_RATE" not in Settings.from_environment({}).chosen()
