"""The requests of the boto3 programs."""

import boto3
from sample_rows import rows

REGION = boto3.session.Session().region_name
IMAGE = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def make_bucket(bucket):
    """With data for the channels train and validation."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="train/rows.csv", Body=rows(300, seed=1))
    s3.put_object(Bucket=bucket, Key="validation/rows.csv", Body=rows(100, seed=2))


def tuning_request(job, bucket, num_round=10):
    return {
        "HyperParameterTuningJobName": job,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:logloss",
            },
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {
                        "Name": "eta",
                        "MinValue": "0.01",
                        "MaxValue": "0.5",
                        "ScalingType": "Logarithmic",
                    }
                ],
                "IntegerParameterRanges": [
                    {"Name": "max_depth", "MinValue": "1", "MaxValue": "6"}
                ],
            },
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": _hyperparameters(num_round),
            **_definition(bucket),
        },
        "Tags": [{"Key": "team", "Value": job}],
    }


def training_request(job, bucket, num_round=10):
    return {
        "TrainingJobName": job,
        "HyperParameters": {"eta": "0.2", "max_depth": "3", **_hyperparameters(num_round)},
        **_definition(bucket),
        "Tags": [{"Key": "team", "Value": job}],
    }


def _hyperparameters(num_round):
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "num_round": str(num_round),
    }


def _definition(bucket):
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "InputDataConfig": [_channel(bucket, "train"), _channel(bucket, "validation")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def _channel(bucket, name):
    return {
        "ChannelName": name,
        "ContentType": "text/csv",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": f"s3://{bucket}/{name}/",
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }
