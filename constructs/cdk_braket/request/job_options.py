"""The options of a hybrid job that belong together."""

from dataclasses import dataclass, field
from enum import StrEnum

from aws_cdk import Duration, Size
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from .instance_type import InstanceType


class Distribution(StrEnum):
    """How a job's script is spread over its instances.

    Example:
        >>> from cdk_braket import Distribution
        >>> Distribution("data_parallel").name
        'DATA_PARALLEL'
    """

    __module__ = "cdk_braket"

    DATA_PARALLEL = "data_parallel"
    """Data parallelism of PyTorch or TensorFlow. It sets two hyperparameters, as the Braket SDK
    does: `sagemaker_distributed_dataparallel_enabled` and `sagemaker_instance_type`."""


@dataclass(frozen=True, slots=True)
class WaitForCompletion:
    """Has the deployment wait for the job, and succeed only if the job completes.

    A job is cancelled when its deployment fails and is rolled back. To change how a deployment
    waits runs nothing again.

    Attributes:
        timeout: How long it waits, in whole seconds, at most 55 minutes: CloudFormation waits an
            hour, and needs a while to be told. Default: 55 minutes.
        fail_stack: Whether the deployment fails when the job fails, is cancelled or takes longer.
            Otherwise `HybridJob.job_status` and `.failure_reason` tell. Default: it does.

    Example:
        >>> from aws_cdk import Duration
        >>> from cdk_braket import WaitForCompletion
        >>> WaitForCompletion(timeout=Duration.minutes(20)).fail_stack
        True
    """

    __module__ = "cdk_braket"

    timeout: Duration = field(default_factory=lambda: Duration.minutes(55))
    fail_stack: bool = True


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """The instances that a hybrid job's script runs on. The defaults are the Braket SDK's.

    Attributes:
        instance_type: Their type. Default: ml.m5.large.
        volume_size: Storage of each, in whole gibibytes. Default: 30 GiB.
        instance_count: How many: a whole number, or a number token. Default: 1.

    Example:
        >>> from aws_cdk import Size
        >>> from cdk_braket import InstanceConfig, InstanceType
        >>> config = InstanceConfig(
        ...     instance_type=InstanceType.C5_XLARGE, volume_size=Size.gibibytes(50)
        ... )
        >>> config.instance_count
        1
    """

    __module__ = "cdk_braket"

    instance_type: InstanceType = InstanceType.M5_LARGE
    volume_size: Size = field(default_factory=lambda: Size.gibibytes(30))
    instance_count: float = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a hybrid job keeps its checkpoints, on the instance and in S3.

    What the script writes to the local path is synchronised to S3 while the job runs.

    Attributes:
        local_path: The folder on the instance. Default: the Braket SDK's, /opt/jobs/checkpoints.
            It is always sent, as the API's own default is another.
        bucket: A bucket of yours that Braket can reach. Default: the job's results bucket.
        prefix: Key prefix in `bucket`; the id of the run is added, so that no run overwrites
            another's checkpoints. Default: `jobs/<job name>`.

    Example:
        >>> from cdk_braket import Checkpoint
        >>> Checkpoint(local_path="/opt/braket/checkpoints").prefix is None
        True
    """

    __module__ = "cdk_braket"

    local_path: str = "/opt/jobs/checkpoints"
    bucket: s3.IBucket | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class OutputData:
    """Where a hybrid job's results go.

    Attributes:
        bucket: A bucket of yours that Braket can reach. Default: the job's results bucket.
        prefix: Key prefix in `bucket`; the id of the run is added, so that no run overwrites
            another's results. Default: `jobs/<job name>`.
        encryption_key: The key that results are encrypted with. Default: the key of the job's
            own buckets, or the key of `bucket` when that is given.

    Example:
        >>> from aws_cdk import App, Stack, aws_s3 as s3
        >>> from cdk_braket import OutputData
        >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
        >>> OutputData(bucket=bucket, prefix="vqe").prefix
        'vqe'
    """

    __module__ = "cdk_braket"

    bucket: s3.IBucket | None = None
    prefix: str | None = None
    encryption_key: kms.IKey | None = None
