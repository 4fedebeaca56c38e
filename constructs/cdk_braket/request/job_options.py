"""The options of a hybrid job that belong together."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from aws_cdk import Duration, Size
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from .instance_type import InstanceType


class Distribution(StrEnum):
    """The distribution of a job's script over its instances.

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
    """Lets the deployment wait for the job, and succeed only if the job completes.

    A job is cancelled when its deployment fails and is rolled back. Changing these
    options never runs the job again.

    Attributes:
        timeout: The longest wait, in whole seconds, at most 55 minutes. CloudFormation stops
            waiting after an hour, and the response needs some time. Default: 55 minutes.
        fail_stack: Whether the deployment fails when the job fails, is cancelled or takes longer.
            Otherwise read `HybridJob.job_status` and `.failure_reason`. Default: True.

    Example:
        >>> from aws_cdk import Duration
        >>> from cdk_braket import WaitForCompletion
        >>> WaitForCompletion(timeout=Duration.minutes(20)).fail_stack
        True
    """

    __module__ = "cdk_braket"

    timeout: Duration = field(default_factory=lambda: Duration.minutes(55))
    fail_stack: bool = True


@cache
def _default_volume() -> Size:
    return Size.gibibytes(30)


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
    volume_size: Size = field(default_factory=_default_volume)
    instance_count: float = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The locations of a hybrid job's checkpoints, on the instance and in S3.

    Braket copies files in the local path to S3 while the job runs.

    Attributes:
        local_path: The folder on the instance. Default: the Braket SDK's, /opt/jobs/checkpoints.
            It is always sent, as the API's own default is another.
        bucket: Your bucket, which Braket must be able to access. Default: the job's results bucket.
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
    """The location of a hybrid job's results.

    Attributes:
        bucket: Your bucket, which Braket must be able to access. Default: the job's results bucket.
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
