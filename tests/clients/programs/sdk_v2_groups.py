"""A heterogeneous cluster with SageMaker's Python SDK v2."""

import contextlib
import io
import uuid
from pathlib import Path

import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.instance_group import InstanceGroup

session = sagemaker.Session()
name = f"v2-{uuid.uuid4().hex[:8]}"
script = Path(__file__).parent / "instance_groups" / "train.py"

inputs = {}
for group, numbers in (("data", (1, 10, 100)), ("dnn", (1000,))):
    for number in numbers:
        Path(f"{number}.txt").write_text(str(number))
        session.upload_data(f"{number}.txt", key_prefix=f"{name}/{group}")
    inputs[group] = TrainingInput(
        f"s3://{session.default_bucket()}/{name}/{group}/",
        distribution="ShardedByS3Key",
        instance_groups=[group],
    )

estimator = Estimator(
    image_uris.retrieve(
        "sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large"
    ),
    role="arn:aws:iam::123456789012:role/SageMakerRole",
    instance_groups=[
        InstanceGroup("data", "ml.c5.xlarge", 2),
        InstanceGroup("dnn", "ml.m5.large", 1),
    ],
    entry_point=str(script),
    sagemaker_session=session,
    metric_definitions=[{"Name": "total", "Regex": "total=([0-9]+);"}],
)
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    estimator.fit(inputs, job_name=name, logs="All", wait=True)
print(shown.getvalue())
assert "total=1111;" in shown.getvalue()
described = estimator.latest_training_job.describe()
assert described["FinalMetricDataList"][0]["Value"] == 1111
assert [item["InstanceGroupName"] for item in described["ResourceConfig"]["InstanceGroups"]] == [
    "data",
    "dnn",
]
assert "InstanceCount" not in described["ResourceConfig"]
print("done")
