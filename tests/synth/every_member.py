"""A job with every argument that ends in CreateJob, and the request that it must become."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    ContainerImage,
    Device,
    Distribution,
    HybridJob,
    InputChannel,
    InstanceConfig,
    InstanceType,
    OutputData,
)

TAGS: Final = {"team": "chemistry"}

REQUEST: Final[Mapping[str, object]] = {
    "jobName": "my-job",
    "algorithmSpecification": {
        "scriptModeConfig": {
            "entryPoint": "algo:run",
            "s3Uri": "s3://amazon-braket-mine/a/algo.tar.gz",
            "compressionType": "GZIP",
        },
        "containerImage": {"uri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"},
    },
    "deviceConfig": {"device": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"},
    "instanceConfig": {
        "instanceType": "ml.p3.16xlarge",
        "volumeSizeInGb": 1024,
        "instanceCount": 2,
    },
    "outputDataConfig": {
        "s3Path": "s3://amazon-braket-mine/results/RUNID0000000/data",
        "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/mine",
    },
    "checkpointConfig": {
        "s3Uri": "s3://amazon-braket-mine/ckpt/RUNID0000000/checkpoints",
        "localPath": "/opt/ckpt",
    },
    "inputDataConfig": [
        {
            "channelName": "one",
            "contentType": "text/csv",
            "dataSource": {"s3DataSource": {"s3Uri": "s3://amazon-braket-mine/one/"}},
        },
        {
            "channelName": "two",
            "dataSource": {"s3DataSource": {"s3Uri": "s3://amazon-braket-other/two"}},
        },
    ],
    "hyperParameters": {
        "text": "a",
        "int": "3",
        "float": "0.1",
        "bool": "False",
        "sagemaker_distributed_dataparallel_enabled": "true",
        "sagemaker_instance_type": "ml.p3.16xlarge",
    },
    "stoppingCondition": {"maxRuntimeInSeconds": 7200},
    "associations": [
        {
            "arn": "arn:aws:braket:us-east-1:111122223333:reservation/r",
            "type": "RESERVATION_TIME_WINDOW_ARN",
        }
    ],
}


def declare(stack: Stack) -> None:
    """Declare the job."""
    bucket = s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/mine")
    HybridJob(
        stack,
        "Job",
        algorithm=AlgorithmScript.from_bucket(bucket, "a/algo.tar.gz", entry_point="algo:run"),
        image=ContainerImage.from_uri("111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"),
        device=Device.IONQ_FORTE_1,
        hyperparameters={"text": "a", "int": 3, "float": 0.1, "bool": False},
        input_data={
            "one": InputChannel.from_bucket(bucket, "one/", content_type="text/csv"),
            "two": InputChannel.from_s3_uri("s3://amazon-braket-other/two"),
        },
        output_data=OutputData(bucket=bucket, prefix="results/", encryption_key=key),
        checkpoint=Checkpoint(local_path="/opt/ckpt", bucket=bucket, prefix="/ckpt"),
        instance=InstanceConfig(
            instance_type=InstanceType.P3_16XLARGE,
            volume_size=Size.tebibytes(1),
            instance_count=2,
        ),
        distribution=Distribution.DATA_PARALLEL,
        max_runtime=Duration.hours(2),
        job_name="my-job",
        reservation_arn="arn:aws:braket:us-east-1:111122223333:reservation/r",
        tags=TAGS,
    )
