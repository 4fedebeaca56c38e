"""Builds the CreateJob request from a job's properties.

Pure except for tokens. The request is rendered once, for the checks, before anything is created.
Its places are filled in twice: with stand-ins for the checks, and with the real ones for the
deployment.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, cast

from aws_cdk import Duration, Size, SizeRoundingBehavior, Stack, Tokenization

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import RUN_ID_PLACEHOLDER
from cdk_braket.core import s3_location
from cdk_braket.core.durations import seconds_of, whole
from cdk_braket.core.memo import bucket_name_of, remembered
from cdk_braket.core.naming import JOBS, stack_uuid
from cdk_braket.core.plain import Hyperparameter, hyperparameter_text, plain_tree
from cdk_braket.core.tokens import is_unknown

from .algorithm_script import AlgorithmScript
from .checkpoint_source import CheckpointSource
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

INSTANCE_TYPE: Final = ("instanceConfig", "instanceType")
ANY: Final = "*"
"""Any index of a list, or any key of a map."""

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


@dataclass(frozen=True, kw_only=True)
class RequestArguments:
    """The arguments that reach CreateJob, as the user gave them.

    This is the one list of them. An argument that is added here, in `render` and in `SURFACE`
    reaches the job.
    """

    device: Device
    algorithm: AlgorithmScript | None
    image: ContainerImage | None
    hyperparameters: Mapping[str, Hyperparameter] | None
    input_data: Mapping[str, InputChannel] | None
    output_data: OutputData | None
    checkpoint: Checkpoint | None
    copy_checkpoints_from: CheckpointSource | None
    instance: InstanceConfig | None
    distribution: Distribution | Literal["data_parallel"] | None
    max_runtime: Duration | None
    job_name: str | None
    reservation_arn: str | None


@dataclass(frozen=True)
class JobOptions:
    """The user's arguments, completed with the defaults.

    Attributes:
        given: The arguments.
        label: A display name, if the user gives none.
        isolation: The prefix that no other job has; None for a job that shares its places.
        wait: How the deployment waits for the job; None if it does not.
    """

    given: RequestArguments
    label: str
    isolation: str | None = None
    wait: WaitForCompletion | None = None

    @property
    def device(self) -> Device:
        """The device that the job has priority on."""
        return self.given.device

    @property
    def algorithm(self) -> AlgorithmScript | None:
        """The script; None if the image runs alone."""
        return self.given.algorithm

    @cached_property
    def image(self) -> ContainerImage | None:
        """The container; Braket's base image for a script."""
        if self.given.image is None and self.given.algorithm is not None:
            return ContainerImage.base()
        return self.given.image

    @cached_property
    def instance(self) -> InstanceConfig:
        """The instances to run on."""
        return self.given.instance or InstanceConfig()

    @property
    def distribution(self) -> Distribution | None:
        """How the script is distributed."""
        return Distribution(self.given.distribution) if self.given.distribution else None

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """The hyperparameters."""
        return self.given.hyperparameters or {}

    @property
    def input_data(self) -> Mapping[str, InputChannel]:
        """The channels by name."""
        return self.given.input_data or {}

    @cached_property
    def output_data(self) -> OutputData:
        """The location of the results."""
        return self.given.output_data or OutputData()

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The location of the checkpoints."""
        return self.given.checkpoint or Checkpoint()

    @property
    def checkpoint_source(self) -> s3_location.Location | None:
        """The checkpoints to start from."""
        source = self.given.copy_checkpoints_from
        return source.source if source else None

    def changed(self, **arguments: object) -> "JobOptions":
        """Return the options with other arguments."""
        given = replace(self.given, **arguments)  # type: ignore[arg-type]  # of their types
        return replace(self, given=given)


@dataclass(frozen=True, slots=True)
class Property:
    """The property of ours that a member of CreateJobRequest comes from.

    Attributes:
        name: Its name; `{}` stands for the channel's name or the map's key.
        fix: The fix for a wrong value.
        unit: The unit of its number, with a space before.
        is_secret: Whether its value is never shown.
        is_optional: Whether it can be left out.
    """

    name: str
    fix: str
    unit: str = ""
    is_secret: bool = False
    is_optional: bool = False


_ALGORITHM: Final = "Use AlgorithmScript.from_asset(…) or .from_bucket(…)"
_OUTPUT: Final = "Use a shorter OutputData(prefix=…) or another bucket"
_INPUT: Final = "Use InputChannel.from_asset(…), .from_bucket(…) or .from_s3_uri(…)"

# Every member of CreateJobRequest, to its leaves; a test walks the service model and compares.
SURFACE: Final[dict[tuple[str, ...], Property]] = {
    ("clientToken",): Property("(derived)", "It is not a property: one definition is one job"),
    ("algorithmSpecification",): Property("algorithm", f"{_ALGORITHM}, or image=…"),
    ("algorithmSpecification", "scriptModeConfig"): Property("algorithm", _ALGORITHM),
    ("algorithmSpecification", "scriptModeConfig", "entryPoint"): Property(
        "algorithm.entry_point", "Use 'module:function'"
    ),
    ("algorithmSpecification", "scriptModeConfig", "s3Uri"): Property(
        "algorithm", "Use a shorter key, of one object"
    ),
    ("algorithmSpecification", "scriptModeConfig", "compressionType"): Property(
        "algorithm.compression", "Use a value of Compression"
    ),
    ("algorithmSpecification", "containerImage"): Property("image", "Use ContainerImage"),
    ("algorithmSpecification", "containerImage", "uri"): Property(
        "image", "Use ContainerImage.base(), .from_ecr_repository(…) or the URI of an ECR image"
    ),
    ("inputDataConfig",): Property("input_data", "Put several files behind one channel's prefix"),
    ("inputDataConfig", ANY): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", ANY, "channelName"): Property(
        "input_data", "Give the channel another name"
    ),
    ("inputDataConfig", ANY, "contentType"): Property(
        "input_data[{}].content_type", "Use a MIME type, or omit it", is_optional=True
    ),
    ("inputDataConfig", ANY, "dataSource"): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", ANY, "dataSource", "s3DataSource"): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", ANY, "dataSource", "s3DataSource", "s3Uri"): Property(
        "input_data[{}]", _INPUT
    ),
    ("outputDataConfig",): Property("output_data", _OUTPUT),
    ("outputDataConfig", "s3Path"): Property("output_data", _OUTPUT),
    ("outputDataConfig", "kmsKeyId"): Property(
        "output_data.encryption_key", "Use a key's ARN, or omit it"
    ),
    ("checkpointConfig",): Property("checkpoint", "Use Checkpoint(…)"),
    ("checkpointConfig", "s3Uri"): Property(
        "checkpoint", "Use a shorter Checkpoint(prefix=…) or another bucket"
    ),
    ("checkpointConfig", "localPath"): Property(
        "checkpoint.local_path",
        "Use a folder on the instance, or omit it",
        is_optional=True,
    ),
    ("jobName",): Property(
        "job_name",
        "Use letters and digits, with hyphens between them, or omit it",
        is_optional=True,
    ),
    ("roleArn",): Property("role", "Use the ARN of an IAM role, or omit it"),
    ("stoppingCondition",): Property("max_runtime", "Use a Duration"),
    ("stoppingCondition", "maxRuntimeInSeconds"): Property(
        "max_runtime", "Use a Duration of whole seconds", " s"
    ),
    ("instanceConfig",): Property("instance", "Use InstanceConfig(…)"),
    INSTANCE_TYPE: Property("instance.instance_type", "Use a constant of InstanceType"),
    ("instanceConfig", "volumeSizeInGb"): Property(
        "instance.volume_size", "Use Size.gibibytes(…) with a whole number", " GiB"
    ),
    ("instanceConfig", "instanceCount"): Property(
        "instance.instance_count", "Use a whole number of instances"
    ),
    ("hyperParameters",): Property("hyperparameters", "Put some of them in an input channel"),
    ("hyperParameters", ANY): Property(
        "hyperparameters[{}]", "Use a string, a number or a bool", is_secret=True, is_optional=True
    ),
    ("deviceConfig",): Property("device", "Use a constant of Device"),
    ("deviceConfig", "device"): Property("device", "Use a constant of Device"),
    ("tags",): Property("tags", "Use strings for keys and values"),
    ("tags", ANY): Property("tags[{}]", "Use strings for keys and values"),
    ("associations",): Property("reservation_arn", "Use the ARN of a reservation"),
    ("associations", ANY): Property("reservation_arn", "Use the ARN of a reservation"),
    ("associations", ANY, "arn"): Property(
        "reservation_arn", "Use the ARN of a reservation, or omit it", is_optional=True
    ),
    ("associations", ANY, "type"): Property("reservation_arn", "Use the ARN of a reservation"),
}


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


def render(options: JobOptions) -> dict[str, object]:
    """Return the CreateJob request without its places, `clientToken` and `tags`."""
    given = options.given
    request: dict[str, object] = {
        "jobName": _job_name(options),
        "algorithmSpecification": _algorithm(options),
        "deviceConfig": {"device": options.device.arn},
        "instanceConfig": {
            "instanceType": options.instance.instance_type.value,
            "volumeSizeInGb": _gibibytes(options.instance),
            "instanceCount": options.instance.instance_count,
        },
        "checkpointConfig": {"localPath": options.checkpoint.local_path},
    }
    if options.input_data:
        request["inputDataConfig"] = _inputs(options)
    if hyperparameters := render_hyperparameters(options):
        request["hyperParameters"] = hyperparameters
    if given.max_runtime is not None:
        request["stoppingCondition"] = {"maxRuntimeInSeconds": seconds_of(given.max_runtime)}
    if given.reservation_arn is not None:
        request["associations"] = [{"arn": given.reservation_arn, "type": _RESERVATION}]
    return cast("dict[str, object]", plain_tree(request))


def place(rendered: Mapping[str, object], places: Places) -> dict[str, object]:
    """Return a rendered request with its places.

    Args:
        rendered: The request that `render` returned.
        places: The locations.
    """
    request = cast("dict[str, dict[str, object]]", rendered)
    output: dict[str, object] = {"s3Path": places.output_uri}
    if places.output_key_arn is not None:
        output["kmsKeyId"] = places.output_key_arn
    placed: dict[str, object] = {
        **request,
        "roleArn": places.role_arn,
        "algorithmSpecification": _placed_algorithm(request["algorithmSpecification"], places),
        "outputDataConfig": output,
        "checkpointConfig": {**request["checkpointConfig"], "s3Uri": places.checkpoint_uri},
    }
    if "inputDataConfig" in rendered:
        placed["inputDataConfig"] = [
            {**channel, "dataSource": _data_source(places.input_uris[channel["channelName"]])}
            for channel in cast("list[dict[str, str]]", rendered["inputDataConfig"])
        ]
    return cast("dict[str, object]", plain_tree(placed))


def _placed_algorithm(algorithm: Mapping[str, object], places: Places) -> dict[str, object]:
    placed = dict(algorithm)
    script = algorithm.get("scriptModeConfig")
    if isinstance(script, Mapping):
        placed["scriptModeConfig"] = {**script, "s3Uri": places.script_uri}
    if places.image_uri is not None:
        placed["containerImage"] = {"uri": places.image_uri}
    return placed


def _data_source(uri: str) -> dict[str, object]:
    return {"s3DataSource": {"s3Uri": uri}}


def _job_name(options: JobOptions) -> str:
    if options.given.job_name is not None:
        return options.given.job_name
    return f"{options.label}-{RUN_ID_PLACEHOLDER}"


def _algorithm(options: JobOptions) -> dict[str, object]:
    if options.algorithm is None:
        return {}
    return {
        "scriptModeConfig": {
            "entryPoint": options.algorithm.entry_point,
            "compressionType": options.algorithm.compression.value,
        }
    }


def _inputs(options: JobOptions) -> list[dict[str, object]]:
    channels: list[dict[str, object]] = []
    for name, channel in options.input_data.items():
        rendered: dict[str, object] = {"channelName": name}
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


def _gibibytes(instance: InstanceConfig) -> float:
    return whole(_gibibytes_of(instance.volume_size))


@remembered
def _gibibytes_of(size: Size) -> float:
    return size.to_gibibytes(rounding=SizeRoundingBehavior.NONE)


def base_prefix(options: JobOptions, target: OutputData | Checkpoint) -> str:
    """Return the key prefix that all runs of a job share."""
    if target.prefix is None and options.isolation is not None:
        return f"{JOBS}/{options.isolation}/"
    if target.prefix is None:
        name = options.label if options.given.job_name is None else options.given.job_name
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
    if options.given.job_name is not None:
        name = s3_location.literal(options.given.job_name)
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
