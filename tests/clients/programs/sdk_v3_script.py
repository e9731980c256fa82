"""Script mode with SageMaker's Python SDK v3: ModelTrainer with a source directory, tuned too."""

import io
import json
import logging
import tarfile
import uuid
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner
from sample_rows import rows
from script_mode_project import project

logging.basicConfig(level=logging.INFO)
session = Session()
region = session.boto_region_name
role = "arn:aws:iam::123456789012:role/SageMakerRole"
bucket = session.default_bucket()
name = f"v3-{uuid.uuid4().hex[:8]}"

Path("train.csv").write_text(rows(200, seed=1))
uri = session.upload_data("train.csv", key_prefix=f"{name}/train")
inputs = [InputData(channel_name="train", data_source=uri)]
sklearn = image_uris.retrieve("sklearn", region, version="1.2-1", instance_type="ml.m5.large")
xgboost = image_uris.retrieve("xgboost", region, version="1.7-1")
plain, needy = project("plain"), project("needy", requirement=True)


def trainer(image, directory, requirements=None, **hyperparameters):
    return ModelTrainer(
        training_image=image,
        role=role,
        base_job_name=f"{name}-{len(jobs)}",
        source_code=SourceCode(
            source_dir=directory, entry_script="train.py", requirements=requirements
        ),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=hyperparameters,
    )


def members(location):
    archive = io.BytesIO()
    key = location.removeprefix(f"s3://{bucket}/")
    boto3.client("s3").download_fileobj(bucket, key, archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as opened:
        return {
            item.name.removeprefix("./"): opened.extractfile(item).read()
            for item in opened.getmembers()
            if item.isfile()
        }


# --- training jobs, side by side -----------------------------------------------------------------

jobs = []
for image, directory, requirements, hyperparameters in (
    (sklearn, plain, None, {"framework": "sklearn", "penalty": "l2", "epochs": 3}),
    (sklearn, needy, "requirements.txt", {"framework": "requirement", "epochs": 3}),
    (xgboost, plain, None, {"framework": "xgboost", "epochs": 3}),
    (sklearn, plain, None, {"framework": "no_such_module", "epochs": 3}),
):
    one = trainer(image, directory, requirements, **hyperparameters)
    one.train(input_data_config=inputs, wait=False)
    jobs.append(one._latest_training_job)

*good, wrong = jobs
for job in good:
    job.wait(poll=1, timeout=120)
    assert job.training_job_status == "Completed", job
    model = json.loads(members(job.model_artifacts.s3_model_artifacts)["weights.json"])
    assert len(model["weights"]) == 3, model
assert (
    json.loads(members(good[0].model_artifacts.s3_model_artifacts)["weights.json"])["penalty"]
    == "l2"
)
try:
    wrong.wait(poll=1, timeout=120)
    raise AssertionError("a missing module was imported")
except FailedStatusError as error:
    assert "no_such_module" in str(error), error

logs = boto3.client("logs")
said = {
    job.training_job_name: "\n".join(
        event["message"]
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/sagemaker/TrainingJobs",
            logStreamNamePrefix=f"{job.training_job_name}/",
        )
        for event in page["events"]
    )
    for job in jobs
}
assert "hello from a requirement" in said[good[1].training_job_name]
assert "xgboost " in said[good[2].training_job_name]

# --- tuned, with every kind of range -------------------------------------------------------------

tuner = HyperparameterTuner(
    trainer(sklearn, plain, framework="sklearn"),
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
tuner.tune(inputs, job_name=f"{name}-tuned")
table = tuner.analytics().dataframe()
assert len(table) == 4 and (table.TrainingJobStatus == "Completed").all(), table
assert set(table.penalty) <= {"none", "l2"}, table
best = tuner.best_training_job()
assert best == table.loc[table.FinalObjectiveValue.idxmin(), "TrainingJobName"]
print("done")
