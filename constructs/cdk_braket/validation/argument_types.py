"""What is said to those who pass an argument of another type, and run no type checker.

The other checks look into the values, so that these come first, and all at once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration, RemovalPolicy, Size
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3

from cdk_braket._lambda.braket_jobs.contract import OnDelete
from cdk_braket.request.algorithm_script import AlgorithmScript, Compression
from cdk_braket.request.checkpoint_source import CheckpointSource
from cdk_braket.request.container_image import ContainerImage
from cdk_braket.request.device import Device
from cdk_braket.request.input_channel import InputChannel
from cdk_braket.request.instance_type import InstanceType
from cdk_braket.request.job_options import (
    Checkpoint,
    Distribution,
    InstanceConfig,
    OutputData,
    WaitForCompletion,
)
from cdk_braket.request.spending_limit import SpendingLimit

from .messages import shorten
from .preflight import PreflightCheck


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an argument has to be.

    Attributes:
        fits: Whether a value is that.
        what: What that is, in words.
        fix: The way out.
    """

    fits: Callable[[object], bool]
    what: str
    fix: str


def _a(owner: type, fix: str) -> _Kind:
    article = "an" if owner.__name__[0] in "AEIO" else "a"
    return _Kind(lambda value: isinstance(value, owner), f"{article} {owner.__name__}", fix)


def _with(attribute: str, what: str, fix: str) -> _Kind:
    """What has an attribute: any implementation of an interface of CDK's."""
    return _Kind(lambda value: hasattr(value, attribute), what, fix)


_BUCKET: Final = _with("bucket_name", "an s3.IBucket", "Use s3.Bucket.from_bucket_name(…)")
_TEXT: Final = _a(str, "Use text, or leave it out")

_KINDS: Final[Mapping[str, _Kind]] = {
    "device": _a(Device, "Use a constant of Device, Device.from_arn(…) or Device.local(…)"),
    "algorithm": _a(AlgorithmScript, "Use AlgorithmScript.from_asset(…) or .from_bucket(…)"),
    "algorithm.entry_point": _a(str, "Use 'module:function'"),
    "algorithm.compression": _a(Compression, "Use Compression.GZIP or Compression.NONE"),
    "image": _a(ContainerImage, "Use ContainerImage.base() or .from_uri(…)"),
    "hyperparameters": _a(Mapping, "Use {'name': value}"),
    "input_data": _a(Mapping, "Use {'name': InputChannel.from_asset(…)}"),
    "output_data": _a(OutputData, "Use OutputData(bucket=…, prefix=…)"),
    "output_data.bucket": _BUCKET,
    "output_data.prefix": _TEXT,
    "output_data.encryption_key": _with(
        "key_arn", "a kms.IKey", "Use kms.Key.from_key_arn(…), or leave it out"
    ),
    "checkpoint": _a(Checkpoint, "Use Checkpoint(…)"),
    "checkpoint.bucket": _BUCKET,
    "checkpoint.prefix": _TEXT,
    "copy_checkpoints_from": _a(
        CheckpointSource, "Use CheckpointSource.from_job(…), .from_bucket(…) or .from_s3_uri(…)"
    ),
    "instance": _a(InstanceConfig, "Use InstanceConfig(instance_type=…)"),
    "instance.instance_type": _a(
        InstanceType, "Use a constant of InstanceType, or InstanceType.of(…)"
    ),
    "instance.volume_size": _a(Size, "Use Size.gibibytes(…)"),
    "distribution": _Kind(
        lambda value: value in set(Distribution),
        "a Distribution",
        "Use Distribution.DATA_PARALLEL or 'data_parallel'",
    ),
    "max_runtime": _a(Duration, "Use Duration.hours(…)"),
    "tags": _a(Mapping, "Use {'key': 'value'}"),
    "role": _with("role_arn", "an iam.IRole", "Use iam.Role.from_role_arn(…), or leave it out"),
    "environment": _with(
        "handler_function", "a HybridJobEnvironment", "Use HybridJobEnvironment(…) or its from_*"
    ),
    "isolated": _a(bool, "Use True or False"),
    "rerun_trigger": _TEXT,
    "wait_for_completion": _a(WaitForCompletion, "Use WaitForCompletion(timeout=…)"),
    "wait_for_completion.timeout": _a(Duration, "Use Duration.minutes(…)"),
    "wait_for_completion.fail_stack": _a(bool, "Use True or False"),
    "spending_limit": _a(SpendingLimit, "Use SpendingLimit(…), or leave it out"),
    "on_delete": _a(OnDelete, "Use OnDelete.CANCEL_JOB or OnDelete.RETAIN_JOB"),
    "disabled_checks": _Kind(
        lambda value: isinstance(value, Collection) and set(value) <= set(PreflightCheck),
        "a list of PreflightCheck",
        f"There are {', '.join(PreflightCheck)}",
    ),
}

_IS_BUCKET: Final = _with("bucket_arn", "an s3.IBucket", "Use s3.Bucket.from_bucket_name(…)")
_FLAG: Final = _a(bool, "Use True or False")
_ENVIRONMENT_KINDS: Final[Mapping[str, _Kind]] = {
    "inputs_bucket": _IS_BUCKET,
    "results_bucket": _IS_BUCKET,
    "access_logs_bucket": _IS_BUCKET,
    "replication_bucket": _IS_BUCKET,
    "encryption": _a(s3.BucketEncryption, "Use s3.BucketEncryption.KMS or .S3_MANAGED"),
    "encryption_key": _with("key_arn", "a kms.IKey", "Use kms.Key.from_key_arn(…)"),
    "role": _KINDS["role"],
    "permissions_boundary": _with(
        "managed_policy_arn",
        "an iam.IManagedPolicy",
        "Use iam.ManagedPolicy.from_managed_policy_name(…)",
    ),
    "log_retention": _a(logs.RetentionDays, "Use a constant of logs.RetentionDays"),
    "vpc": _with("vpc_id", "an ec2.IVpc", "Use ec2.Vpc.from_lookup(…)"),
    "vpc_subnets": _a(ec2.SubnetSelection, "Use ec2.SubnetSelection(…)"),
    "security_groups": _Kind(
        lambda value: (
            isinstance(value, Sequence)
            and all(hasattr(each, "security_group_id") for each in value)
        ),
        "a list of ec2.ISecurityGroup",
        "Use [ec2.SecurityGroup(…)]",
    ),
    "reserved_concurrent_executions": _Kind(
        lambda value: isinstance(value, int) and not isinstance(value, bool),
        "an int",
        "Use a number of calls, or leave it out",
    ),
    "dead_letter_queue": _with("queue_arn", "an sqs.IQueue", "Use sqs.Queue.from_queue_arn(…)"),
    "checks_caller": _FLAG,
    "removal_policy": _a(RemovalPolicy, "Use a constant of RemovalPolicy"),
}
_CHANNEL: Final = _a(InputChannel, "Use InputChannel.from_asset(…), .from_bucket(…) or …")
_KEY: Final = _a(str, "Use text")


def wrong_types(arguments: Mapping[str, object]) -> list[str]:
    """Return a line for each argument that is of another type than it is declared.

    Args:
        arguments: The arguments of `HybridJob` by name; None where there is none.
    """
    return list(_wrong(arguments))


def wrong_types_of_environment(arguments: Mapping[str, object]) -> list[str]:
    """Return a line for each argument of another type, as `wrong_types`.

    Args:
        arguments: The arguments of `HybridJobEnvironment` by name; None where there is none.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    lines = [_line(name, value, _ENVIRONMENT_KINDS[name]) for name, value in given.items()]
    return [text for each in lines for text in each]


def _wrong(arguments: Mapping[str, object]) -> Iterator[str]:
    for name, kind in _KINDS.items():
        first, _, attribute = name.partition(".")
        value = arguments.get(first)
        if attribute:
            value = getattr(value, attribute, None)
        if first == "device" or value is not None:
            yield from _line(name, value, kind)
    channels, hyperparameters = arguments["input_data"], arguments["hyperparameters"]
    if isinstance(channels, Mapping):
        for name, channel in channels.items():
            yield from _line(f"input_data[{name!r}]", channel, _CHANNEL)
    if isinstance(hyperparameters, Mapping):
        for key in hyperparameters:
            yield from _line("hyperparameters", key, _KEY)


def _line(name: str, value: object, kind: _Kind) -> Iterator[str]:
    if not kind.fits(value):
        shown = f"={shorten(value)}" if isinstance(value, str) else ""
        kept = "" if shown else f", is of type {type(value).__name__}"
        yield f"{name}{shown}: must be {kind.what}{kept}. {kind.fix}."
