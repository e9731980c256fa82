"""Sizes of instance types."""

from __future__ import annotations

import pytest

from tests.domain.instance_table import SUPPLEMENT, ec2_sizes, training_instance_types
from tuner.domain.instances import InstanceSize, instance_size, is_accelerated


def test_every_type_that_sagemaker_trains_on_has_a_size() -> None:
    assert [name for name in training_instance_types() if instance_size(name) is None] == []


def test_sizes_agree_with_what_is_known_of_ec2() -> None:
    known = {**SUPPLEMENT, **ec2_sizes()}
    for name in training_instance_types():
        assert instance_size(name) == InstanceSize(*known[name]), name


def test_the_supplement_has_only_what_the_table_of_ec2_lacks() -> None:
    assert not SUPPLEMENT.keys() & ec2_sizes().keys()


@pytest.mark.parametrize("name", ["local", "ml.from-the-future.large"])
def test_what_has_no_known_size_gets_its_whole_share(name: str) -> None:
    assert instance_size(name) is None


def test_a_type_is_told_in_its_units() -> None:
    assert instance_size("ml.m5.large") == InstanceSize(vcpus=2, memory_mib=8192, gpus=0)
    assert instance_size("ml.g4dn.12xlarge") == InstanceSize(vcpus=48, memory_mib=196608, gpus=4)


def test_types_with_gpus_and_those_of_trainium_are_accelerated() -> None:
    for name in training_instance_types():
        size = instance_size(name)
        expected = name.startswith("ml.trn") or (size is not None and size.gpus > 0)
        assert is_accelerated(name) is expected, name
    assert not is_accelerated("local")
