"""Whatever a request holds, the answer is one of AWS's errors, and never a fault of ours."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.service_home import REGION, Home
from tuner.domain.errors import AwsError, InternalFailure
from tuner.service import LOGS, OWN, SAGEMAKER
from tuner.shapes.service_model import input_shape

TARGETS = [
    *(f"SageMaker.{name}" for name in SAGEMAKER),
    *(f"Logs_20140328.{name}" for name in LOGS),
    *(f"Tuner.{name}" for name in OWN),
]
# No text may name a directory that exists: ImportFiles would copy it.
TEXTS = st.text(st.characters(exclude_characters="/"), max_size=12) | st.sampled_from(
    ["a", "a-name", "/aws/sagemaker/TrainingJobs", "a/algo-1-1", "f/1/99", "b/1/0", "s3://a/b"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def _members(target: str) -> list[str]:
    prefix, _, operation = target.partition(".")
    if prefix == "Tuner":
        return ["Source", "Bucket", "Prefix", "S3Uri", "HyperParameterTuningJobName"]
    shape: Any = input_shape(operation, "sagemaker" if prefix == "SageMaker" else "logs")
    return list(shape.members)


def _requests() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Members of the operation's own names among others, so that some checks are passed."""

    def of(target: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        names = st.sampled_from(_members(target)) | TEXTS
        return st.tuples(st.just(target), st.dictionaries(names, VALUES, max_size=5))

    return st.sampled_from(TARGETS).flatmap(of)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=_requests(), region=st.sampled_from([REGION, "eu-north-1"]))
def test_a_request_of_any_json_is_answered_or_refused_in_aws_words(
    home: Home, request: tuple[str, dict[str, Any]], region: str
) -> None:
    target, params = request
    with contextlib.suppress(AwsError):
        try:
            assert isinstance(home.service.call(target, params, region), dict)
        except InternalFailure as failure:
            pytest.fail(f"{target} {params}: {failure}")


@pytest.mark.parametrize(
    "target", ["", ".", "SageMaker.", "Logs_20140328.x", "\ud800", "Tuner.\0"]
)
def test_a_target_of_any_text_is_refused(home: Home, target: str) -> None:
    with pytest.raises(AwsError):
        home.service.call(target, {}, REGION)
