"""What is refused, with which exception and words; nothing is retried for long."""

import copy
import time
import uuid

import boto3
from boto3_requests import make_bucket, training_request, tuning_request
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

sagemaker = boto3.client("sagemaker")

job = f"boto3-{uuid.uuid4().hex[:8]}"
bucket = f"{job}-data"
CONFIG = "HyperParameterTuningJobConfig"


def refused(call, code, *texts, **params):
    """The error, after one try that took no time."""
    started = time.monotonic()
    try:
        call(**params)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        for text in texts:
            assert text in error.response["Error"]["Message"], (text, error)
        metadata = error.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 400 and metadata["RequestId"], metadata
        assert metadata["RetryAttempts"] == 0, metadata
        assert time.monotonic() - started < 5
        print(error)
        return error
    raise AssertionError(f"not refused: {params}")


def changed(path, value):
    """The tuning request with one member replaced."""
    request = copy.deepcopy(tuning_request(job, bucket))
    *parents, last = path.split(".")
    place = request
    for name in parents:
        place = place[name]
    place[last] = value
    return request


create = sagemaker.create_hyper_parameter_tuning_job
make_bucket(bucket)

# --- names ---------------------------------------------------------------------------------------

create(**tuning_request(job, bucket, num_round=1))
error = refused(
    create,
    "ResourceInUse",
    f"A hyperparameter tuning job with the name, {job}, already exists. Choose a different name.",
    **tuning_request(job, bucket),
)
assert isinstance(error, sagemaker.exceptions.ResourceInUse)
refused(create, "ResourceInUse", **changed("HyperParameterTuningJobName", job.upper()))
for name in ("boto3_under_score", "-dash", "x" * 33):
    refused(
        create,
        "ValidationException",
        f"Value '{name}' at 'hyperParameterTuningJobName' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}",
        **changed("HyperParameterTuningJobName", name),
    )

error = refused(
    sagemaker.describe_hyper_parameter_tuning_job,
    "ResourceNotFound",
    HyperParameterTuningJobName="nobody",
)
assert isinstance(error, sagemaker.exceptions.ResourceNotFound)
refused(
    sagemaker.stop_hyper_parameter_tuning_job,
    "ResourceNotFound",
    HyperParameterTuningJobName="nobody",
)
refused(
    sagemaker.describe_training_job,
    "ValidationException",
    "Requested resource not found.",
    TrainingJobName="nobody",
)
try:
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="nobody")
    raise AssertionError("the waiter waited")
except WaiterError as error:
    print(error)

# --- values --------------------------------------------------------------------------------------

job = f"{job}-2"
refused(
    create,
    "ValidationException",
    "2 validation errors detected",
    "Value 'Guess' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy constraint: "
    "Member must satisfy enum value set: [",
    "'hyperParameterTuningJobConfig.trainingJobEarlyStoppingType'",
    **changed(
        CONFIG,
        tuning_request(job, bucket)[CONFIG]
        | {"Strategy": "Guess", "TrainingJobEarlyStoppingType": "Sometimes"},
    ),
)
error = refused(
    create,
    "ResourceLimitExceeded",
    "with a request of 1000",
    **changed(
        f"{CONFIG}.ResourceLimits",
        {"MaxNumberOfTrainingJobs": 1000, "MaxParallelTrainingJobs": 2},
    ),
)
assert isinstance(error, sagemaker.exceptions.ResourceLimitExceeded)
refused(
    create,
    "ValidationException",
    "You don't have enough combinations of hyperparameter ranges. The total number of "
    "hyperparameter combinations for the provided ranges [2.0]",
    **changed(
        f"{CONFIG}.ParameterRanges",
        {"CategoricalParameterRanges": [{"Name": "tree_method", "Values": ["exact", "hist"]}]},
    ),
)
place = "TrainingJobDefinition.InputDataConfig"
channels = tuning_request(job, bucket)["TrainingJobDefinition"]["InputDataConfig"]
channels[0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/nothing/"
refused(
    create,
    "ValidationException",
    "No S3 objects found under S3 URL",
    f"s3://{bucket}/nothing/",
    **changed(place, channels),
)
image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/nobody-knows:1"
refused(
    create,
    "ValidationException",
    image,
    **changed("TrainingJobDefinition.AlgorithmSpecification.TrainingImage", image),
)
refused(
    create,
    "ValidationException",
    **changed(
        f"{CONFIG}.HyperParameterTuningJobObjective",
        {"Type": "Minimize", "MetricName": "validation:happiness"},
    ),
)
summaries = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=job)
assert summaries["HyperParameterTuningJobSummaries"] == [], "a refused job was stored"

refused(
    sagemaker.list_training_jobs,
    "ValidationException",
    NextToken="no token of ours",
)
refused(
    sagemaker.create_training_job,
    "ValidationException",
    "at 'trainingJobName'",
    **training_request("bad name", bucket),
)
refused(
    sagemaker.list_tags,
    "ValidationException",
    "Value 'no arn' at 'resourceArn' failed to satisfy constraint",
    ResourceArn="no arn",
)

# --- operations that are not served: at once -----------------------------------------------------

refused(
    sagemaker.create_endpoint,
    "UnknownOperationException",
    "CreateEndpoint",
    EndpointName="endpoint",
    EndpointConfigName="config",
)
refused(
    sagemaker.start_notebook_instance,
    "UnknownOperationException",
    "StartNotebookInstance",
    NotebookInstanceName="notebook",
)
runtime = boto3.client("sagemaker-runtime")
try:
    started = time.monotonic()
    runtime.invoke_endpoint(EndpointName="none", Body=b"1,2,3")
    raise AssertionError("an endpoint answered")
except ClientError as error:
    assert 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, error
    assert time.monotonic() - started < 5

# --- a client with its own habits ----------------------------------------------------------------

hasty = boto3.client(
    "sagemaker",
    region_name="eu-central-1",
    config=Config(retries={"mode": "adaptive", "max_attempts": 10}, read_timeout=20),
)
assert hasty.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
refused(
    hasty.describe_hyper_parameter_tuning_job,
    "ResourceNotFound",
    HyperParameterTuningJobName=job.removesuffix("-2"),
)
print("done")
