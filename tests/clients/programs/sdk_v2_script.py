"""Script mode with SageMaker's Python SDK v2: the frameworks, requirements, and a tuning job."""

import io
import json
import tarfile
import uuid
from pathlib import Path

import boto3
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.pytorch import PyTorch
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
)
from sagemaker.xgboost import XGBoost
from sample_rows import rows
from script_mode_project import project

session = sagemaker.Session()
region = session.boto_region_name
role = "arn:aws:iam::123456789012:role/SageMakerRole"
bucket = session.default_bucket()
name = f"v2-{uuid.uuid4().hex[:8]}"

Path("train.csv").write_text(rows(200, seed=1))
inputs = {"train": session.upload_data("train.csv", key_prefix=f"{name}/train")}
common = {
    "entry_point": "train.py",
    "role": role,
    "instance_count": 1,
    "instance_type": "ml.m5.large",
    "sagemaker_session": session,
}
plain, needy = project("plain"), project("needy", requirement=True)


def members(uri):
    archive = io.BytesIO()
    boto3.client("s3").download_fileobj(bucket, uri.removeprefix(f"s3://{bucket}/"), archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as opened:
        return {
            item.name.removeprefix("./"): opened.extractfile(item).read()
            for item in opened.getmembers()
            if item.isfile()
        }


# --- one training job for each framework, side by side -------------------------------------------

sklearn = SKLearn(
    **common,
    source_dir=plain,
    framework_version="1.2-1",
    hyperparameters={"framework": "sklearn", "epochs": 3, "penalty": "l2"},
)
required = SKLearn(
    **common,
    source_dir=needy,
    framework_version="1.2-1",
    hyperparameters={"framework": "requirement", "epochs": 3},
)
xgboost = XGBoost(
    **common,
    source_dir=plain,
    framework_version="1.7-1",
    hyperparameters={"framework": "xgboost", "epochs": 3},
)
generic = Estimator(
    image_uris.retrieve("sklearn", region, version="1.2-1", instance_type="ml.m5.large"),
    **common,
    source_dir=plain,
    hyperparameters={"epochs": 4, "rate": 0.5},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
)
torch = PyTorch(
    **common,
    source_dir=plain,
    framework_version="2.1.0",
    py_version="py310",
    hyperparameters={"framework": "torch", "epochs": 3},
)
wrong = SKLearn(
    **common,
    source_dir=plain,
    framework_version="1.2-1",
    hyperparameters={"framework": "no_such_module", "epochs": 3},
)
for number, estimator in enumerate((sklearn, required, xgboost, generic, torch, wrong)):
    estimator.fit(inputs, job_name=f"{name}-{number}", wait=False)

sklearn.latest_training_job.wait(logs="None")
for estimator in (sklearn, required, xgboost, generic):
    session.wait_for_job(estimator.latest_training_job.name, poll=1)
    model = json.loads(members(estimator.model_data)["weights.json"])
    assert len(model["weights"]) == 3, model
    output = estimator.model_data.replace("model.tar.gz", "output.tar.gz")
    assert float(members(output)["loss.txt"]) < 1
assert json.loads(members(sklearn.model_data)["weights.json"])["penalty"] == "l2"

for estimator, module in ((torch, "torch"), (wrong, "no_such_module")):
    try:
        session.wait_for_job(estimator.latest_training_job.name, poll=1)
        assert estimator is torch, "a missing module was imported"
    except UnexpectedStatusException as error:
        assert f"No module named '{module}'" in str(error), error


def log_of(estimator):
    logs = boto3.client("logs")
    events = logs.filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=f"{estimator.latest_training_job.name}/",
    )["events"]
    return "\n".join(event["message"] for event in events)


assert "hello from a requirement" in log_of(required)
assert "xgboost " in log_of(xgboost)
described = generic.latest_training_job.describe()
assert [item["MetricName"] for item in described["FinalMetricDataList"]] == ["loss"]
assert json.loads(described["HyperParameters"]["sagemaker_program"]) == "train.py"

attached = SKLearn.attach(sklearn.latest_training_job.name, sagemaker_session=session)
assert attached.entry_point == "train.py" and attached.hyperparameters()["epochs"] == "3"
assert attached.model_data == sklearn.model_data

# --- tuned, with every kind of range -------------------------------------------------------------

tuner = HyperparameterTuner(
    SKLearn(**common, source_dir=plain, framework_version="1.2-1"),
    "loss",
    {
        "rate": ContinuousParameter(0.001, 1.0, scaling_type="Logarithmic"),
        "epochs": IntegerParameter(2, 6),
        "penalty": CategoricalParameter(["none", "l2"]),
    },
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
    objective_type="Minimize",
    strategy="SkoptGP",
    max_jobs=4,
    max_parallel_jobs=2,
)
tuner.fit(inputs, job_name=f"{name}-tuned")
table = tuner.analytics().dataframe()
assert len(table) == 4 and (table.TrainingJobStatus == "Completed").all(), table
assert set(table.penalty) <= {'"none"', '"l2"'}, table
assert table.rate.between(0.001, 1.0).all() and table.epochs.isin(range(2, 7)).all()
assert (
    tuner.best_training_job() == table.loc[table.FinalObjectiveValue.idxmin(), "TrainingJobName"]
)
winner = tuner.best_estimator()
assert isinstance(winner, SKLearn) and winner.entry_point == "train.py"
assert "weights.json" in members(winner.model_data)
attached = HyperparameterTuner.attach(f"{name}-tuned", sagemaker_session=session)
assert tuner.metric_definitions[0] in attached.metric_definitions
assert attached.best_training_job() == tuner.best_training_job()
print("done")
