"""A heterogeneous cluster with SageMaker's Python SDK v3, whose code comes in channels, too."""

import uuid
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import InstanceGroup, S3DataSource
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

session = Session()
bucket = session.default_bucket()
name = f"v3-{uuid.uuid4().hex[:8]}"

inputs = []
for group, numbers in (("data", (1, 10, 100)), ("dnn", (1000,))):
    for number in numbers:
        Path(f"{number}.txt").write_text(str(number))
        session.upload_data(f"{number}.txt", key_prefix=f"{name}/{group}")
    source = S3DataSource(
        s3_data_type="S3Prefix",
        s3_uri=f"s3://{bucket}/{name}/{group}/",
        s3_data_distribution_type="ShardedByS3Key",
        instance_group_names=[group],
    )
    inputs.append(InputData(channel_name=group, data_source=source))

groups = [
    InstanceGroup(instance_group_name="data", instance_type="ml.c5.xlarge", instance_count=2),
    InstanceGroup(instance_group_name="dnn", instance_type="ml.m5.large", instance_count=1),
]
trainer = ModelTrainer(
    training_image=image_uris.retrieve(
        "sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large"
    ),
    role="arn:aws:iam::123456789012:role/SageMakerRole",
    base_job_name=name,
    source_code=SourceCode(
        source_dir=str(Path(__file__).parent / "instance_groups"), entry_script="train.py"
    ),
    compute=Compute(instance_groups=groups, volume_size_in_gb=1),
)
trainer.train(input_data_config=inputs, wait=False)
job = trainer._latest_training_job
job.wait(poll=1, timeout=120)
assert job.training_job_status == "Completed", job
assert {item.instance_group_name for item in job.resource_config.instance_groups} == {
    "data",
    "dnn",
}
assert job.model_artifacts.s3_model_artifacts.endswith("model.tar.gz")
print("done")
