"""Built-in XGBoost with SageMaker's Python SDK v2: fit one estimator, then tune it."""

import contextlib
import io
import tarfile
import uuid
from pathlib import Path

import boto3
import numpy
import sagemaker
from sagemaker import image_uris
from sagemaker.analytics import HyperparameterTuningJobAnalytics, TrainingJobAnalytics
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter
from sample_rows import rows

session = sagemaker.Session()
region = session.boto_region_name
role = sagemaker.get_execution_role()
account = session.account_id()
bucket = session.default_bucket()
name = f"v2-{uuid.uuid4().hex[:8]}"
print(f"{role} in {bucket}")
assert role.startswith(f"arn:aws:iam::{account}:role/")
assert account in bucket and region in bucket

for channel, count in (("train", 300), ("validation", 100)):
    Path(f"{channel}.csv").write_text(rows(count, seed=count))
inputs = {}
for channel in ("train", "validation"):
    uri = session.upload_data(f"{channel}.csv", key_prefix=f"{name}/{channel}")
    assert uri == f"s3://{bucket}/{name}/{channel}/{channel}.csv", uri
    inputs[channel] = TrainingInput(uri, content_type="csv")
assert session.read_s3_file(bucket, f"{name}/train/train.csv") == rows(300, seed=300)
session.download_data("copies", bucket, key_prefix=f"{name}/train")
assert Path("copies/train.csv").read_text() == rows(300, seed=300)

image = image_uris.retrieve("xgboost", region, "1.7-1")


def estimator(**hyperparameters):
    return Estimator(
        image,
        role,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{bucket}/{name}/output",
        sagemaker_session=session,
        base_job_name=name,
        hyperparameters={
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "num_round": 10,
            **hyperparameters,
        },
        tags=[{"Key": "team", "Value": "forest"}],
    )


# --- a tuning job, and beside it a training job with its log on the screen -----------------------

tuner = HyperparameterTuner(
    estimator(),
    "validation:logloss",
    {
        "eta": ContinuousParameter(0.01, 0.5, scaling_type="Logarithmic"),
        "max_depth": IntegerParameter(1, 6),
    },
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
    base_tuning_job_name=name,
    random_seed=7,
    tags=[{"Key": "stage", "Value": "test"}],
)
tuner.fit(inputs, wait=False)

single = estimator(eta=0.3)
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    single.fit(inputs, logs="All", wait=True)
print(shown.getvalue())
assert shown.getvalue().count("validation-logloss") == 10
assert "Training seconds:" in shown.getvalue()
job = single.latest_training_job.name
described = single.latest_training_job.describe()
assert described["TrainingJobStatus"] == "Completed"
assert described["HyperParameters"]["eta"] == "0.3"
assert single.model_data == f"s3://{bucket}/{name}/output/{job}/output/model.tar.gz"
archive = io.BytesIO()
key = single.model_data.removeprefix(f"s3://{bucket}/")
boto3.client("s3").download_fileobj(bucket, key, archive)
archive.seek(0)
with tarfile.open(fileobj=archive) as opened:
    assert opened.getnames() == ["xgboost-model"], opened.getnames()
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    session.logs_for_job(job)
assert shown.getvalue().count("validation-logloss") == 10

curve = TrainingJobAnalytics(job, ["validation:logloss", "train:logloss"], session).dataframe()
assert set(curve.metric_name) == {"validation:logloss", "train:logloss"}
assert (curve.value > 0).all() and (curve.value < 1).all()
assert len(single.training_job_analytics.dataframe()) >= 2

again = Estimator.attach(job, session)
assert again.model_data == single.model_data
assert again.hyperparameters()["eta"] == "0.3"
assert again.image_uri == image

# --- what was tuned ------------------------------------------------------------------------------

tuner.wait()
described = tuner.describe()
assert described["HyperParameterTuningJobStatus"] == "Completed"
assert described["TrainingJobStatusCounters"]["Completed"] == 4

table = tuner.analytics().dataframe()
assert len(table) == 4
assert set(table.columns) >= {
    "eta",
    "max_depth",
    "TrainingJobName",
    "TrainingJobStatus",
    "FinalObjectiveValue",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingElapsedTimeSeconds",
}
assert table.eta.between(0.01, 0.5).all() and table.max_depth.isin(range(1, 7)).all()
assert numpy.isfinite(table.FinalObjectiveValue).all()
assert (table.TrainingElapsedTimeSeconds >= 0).all()
best = tuner.best_training_job()
assert best == table.loc[table.FinalObjectiveValue.idxmin(), "TrainingJobName"]
assert set(tuner.analytics().tuning_ranges) == {"eta", "max_depth"}

winner = tuner.best_estimator()
assert winner.latest_training_job.name == best
assert winner.hyperparameters()["num_round"] == "10"
assert winner.model_data.endswith(f"{best}/output/model.tar.gz")
assert {"Key": "team", "Value": "forest"} in winner.tags

job = tuner.latest_tuning_job.name
attached = HyperparameterTuner.attach(job, sagemaker_session=session)
assert attached.best_training_job() == best
assert attached.objective_metric_name == "validation:logloss"
assert attached.objective_type == "Minimize" and attached.max_jobs == 4
ranges = attached.hyperparameter_ranges()
assert [item["Name"] for item in ranges["IntegerParameterRanges"]] == ["max_depth"]
assert float(ranges["ContinuousParameterRanges"][0]["MaxValue"]) == 0.5
attached.wait()
assert len(attached.analytics().dataframe()) == 4
assert len(HyperparameterTuningJobAnalytics(job, session).dataframe()) == 4

# --- a tuning job that is stopped ----------------------------------------------------------------

long = HyperparameterTuner(
    estimator(num_round=1_000_000),
    "validation:logloss",
    {"eta": ContinuousParameter(0.01, 0.5)},
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
)
long.fit(inputs, job_name=f"{name}-long", wait=False)
try:
    long.best_training_job()
    raise AssertionError("there is a best training job already")
except Exception as error:  # the SDK raises nothing narrower
    assert "Best training job not available" in str(error), error
long.stop_tuning_job()
long.wait()
assert long.describe()["HyperParameterTuningJobStatus"] == "Stopped"
print("done")
