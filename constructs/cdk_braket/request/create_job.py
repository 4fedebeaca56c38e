"""Builds the CreateJob request from a job's properties.

Pure except for tokens. The request is built twice: with placeholders for the checks, before
anything is created, and with the real locations for the deployment.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from aws_cdk import Duration, Size, SizeRoundingBehavior, Stack, Tokenization

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import RUN_ID_PLACEHOLDER
from cdk_braket.core import s3_location
from cdk_braket.core.memo import bucket_name_of, remembered
from cdk_braket.core.naming import JOBS, stack_uuid
from cdk_braket.core.plain import Hyperparameter, hyperparameter_text, plain_tree
from cdk_braket.core.tokens import is_unknown

from .algorithm_script import AlgorithmScript
from .container_image import ContainerImage
from .device import Device
from .input_channel import InputChannel
from .job_options import (
    Checkpoint,
    Distribution,
    InstanceConfig,
    OutputData,
    WaitForCompletion,
)

REQUEST: Final = "CreateJobRequest"
"""The shape of the request."""

_ISOLATION_LENGTH: Final = 8
_RESERVATION: Final = "RESERVATION_TIME_WINDOW_ARN"

# What the Braket SDK sets for data parallelism. Source: `prepare_quantum_job` in
# `braket/jobs/quantum_job_creation.py` of amazon-braket-sdk.
_PARALLEL_ENABLED: Final = "sagemaker_distributed_dataparallel_enabled"
_PARALLEL_INSTANCE: Final = "sagemaker_instance_type"
OWNED_HYPERPARAMETERS: Final = {
    _PARALLEL_ENABLED: "distribution",
    _PARALLEL_INSTANCE: "distribution",
}


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The user's options, completed with the defaults."""

    label: str
    isolation: str | None
    job_name: str | None
    algorithm: AlgorithmScript | None
    image: ContainerImage | None
    device: Device
    instance: InstanceConfig
    distribution: Distribution | None
    hyperparameters: Mapping[str, Hyperparameter]
    input_data: Mapping[str, InputChannel]
    output_data: OutputData
    checkpoint: Checkpoint
    checkpoint_source: s3_location.Location | None
    max_runtime: Duration | None
    reservation_arn: str | None
    wait: WaitForCompletion | None


@dataclass(frozen=True, slots=True)
class Places:
    """The locations that a request refers to.

    Attributes:
        role_arn: The execution role.
        script_uri: The script's object; None without a script.
        image_uri: The container image; None for the service's default.
        input_uris: The channels' URIs by channel name.
        output_uri: The location of the results.
        output_key_arn: The key of the results; None for the bucket's own encryption.
        checkpoint_uri: The location of the checkpoints.
    """

    role_arn: str
    script_uri: str | None
    image_uri: str | None
    input_uris: Mapping[str, str]
    output_uri: str
    output_key_arn: str | None
    checkpoint_uri: str


def build(options: JobOptions, places: Places) -> dict[str, object]:
    """Return the CreateJob request without `clientToken` and `tags`."""
    request: dict[str, object] = {
        "jobName": _job_name(options),
        "roleArn": places.role_arn,
        "algorithmSpecification": _algorithm(options, places),
        "deviceConfig": {"device": options.device.arn},
        "instanceConfig": {
            "instanceType": options.instance.instance_type.value,
            "volumeSizeInGb": _gibibytes(options.instance),
            "instanceCount": options.instance.instance_count,
        },
        "outputDataConfig": {"s3Path": places.output_uri},
        "checkpointConfig": {
            "s3Uri": places.checkpoint_uri,
            "localPath": options.checkpoint.local_path,
        },
    }
    if places.output_key_arn is not None:
        request["outputDataConfig"] = {
            "s3Path": places.output_uri,
            "kmsKeyId": places.output_key_arn,
        }
    if options.input_data:
        request["inputDataConfig"] = _inputs(options, places)
    if hyperparameters := render_hyperparameters(options):
        request["hyperParameters"] = hyperparameters
    if options.max_runtime is not None:
        request["stoppingCondition"] = {"maxRuntimeInSeconds": seconds_of(options.max_runtime)}
    if options.reservation_arn is not None:
        request["associations"] = [{"arn": options.reservation_arn, "type": _RESERVATION}]
    return cast("dict[str, object]", plain_tree(request))


def _job_name(options: JobOptions) -> str:
    if options.job_name is not None:
        return options.job_name
    return f"{options.label}-{RUN_ID_PLACEHOLDER}"


def _algorithm(options: JobOptions, places: Places) -> dict[str, object]:
    algorithm: dict[str, object] = {}
    if options.algorithm is not None:
        algorithm["scriptModeConfig"] = {
            "entryPoint": options.algorithm.entry_point,
            "s3Uri": places.script_uri,
            "compressionType": options.algorithm.compression.value,
        }
    if places.image_uri is not None:
        algorithm["containerImage"] = {"uri": places.image_uri}
    return algorithm


def _inputs(options: JobOptions, places: Places) -> list[dict[str, object]]:
    channels: list[dict[str, object]] = []
    for name, channel in options.input_data.items():
        rendered: dict[str, object] = {
            "channelName": name,
            "dataSource": {"s3DataSource": {"s3Uri": places.input_uris[name]}},
        }
        if channel.content_type is not None:
            rendered["contentType"] = channel.content_type
        channels.append(rendered)
    return channels


def render_hyperparameters(options: JobOptions) -> dict[str, str]:
    """Return the hyperparameters as strings, with those that options add, as the Braket SDK."""
    rendered = {key: _text(value) for key, value in options.hyperparameters.items()}
    if options.distribution is Distribution.DATA_PARALLEL:
        rendered[_PARALLEL_ENABLED] = "true"
        rendered[_PARALLEL_INSTANCE] = options.instance.instance_type.value
    return rendered


def _text(value: Hyperparameter) -> str:
    if isinstance(value, (int, float)) and is_unknown(value):
        return Tokenization.stringify_number(value)
    text = hyperparameter_text(value)
    return value if text is None else text  # type: ignore[return-value]  # refused by its type


def seconds_of(duration: Duration) -> float:
    """Return a duration in seconds: an int if it is a whole number of them."""
    return _whole(_seconds(duration))


def _gibibytes(instance: InstanceConfig) -> float:
    return _whole(_gibibytes_of(instance.volume_size))


@remembered
def _gibibytes_of(size: Size) -> float:
    return size.to_gibibytes(rounding=SizeRoundingBehavior.NONE)


@remembered
def _seconds(duration: Duration) -> float:
    return duration.to_seconds(integral=False)


def _whole(number: float) -> float:
    """A whole number as an int: jsii hands some over as floats, and fractions are a problem."""
    if is_unknown(number) or number != int(number):
        return number
    return int(number)


def base_prefix(options: JobOptions, target: OutputData | Checkpoint) -> str:
    """Return the key prefix that all runs of a job share."""
    if target.prefix is None and options.isolation is not None:
        return f"{JOBS}/{options.isolation}/"
    if target.prefix is None:
        name = options.label if options.job_name is None else options.job_name
        return f"{JOBS}/{name}/"
    stripped = target.prefix.strip("/")
    return f"{stripped}/" if stripped else ""


def run_uri(options: JobOptions, target: OutputData | Checkpoint, results: str) -> str:
    """Return the location of a run's results or checkpoints. No two runs share it.

    Args:
        options: The job.
        target: Which of the two.
        results: Name of the results bucket, for those that name no bucket.
    """
    bucket = bucket_name_of(target.bucket) if target.bucket else results
    kind = "data" if isinstance(target, OutputData) else "checkpoints"
    return f"s3://{bucket}/{base_prefix(options, target)}{RUN_ID_PLACEHOLDER}/{kind}"


def tasks_pattern(options: JobOptions) -> str:
    """Return the keys, as policies match them, of the results of the job's quantum tasks.

    The SDK gives a job's tasks the folder `jobs/<job name>/tasks` of the bucket of the job's
    results, regardless of the job's prefix. Source: `_get_env_task_results_s3_uri` and callers in
    `braket/jobs/local/local_job_container_setup.py` of amazon-braket-sdk.
    """
    if options.job_name is not None:
        name = s3_location.literal(options.job_name)
    else:
        name = f"{options.label}-{'?' * len(RUN_ID_PLACEHOLDER)}"
    return f"{JOBS}/{name}/tasks/*"


def label_from(path: str) -> str:
    """Return a job's display name: the end of its path, in characters that the API allows."""
    longest = model_rules.bounds(model_rules.shape_of(REQUEST, "jobName")).maximum or len(path)
    words = re.findall("[a-zA-Z0-9]+", path)
    text = "-".join(words) or "job"
    return text[-(longest - len(RUN_ID_PLACEHOLDER) - 1) :].lstrip("-")


def isolation_of(stack: Stack, path: str) -> str:
    """Return the prefix that no other job has, of this stack or of another: a token.

    Args:
        stack: The job's stack.
        path: The construct's path.
    """
    digest = hashlib.sha256(path.encode()).hexdigest()[:_ISOLATION_LENGTH]
    return f"{stack_uuid(stack)}/{digest}"
