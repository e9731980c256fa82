"""`tuner images`."""

from __future__ import annotations

from tests.cli.conftest import CommandLine
from tests.owner.homes import IMAGE


def test_bundled_and_mapped_images_are_listed(tuner: CommandLine) -> None:
    printed = tuner("images").stdout
    assert "sagemaker-xgboost" in printed
    assert IMAGE in printed


def test_json_has_a_row_for_each(tuner: CommandLine) -> None:
    rows = tuner.json("images")["Images"]
    assert {"Image", "Container", "Mode", "Command"} == set(rows[0])
    assert ("xgboost", "algorithm") in {(row["Container"], row["Mode"]) for row in rows}


def test_an_image_of_the_option_comes_first_and_its_fault_is_told(tuner: CommandLine) -> None:
    row = tuner.json("images", "--image-map", "a.b/mine=/no/such/place")["Images"][0]
    assert (row["Image"], row["Mode"]) == ("a.b/mine", "mapped")
    assert "neither an executable file" in row["Command"]
