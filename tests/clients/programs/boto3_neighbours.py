"""The services around a training job: STS, IAM, ECR, S3 by URL, CloudWatch Logs of nobody."""

import json
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from boto3_requests import REGION
from botocore.exceptions import ClientError

identity = boto3.client("sts").get_caller_identity()
account = identity["Account"]
assert len(account) == 12 and f":{account}:assumed-role/" in identity["Arn"], identity

# --- roles ---------------------------------------------------------------------------------------

iam = boto3.client("iam")
role = iam.get_role(RoleName=identity["Arn"].split("/")[1])["Role"]
assert role["Arn"].startswith(f"arn:aws:iam::{account}:role/")
assert "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
simulated = iam.simulate_principal_policy(
    PolicySourceArn=role["Arn"],
    ActionNames=["sagemaker:CreateTrainingJob", "s3:GetObject", "ecr:GetAuthorizationToken"],
)["EvaluationResults"]
assert {item["EvalActionName"]: item["EvalDecision"] for item in simulated} == {
    "sagemaker:CreateTrainingJob": "allowed",
    "s3:GetObject": "allowed",
    "ecr:GetAuthorizationToken": "allowed",
}
made = iam.create_role(
    RoleName=f"role-{uuid.uuid4().hex[:8]}",
    AssumeRolePolicyDocument=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    ),
)["Role"]
assert iam.get_role(RoleName=made["RoleName"])["Role"]["Arn"] == made["Arn"]
names = [
    item["RoleName"]
    for page in iam.get_paginator("list_roles").paginate()
    for item in page["Roles"]
]
assert made["RoleName"] in names
assumed = boto3.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="training")
assert assumed["Credentials"]["SessionToken"]

# --- images --------------------------------------------------------------------------------------

ecr = boto3.client("ecr")
assert ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
repository = f"training-{uuid.uuid4().hex[:8]}"
uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
assert uri == f"{account}.dkr.ecr.{REGION}.amazonaws.com/{repository}"
found = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
assert [item["repositoryUri"] for item in found] == [uri]
try:
    ecr.describe_repositories(repositoryNames=["nobody-knows"])
    raise AssertionError("an unknown repository was found")
except ecr.exceptions.RepositoryNotFoundException as error:
    print(error)

# --- objects, as data scientists move them -------------------------------------------------------

s3 = boto3.client("s3")
bucket = f"boto3-{uuid.uuid4().hex[:8]}"
s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
body = bytes(range(256)) * 50_000
s3.put_object(Bucket=bucket, Key="données/été 1.bin", Body=body, Metadata={"origin": "here"})
head = s3.head_object(Bucket=bucket, Key="données/été 1.bin")
assert head["ContentLength"] == len(body) and head["Metadata"] == {"origin": "here"}
piece = s3.get_object(Bucket=bucket, Key="données/été 1.bin", Range="bytes=1000-1999")
assert piece["Body"].read() == body[1000:2000]

parts = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
resource = boto3.resource("s3").Bucket(bucket)
with Path(__file__).open("rb") as file:
    resource.upload_fileobj(file, "code/program.py", Config=parts)
s3.copy({"Bucket": bucket, "Key": "données/été 1.bin"}, bucket, "copy.bin", Config=parts)
assert resource.Object("copy.bin").get()["Body"].read() == body
assert sorted(item.key for item in resource.objects.all()) == [
    "code/program.py",
    "copy.bin",
    "données/été 1.bin",
]
folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
assert [item["Prefix"] for item in folders["CommonPrefixes"]] == ["code/", "données/"]

link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "copy.bin"})
with urllib.request.urlopen(link, timeout=20) as answer:
    assert answer.read() == body
link = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by-link"})
request = urllib.request.Request(link, data=b"linked", method="PUT")
with urllib.request.urlopen(request, timeout=20) as answer:
    assert answer.status == 200
assert s3.get_object(Bucket=bucket, Key="by-link")["Body"].read() == b"linked"
try:
    s3.get_object(Bucket=bucket, Key="missing")
    raise AssertionError("a missing object was read")
except s3.exceptions.NoSuchKey as error:
    print(error)
resource.objects.all().delete()
s3.delete_bucket(Bucket=bucket)

# --- services and calls nobody serves: an answer at once -----------------------------------------

logs = boto3.client("logs")
try:
    logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName="nobody/algo-1")
    raise AssertionError("a missing stream was read")
except logs.exceptions.ResourceNotFoundException as error:
    print(error)
for service, call in (
    ("bedrock", "list_foundation_models"),
    ("iotfleetwise", "list_fleets"),
    ("sagemaker-geospatial", "list_earth_observation_jobs"),
):
    started = time.monotonic()
    try:
        getattr(boto3.client(service), call)()
    except ClientError as error:
        assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, error
        print(error)
    assert time.monotonic() - started < 10
print("done")
