"""Built-in XGBoost with SageMaker's Python SDK v3: train one model, then tune it."""

import io
import logging
import tarfile
import time
import uuid
from pathlib import Path

import boto3
import numpy
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.processing import Processor
from sagemaker.core.resources import HyperParameterTuningJob, ProcessingJob, TrainingJob
from sagemaker.core.shapes import OutputDataConfig, StoppingCondition, Tag
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner
from sample_rows import rows


class Shown(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


shown = Shown()
logging.basicConfig(level=logging.INFO, handlers=[logging.StreamHandler(), shown])
session = Session()
region = session.boto_region_name
role = get_execution_role()
bucket = session.default_bucket()
name = f"v3-{uuid.uuid4().hex[:8]}"

inputs = []
for channel, count in (("train", 300), ("validation", 100)):
    Path(f"{channel}.csv").write_text(rows(count, seed=count))
    uri = session.upload_data(f"{channel}.csv", key_prefix=f"{name}/{channel}")
    inputs.append(InputData(channel_name=channel, data_source=uri, content_type="text/csv"))

image = image_uris.retrieve("xgboost", region, "1.7-1")


def trainer(**hyperparameters):
    return ModelTrainer(
        training_image=image,
        role=role,
        base_job_name=name,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/{name}/output"),
        hyperparameters={
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "num_round": 10,
            **hyperparameters,
        },
        tags=[Tag(key="team", value="forest")],
    )


# --- one training job, its log on the screen -----------------------------------------------------

single = trainer(eta=0.3)
single.train(input_data_config=inputs, wait=True, logs=True)
job = single._latest_training_job
assert job.training_job_status == "Completed" and job.secondary_status == "Completed"
assert job.hyper_parameters["eta"] == "0.3"
assert len([line for line in shown.lines if "validation-logloss" in line]) == 10, shown.lines
archive = io.BytesIO()
key = job.model_artifacts.s3_model_artifacts.removeprefix(f"s3://{bucket}/")
boto3.client("s3").download_fileobj(bucket, key, archive)
archive.seek(0)
with tarfile.open(fileobj=archive) as opened:
    assert opened.getnames() == ["xgboost-model"], opened.getnames()

same = TrainingJob.get(job.training_job_name)
assert same.training_job_arn == job.training_job_arn
assert [item.training_job_name for item in TrainingJob.get_all(name_contains=name)] == [
    job.training_job_name
]
same.delete()
same.wait_for_delete(poll=1, timeout=30)

# --- a tuning job --------------------------------------------------------------------------------

tuner = HyperparameterTuner(
    trainer(),
    "validation:logloss",
    {
        "eta": ContinuousParameter(0.01, 0.5, scaling_type="Logarithmic"),
        "max_depth": IntegerParameter(1, 6),
    },
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
    random_seed=7,
)
tuner.tune(inputs, job_name=f"{name}-tuned", wait=True)
described = tuner.describe()
assert described.hyper_parameter_tuning_job_status == "Completed"
assert described.training_job_status_counters.completed == 4
assert described.training_job_definition.resource_config.instance_type == "ml.m5.large"

table = tuner.analytics().dataframe()
assert len(table) == 4
assert table.eta.between(0.01, 0.5).all() and table.max_depth.isin(range(1, 7)).all()
assert numpy.isfinite(table.FinalObjectiveValue).all()
assert (table.TrainingElapsedTimeSeconds >= 0).all()
best = tuner.best_training_job()
assert best == table.loc[table.FinalObjectiveValue.idxmin(), "TrainingJobName"]

tuning_job = HyperParameterTuningJob.get(f"{name}-tuned")
assert tuning_job.best_training_job.training_job_name == best
trained = list(tuning_job.get_all_training_jobs(sort_by="FinalObjectiveMetricValue"))
assert trained[0].training_job_name == best and len(trained) == 4
found = list(HyperParameterTuningJob.get_all(name_contains=name, status_equals="Completed"))
assert [item.hyper_parameter_tuning_job_name for item in found] == [f"{name}-tuned"]
winner = TrainingJob.get(best)
assert winner.tuning_job_arn == tuning_job.hyper_parameter_tuning_job_arn
assert winner.final_metric_data_list[0].value > 0
tuning_job.delete()
tuning_job.wait_for_delete(poll=1, timeout=30)

# --- a tuning job that is stopped ----------------------------------------------------------------

long = HyperparameterTuner(
    trainer(num_round=1_000_000),
    "validation:logloss",
    {"eta": ContinuousParameter(0.01, 0.5)},
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
)
long.tune(inputs, job_name=f"{name}-long", wait=False)
assert (
    HyperParameterTuningJob.get(f"{name}-long").hyper_parameter_tuning_job_status == "InProgress"
)
long.stop_tuning_job()
long.latest_tuning_job.wait(poll=1, timeout=60)
assert long.describe().hyper_parameter_tuning_job_status == "Stopped"

# --- what is not served says so, at once ---------------------------------------------------------


def refused(call, text):
    started = time.monotonic()
    try:
        call()
    except ClientError as error:
        assert text in str(error), error
        assert time.monotonic() - started < 5
        print(error)
        return
    raise AssertionError(f"not refused: {text}")


refused(lambda: ProcessingJob.get("nobody"), "DescribeProcessingJob")
processor = Processor(
    role=role,
    image_uri=image,
    instance_count=1,
    instance_type="ml.m5.large",
    entrypoint=["python3", "-c", "print()"],
    sagemaker_session=session,
)
refused(lambda: processor.run(wait=False, logs=False), "CreateProcessingJob")
refused(lambda: HyperParameterTuningJob.get("nobody"), "ResourceNotFound")
refused(lambda: TrainingJob.get("nobody"), "Requested resource not found.")
print("done")
