"""STS and IAM as both SageMaker SDKs ask them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from tests.endpoint.neighbours.neighbour_server import ACCOUNT, Neighbours, raw
from tuner.endpoint.neighbours import identity


def test_the_caller_is_in_a_session_of_the_sagemaker_role(neighbours: Neighbours) -> None:
    identity = neighbours.client("sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerRole/local"


def test_whoever_assumed_a_role_is_told_that_role(neighbours: Neighbours) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/other"
    given = neighbours.client("sts").assume_role(RoleArn=role, RoleSessionName="me")
    session = neighbours.client(
        "sts",
        aws_access_key_id=given["Credentials"]["AccessKeyId"],
        aws_secret_access_key=given["Credentials"]["SecretAccessKey"],
        aws_session_token=given["Credentials"]["SessionToken"],
    )
    assert session.get_caller_identity()["Arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/other/me"
    )


def test_a_role_of_another_account_acts_in_that_account(neighbours: Neighbours) -> None:
    role = "arn:aws:iam::999988887777:role/away"
    keys = neighbours.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    away = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    assert neighbours.client("sts", **away).get_caller_identity()["Account"] == "999988887777"
    made = neighbours.client("ecr", **away).create_repository(repositoryName="there")
    assert ":999988887777:" in made["repository"]["repositoryArn"]


def test_nobody_chooses_an_account_by_header(neighbours: Neighbours) -> None:
    status, _, body = raw(
        neighbours.port,
        "sts",
        b"Action=GetCallerIdentity&Version=2011-06-15",
        Content_Type="application/x-www-form-urlencoded",
        x_moto_account_id="999988887777",
    )
    assert status == 200
    assert ACCOUNT in body.decode()
    assert "999988887777" not in body.decode()


@pytest.mark.parametrize(("name", "path"), [
    ("SageMakerRole", "/"),
    ("AmazonSageMaker-ExecutionRole-20260101T000000", "/service-role/"),
])  # fmt: skip
def test_any_role_exists_and_trusts_sagemaker(
    neighbours: Neighbours, name: str, path: str
) -> None:
    role = neighbours.client("iam").get_role(RoleName=name)["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role{path}{name}"
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_a_role_that_was_created_is_the_one_that_is_found(neighbours: Neighbours) -> None:
    iam = neighbours.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName="mine", Path="/team/", AssumeRolePolicyDocument=trust)
    policy = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    iam.attach_role_policy(RoleName="mine", PolicyArn=policy)
    assert iam.get_role(RoleName="mine")["Role"]["Path"] == "/team/"
    attached = iam.list_attached_role_policies(RoleName="mine")["AttachedPolicies"]
    assert [item["PolicyArn"] for item in attached] == [policy]


def test_everything_is_allowed_page_by_page(neighbours: Neighbours) -> None:
    actions = [f"ecr:Action<{number}>&" for number in range(5)]
    pages = (
        neighbours.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/any",
            ActionNames=actions,
            ResourceArns=["a", "b"],
            PaginationConfig={"PageSize": 3},
        )
    )
    found = list(pages)
    assert len(found) == 4
    results = [item for page in found for item in page["EvaluationResults"]]
    assert [(item["EvalActionName"], item["EvalResourceName"]) for item in results] == [
        (action, resource) for action in actions for resource in ("a", "b")
    ]
    assert {item["EvalDecision"] for item in results} == {"allowed"}


def test_a_marker_that_is_none_is_refused(neighbours: Neighbours) -> None:
    with pytest.raises(ClientError, match="Marker is not valid") as refused:
        neighbours.client("iam").simulate_principal_policy(
            PolicySourceArn="arn:aws:iam::111122223333:role/any",
            ActionNames=["s3:GetObject"],
            Marker="nowhere",
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_secret_of_a_session_is_known_until_it_ends(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/other"
    sts = neighbours.client("sts")
    given = sts.assume_role(RoleArn=role, RoleSessionName="me", DurationSeconds=900)["Credentials"]
    assert identity.secret_of(given["AccessKeyId"]) == given["SecretAccessKey"]
    assert identity.secret_of("AKIAIOSFODNN7EXAMPLE") is None
    later = identity.utcnow() + timedelta(seconds=901)
    monkeypatch.setattr(identity, "utcnow", lambda: later)
    assert identity.secret_of(given["AccessKeyId"]) is None
