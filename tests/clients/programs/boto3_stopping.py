"""Follow a training job's log while it runs, stop it, and stop a tuning job."""

import time
import uuid

import boto3
from boto3_requests import make_bucket, training_request, tuning_request
from botocore.exceptions import ClientError

sagemaker = boto3.client("sagemaker")
logs = boto3.client("logs")

job = f"boto3-{uuid.uuid4().hex[:8]}"
bucket = f"{job}-data"
GROUP = "/aws/sagemaker/TrainingJobs"
MANY_ROUNDS = 1_000_000


def refused(call, code, text, **params):
    try:
        call(**params)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert text in error.response["Error"]["Message"], error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert error.response["ResponseMetadata"]["RetryAttempts"] == 0
        return error
    raise AssertionError(f"not refused: {params}")


make_bucket(bucket)
created = sagemaker.create_training_job(**training_request(job, bucket, MANY_ROUNDS))
assert created["TrainingJobArn"].endswith(f":training-job/{job}")

# The stream appears once the container runs; the token leads from each page to the next.
deadline = time.monotonic() + 60
token, rounds = None, []
while len(rounds) < 20:
    assert time.monotonic() < deadline, rounds
    try:
        found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")
        streams = [item["logStreamName"] for item in found["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        streams = []
    if streams:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(
            logGroupName=GROUP, logStreamName=streams[0], startFromHead=True, limit=50, **more
        )
        messages = [event["message"] for event in page["events"]]
        rounds += [text for text in messages if "validation-logloss" in text]
        token = page["nextForwardToken"]
    time.sleep(0.2)
numbers = [int(text.split("[")[1].split("]")[0]) for text in rounds]
assert numbers == list(range(len(numbers))), numbers
assert sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"] == "Training"

refused(
    sagemaker.delete_training_job,
    "ValidationException",
    "not in a terminal state",
    TrainingJobName=job,
)
sagemaker.stop_training_job(TrainingJobName=job)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
)
stopped = sagemaker.describe_training_job(TrainingJobName=job)
assert stopped["TrainingJobStatus"] == stopped["SecondaryStatus"] == "Stopped"
assert [step["Status"] for step in stopped["SecondaryStatusTransitions"]][-1] == "Stopped"
refused(
    sagemaker.stop_training_job,
    "ValidationException",
    "The request was rejected because the training job is in status Stopped",
    TrainingJobName=job,
)

tuning = f"{job}-t"
request = tuning_request(tuning, bucket, MANY_ROUNDS)
request["HyperParameterTuningJobConfig"]["Strategy"] = "SkoptGP"
sagemaker.create_hyper_parameter_tuning_job(**request)
refused(
    sagemaker.delete_hyper_parameter_tuning_job,
    "ValidationException",
    "not in a terminal state",
    HyperParameterTuningJobName=tuning,
)
deadline = time.monotonic() + 60
while True:
    counters = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)[
        "TrainingJobStatusCounters"
    ]
    if counters["InProgress"]:
        break
    assert time.monotonic() < deadline
    time.sleep(0.2)
sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
deadline = time.monotonic() + 60
while True:
    described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
    if described["HyperParameterTuningJobStatus"] == "Stopped":
        break
    assert described["HyperParameterTuningJobStatus"] == "Stopping", described
    assert time.monotonic() < deadline
    time.sleep(0.2)
jobs = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
    HyperParameterTuningJobName=tuning, StatusEquals="Stopped"
)["TrainingJobSummaries"]
assert len(jobs) == described["TrainingJobStatusCounters"]["Stopped"] > 0
assert described["TrainingJobStatusCounters"]["InProgress"] == 0
assert described["HyperParameterTuningJobConfig"]["Strategy"] == "SkoptGP"
sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning)
sagemaker.delete_training_job(TrainingJobName=job)
refused(
    sagemaker.describe_training_job,
    "ValidationException",
    "Requested resource not found.",
    TrainingJobName=job,
)
print("done")
