"""The source of a hybrid job's first checkpoints."""

from dataclasses import dataclass, field

from aws_cdk import aws_s3 as s3

from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked
from cdk_braket.core.factories import FactoryOnly
from cdk_braket.interfaces import IHybridJob


@dataclass(frozen=True, slots=True, init=False)
class CheckpointSource(FactoryOnly):
    """Checkpoints that a job resumes from. They are copied to the job before it starts.

    The deployment copies the objects that exist at that time. It does not wait for another job to
    end. Create it with `from_job`, `from_bucket` or `from_s3_uri`.

    Example:
        >>> from cdk_braket import CheckpointSource
        >>> source = CheckpointSource.from_s3_uri("s3://amazon-braket-mine/jobs/a/checkpoints")
    """

    __module__ = "cdk_braket"

    source: s3_location.Location = field(repr=False)

    @staticmethod
    @checked
    def from_job(job: IHybridJob) -> "CheckpointSource":
        """Use the checkpoints of another job of this app.

        Args:
            job: The job. When it is replaced, the job that resumes from it is also replaced.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> stack = Stack(App(), "Chemistry")
            >>> image, device = ContainerImage.base(), Device.local("braket/default")
            >>> first = HybridJob(stack, "First", image=image, device=device)
            >>> second = HybridJob(
            ...     stack,
            ...     "Second",
            ...     image=image,
            ...     device=device,
            ...     copy_checkpoints_from=CheckpointSource.from_job(first),
            ... )
        """
        bucket = job.checkpoint_bucket
        key = bucket.encryption_key
        return CheckpointSource._create(
            source=s3_location.Location(
                uri=job.checkpoint_s3_uri,
                # Not from the URI, which is an attribute of the job: the handler's policy would
                # wait for the job, and the job waits for the handler.
                bucket_name=bucket.bucket_name,
                key_prefix=job.checkpoint_prefix,
                keys=() if key is None else (key,),
                bucket=bucket,
            )
        )

    @staticmethod
    @checked
    def from_bucket(bucket: s3.IBucket, prefix: str) -> "CheckpointSource":
        """Use the objects of a bucket.

        Args:
            bucket: The bucket. The job may also use its key.
            prefix: The prefix of their keys, which the copies do not have.

        Example:
            >>> from aws_cdk import App, Stack
            >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
            >>> source = CheckpointSource.from_bucket(bucket, "jobs/a/checkpoints")
        """
        return CheckpointSource._create(source=s3_location.in_bucket(bucket, prefix))

    @staticmethod
    @checked
    def from_s3_uri(uri: str) -> "CheckpointSource":
        """Use the objects at an S3 URI, such as the output `CheckpointS3Uri` of a stack.

        If the bucket has a KMS key, use `from_bucket`: the URI does not contain the key. For
        tokens, see `InputChannel.from_s3_uri`.

        Args:
            uri: `s3://bucket/prefix`, or a token.

        Example:
            >>> source = CheckpointSource.from_s3_uri("s3://amazon-braket-mine/jobs/a/checkpoints")
        """
        return CheckpointSource._create(source=s3_location.at_uri(uri))
