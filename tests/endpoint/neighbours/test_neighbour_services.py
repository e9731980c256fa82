"""moto's services behind the door: what is kept, what is refused, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.endpoint.neighbours.neighbour_server import ACCOUNT, REGION, Neighbours, raw

ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"


def _refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return response["Error"]["Code"], response["Error"]["Message"]


def test_repositories_keys_and_secrets_are_kept_in_the_account(neighbours: Neighbours) -> None:
    ecr, kms = neighbours.client("ecr"), neighbours.client("kms")
    made = ecr.create_repository(repositoryName="images")["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/images"
    assert ecr.describe_repositories()["repositories"][0]["repositoryName"] == "images"
    assert ecr.get_authorization_token()["authorizationData"]
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
    secrets = neighbours.client("secretsmanager")
    secrets.create_secret(Name="token", SecretString="s3cret")
    assert secrets.get_secret_value(SecretId="token")["SecretString"] == "s3cret"


def test_regions_are_kept_apart(neighbours: Neighbours) -> None:
    neighbours.client("sqs").create_queue(QueueName="here")
    assert "QueueUrls" not in neighbours.client("sqs", region_name="eu-west-1").list_queues()
    assert len(neighbours.client("sqs").list_queues()["QueueUrls"]) == 1


def test_models_are_bookkeeping(neighbours: Neighbours) -> None:
    sagemaker = neighbours.client("sagemaker")
    sagemaker.create_model(
        ModelName="kept", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"}
    )
    (found,) = sagemaker.list_models()["Models"]
    assert found["ModelArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/kept"
    sagemaker.create_endpoint_config(
        EndpointConfigName="kept",
        ProductionVariants=[
            {"VariantName": "a", "ModelName": "kept", "InstanceType": "ml.m5.large"}
        ],
    )
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"]


def test_what_would_only_pretend_to_run_is_refused(neighbours: Neighbours) -> None:
    sagemaker = neighbours.client("sagemaker")
    resources = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    code, text = _refusal(
        sagemaker.create_processing_job,
        ProcessingJobName="job",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": "image"},
        ProcessingResources={"ClusterConfig": resources},
    )
    assert code == "UnknownOperationException"
    assert text == (
        "The operation CreateProcessingJob of sagemaker is not served here: "
        "processing jobs cannot run on this machine."
    )
    for call, params in (
        (sagemaker.create_endpoint, {"EndpointName": "e", "EndpointConfigName": "kept"}),
        (sagemaker.start_pipeline_execution, {"PipelineName": "p"}),
        (sagemaker.describe_training_job, {"TrainingJobName": "t"}),
        (sagemaker.list_algorithms, {}),
    ):
        code, text = _refusal(call, **params)
        assert code == "UnknownOperationException"
        assert "is not served here" in text
    _, text = _refusal(sagemaker.update_training_job, TrainingJobName="t")
    assert text == "The operation UpdateTrainingJob of sagemaker is not served here."


def test_the_runtimes_that_sign_as_sagemaker_are_told_apart(neighbours: Neighbours) -> None:
    metrics = neighbours.client("sagemaker-metrics")
    point = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5, "Step": 1}
    neighbours.client("sagemaker").create_trial_component(TrialComponentName="trial")
    answer = metrics.batch_put_metrics(TrialComponentName="trial", MetricData=[point])
    assert answer.get("Errors", []) == []
    features = neighbours.client("sagemaker-featurestore-runtime")
    code, text = _refusal(
        features.get_record, FeatureGroupName="f", RecordIdentifierValueAsString="1"
    )
    assert code == "UnknownOperationException"
    assert text == "The operation of this request of sagemaker is not served here."


def test_predictions_are_not_invented(neighbours: Neighbours) -> None:
    runtime = neighbours.client("sagemaker-runtime")
    _, text = _refusal(runtime.invoke_endpoint, EndpointName="e", Body=b"1,2")
    assert "no endpoint of SageMaker runs on this machine" in text


@pytest.mark.parametrize(("service", "operation"), [
    ("lambda", "list_functions"), ("batch", "describe_jobs"),
    ("cloudformation", "list_stacks"), ("firehose", "list_delivery_streams"),
    ("apigateway", "get_rest_apis"),
])  # fmt: skip
def test_services_that_reach_out_of_the_process_are_refused(
    neighbours: Neighbours, service: str, operation: str
) -> None:
    params = {"jobs": ["a"]} if service == "batch" else {}
    code, text = _refusal(getattr(neighbours.client(service), operation), **params)
    assert code == "AccessDeniedException"
    assert text.startswith("This is not served here: ")


def test_a_parameter_cannot_name_a_file(neighbours: Neighbours, tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text("[]")
    rds = neighbours.client("rds")
    assert rds.describe_option_group_options(EngineName="mysql")["OptionGroupOptions"]
    for call, member in (
        (rds.describe_option_group_options, "EngineName"),
        (rds.describe_orderable_db_instance_options, "Engine"),
    ):
        code, text = _refusal(call, **{member: f"{'../' * 20}{tmp_path}/options"})
        assert code == "InvalidParameterValue"
        assert str(tmp_path) not in text


def test_nothing_is_sent_to_other_addresses(neighbours: Neighbours) -> None:
    sns = neighbours.client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    code, _ = _refusal(
        sns.subscribe, TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:9/"
    )
    assert code == "InvalidParameter"


@pytest.mark.parametrize(
    "service", ["sts", "ecr", "ec2", "sagemaker", "moto_api", "s3", "motoapi"]
)
@pytest.mark.parametrize("path", [
    "/moto-api/data.json", "/moto-api/reset", "/latest/meta-data/iam/security-credentials/x",
])  # fmt: skip
def test_motos_own_doors_are_shut(neighbours: Neighbours, service: str, path: str) -> None:
    for method in ("GET", "POST"):
        status, _, body = raw(neighbours.port, service, method=method, path=path)
        assert status == 400
        assert b"AccessKey" not in body


@pytest.mark.parametrize("scope", [
    "169.254.169.254", "motoapi.amazonaws.com", "s3", "s3-control", "no_such", "..", "nothing",
])  # fmt: skip
def test_a_scope_cannot_name_what_is_no_neighbour(neighbours: Neighbours, scope: str) -> None:
    for region in (REGION, "amazonaws.com", "", "x y"):
        status, _, body = raw(neighbours.port, scope, method="GET", region=region or "-")
        assert status == 400
        assert json.loads(body)["__type"] == "UnknownOperationException"


def test_web_pages_are_given_no_leave(neighbours: Neighbours) -> None:
    status, headers, _ = raw(
        neighbours.port,
        "sts",
        b"Action=GetCallerIdentity&Version=2011-06-15",
        Content_Type="application/x-www-form-urlencoded",
        Origin="http://evil.example",
    )
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control")]
