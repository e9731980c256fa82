"""Tune XGBoost with boto3: create, follow, list, read logs and metrics, load the best model."""

import datetime
import io
import tarfile
import time
import uuid

import boto3
import numpy
import xgboost
from boto3_requests import REGION, make_bucket, tuning_request
from sample_rows import rows

sagemaker = boto3.client("sagemaker")
s3 = boto3.client("s3")
logs = boto3.client("logs")
cloudwatch = boto3.client("cloudwatch")

job = f"boto3-{uuid.uuid4().hex[:8]}"
bucket = f"{job}-data"
GROUP = "/aws/sagemaker/TrainingJobs"

make_bucket(bucket)
listed = s3.list_objects_v2(Bucket=bucket)
assert [item["Key"] for item in listed["Contents"]] == ["train/rows.csv", "validation/rows.csv"]

created = sagemaker.create_hyper_parameter_tuning_job(**tuning_request(job, bucket))
arn = created["HyperParameterTuningJobArn"]
assert arn.startswith(f"arn:aws:sagemaker:{REGION}:") and arn.endswith(
    f":hyper-parameter-tuning-job/{job}"
)
assert created["ResponseMetadata"]["RequestId"]

deadline = time.monotonic() + 90
while True:
    described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    if described["HyperParameterTuningJobStatus"] != "InProgress":
        break
    assert time.monotonic() < deadline, described
    time.sleep(0.5)

assert described["HyperParameterTuningJobStatus"] == "Completed", described
assert described["HyperParameterTuningJobArn"] == arn
assert described["TrainingJobStatusCounters"] == {
    "Completed": 3,
    "InProgress": 0,
    "RetryableError": 0,
    "NonRetryableError": 0,
    "Stopped": 0,
}
assert described["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
assert described["CreationTime"] <= described["HyperParameterTuningEndTime"]
assert described["LastModifiedTime"].tzinfo is not None
now = datetime.datetime.now(datetime.UTC)
assert abs(now - described["CreationTime"]) < datetime.timedelta(minutes=5)
assert described["ConsumedResources"]["RuntimeInSeconds"] >= 0

config = described["HyperParameterTuningJobConfig"]
assert config["Strategy"] == "Bayesian" and config["TrainingJobEarlyStoppingType"] == "Off"
assert config["ParameterRanges"]["CategoricalParameterRanges"] == []
definition = described["TrainingJobDefinition"]
assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:logloss"
assert definition["ResourceConfig"]["InstanceType"] == "ml.m5.large"
metrics = {item["Name"] for item in definition["AlgorithmSpecification"]["MetricDefinitions"]}
assert {"validation:logloss", "train:logloss", "ObjectiveMetric"} <= metrics

# --- its training jobs ---------------------------------------------------------------------------

pages = list(
    sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=job, PaginationConfig={"PageSize": 2}
    )
)
assert [len(page["TrainingJobSummaries"]) for page in pages] == [2, 1]
trained = [item for page in pages for item in page["TrainingJobSummaries"]]
assert [item["TrainingJobName"][:-8] for item in trained] == [f"{job}-00{n}-" for n in (1, 2, 3)]
assert {item["TrainingJobStatus"] for item in trained} == {"Completed"}
for item in trained:
    tuned = item["TunedHyperParameters"]
    assert set(tuned) == {"eta", "max_depth"}
    assert 0.01 <= float(tuned["eta"]) <= 0.5 and 1 <= int(tuned["max_depth"]) <= 6
    assert item["TrainingStartTime"] <= item["TrainingEndTime"]
    assert item["ObjectiveStatus"] == "Succeeded"

ranked = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
    HyperParameterTuningJobName=job, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending"
)["TrainingJobSummaries"]
values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in ranked]
assert values == sorted(values) and len(values) == 3
best = described["BestTrainingJob"]
assert best["TrainingJobName"] == ranked[0]["TrainingJobName"]
assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
    "MetricName": "validation:logloss",
    "Value": values[0],
}
print(f"best of {job}: {best['TrainingJobName']} {values[0]} {best['TunedHyperParameters']}")

sagemaker.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=best["TrainingJobName"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
)
winner = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
assert winner["TrainingJobStatus"] == winner["SecondaryStatus"] == "Completed"
assert winner["TuningJobArn"] == arn
assert winner["HyperParameters"].items() >= best["TunedHyperParameters"].items()
assert winner["HyperParameters"]["_tuning_objective_metric"] == "validation:logloss"
assert winner["OutputDataConfig"]["KmsKeyId"] == ""
assert winner["TrainingTimeInSeconds"] >= 0
steps = [step["Status"] for step in winner["SecondaryStatusTransitions"]]
assert steps[-1] == "Completed" and "Training" in steps
assert all("StatusMessage" in step for step in winner["SecondaryStatusTransitions"])
final = {item["MetricName"]: item for item in winner["FinalMetricDataList"]}
assert abs(final["validation:logloss"]["Value"] - values[0]) < 1e-4
assert final["validation:logloss"]["Timestamp"] <= now

# --- the best model, on our own data -------------------------------------------------------------

location = winner["ModelArtifacts"]["S3ModelArtifacts"]
assert location == f"s3://{bucket}/output/{best['TrainingJobName']}/output/model.tar.gz"
archive = io.BytesIO()
s3.download_fileobj(bucket, location.removeprefix(f"s3://{bucket}/"), archive)
archive.seek(0)
with tarfile.open(fileobj=archive) as opened:
    model = xgboost.Booster()
    model.load_model(bytearray(opened.extractfile("xgboost-model").read()))
table = numpy.array([line.split(",") for line in rows(100, seed=2).split()], dtype=float)
predicted = model.predict(xgboost.DMatrix(table[:, 1:])) > 0.5
assert (predicted == table[:, 0]).mean() > 0.8

# --- what the training jobs wrote ----------------------------------------------------------------

streams = logs.describe_log_streams(
    logGroupName=GROUP, logStreamNamePrefix=f"{best['TrainingJobName']}/", orderBy="LogStreamName"
)["logStreams"]
assert len(streams) == 1
assert streams[0]["logStreamName"].startswith(f"{best['TrainingJobName']}/algo-1-")


def read_to_the_end(stream, limit):
    """All messages of a stream, `limit` at a time; the end is an unchanged token."""
    messages, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=limit, **more
        )
        messages += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            return messages
        token = page["nextForwardToken"]


messages = read_to_the_end(streams[0]["logStreamName"], limit=5)
assert messages == read_to_the_end(streams[0]["logStreamName"], limit=1000)
rounds = [text for text in messages if "validation-logloss" in text]
assert len(rounds) == 10, messages
found = [
    event
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP,
        logStreamNamePrefix=f"{job}-",
        filterPattern='"validation-logloss"',
        PaginationConfig={"PageSize": 10},
    )
    for event in page["events"]
]
assert len(found) == 30
assert {event["logStreamName"].split("/")[0] for event in found} == {
    item["TrainingJobName"] for item in trained
}
groups = logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
assert [group["logGroupName"] for group in groups] == [GROUP]

# --- the metrics as CloudWatch has them ----------------------------------------------------------

span = {
    "StartTime": winner["TrainingStartTime"],
    "EndTime": winner["TrainingEndTime"] + datetime.timedelta(minutes=1),
}
metric = {
    "Namespace": GROUP,
    "MetricName": "validation:logloss",
    "Dimensions": [{"Name": "TrainingJobName", "Value": best["TrainingJobName"]}],
}
points = cloudwatch.get_metric_statistics(
    **metric, **span, Period=60, Statistics=["Average", "Minimum", "SampleCount"]
)["Datapoints"]
assert sum(point["SampleCount"] for point in points) == 10
assert min(point["Minimum"] for point in points) <= points[0]["Average"]
data = cloudwatch.get_metric_data(
    **span,
    MetricDataQueries=[
        {"Id": "loss", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Minimum"}}
    ],
)["MetricDataResults"]
assert data[0]["Id"] == "loss" and data[0]["StatusCode"] == "Complete"
assert min(data[0]["Values"]) == min(point["Minimum"] for point in points)
assert len(data[0]["Timestamps"]) == len(data[0]["Values"])
names = {
    item["MetricName"]
    for page in cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=GROUP, Dimensions=metric["Dimensions"]
    )
    for item in page["Metrics"]
}
assert {"validation:logloss", "train:logloss"} <= names

# --- found again, tagged, and forgotten ----------------------------------------------------------

mine = [
    item
    for page in sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
        NameContains=job, StatusEquals="Completed", SortBy="CreationTime", SortOrder="Descending"
    )
    for item in page["HyperParameterTuningJobSummaries"]
]
assert [item["HyperParameterTuningJobName"] for item in mine] == [job]
assert mine[0]["Strategy"] == "Bayesian"
assert mine[0]["TrainingJobStatusCounters"]["Completed"] == 3
everything = [
    item["TrainingJobName"]
    for page in sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=job, PaginationConfig={"PageSize": 1}
    )
    for item in page["TrainingJobSummaries"]
]
assert sorted(everything) == sorted(item["TrainingJobName"] for item in trained)

hits = [
    item
    for page in sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob",
        SearchExpression={
            "Filters": [
                {"Name": "TrainingJobName", "Operator": "Contains", "Value": job},
                {"Name": "Metrics.validation:logloss", "Operator": "LessThan", "Value": "100"},
            ]
        },
        SortBy="Metrics.validation:logloss",
        SortOrder="Ascending",
    )
    for item in page["Results"]
]
assert [hit["TrainingJob"]["TrainingJobName"] for hit in hits] == [
    item["TrainingJobName"] for item in ranked
]
hits = sagemaker.search(
    Resource="HyperParameterTuningJob",
    SearchExpression={"Filters": [{"Name": "Tags.team", "Operator": "Equals", "Value": job}]},
)["Results"]
assert [hit["HyperParameterTuningJob"]["HyperParameterTuningJobName"] for hit in hits] == [job]


def tags(resource):
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=resource)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


assert tags(arn) == {"team": job}
assert tags(winner["TrainingJobArn"])["team"] == job
sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "été"}])
assert tags(arn) == {"team": job, "stage": "été"}
sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
assert tags(arn) == {"stage": "été"}

sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
deadline = time.monotonic() + 30
while True:
    try:
        left = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    except sagemaker.exceptions.ResourceNotFound as error:
        print(error)
        break
    assert left["HyperParameterTuningJobStatus"] == "Deleting" and time.monotonic() < deadline
    time.sleep(0.2)
kept = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
assert kept["TrainingJobStatus"] == "Completed"
print("done")
