"""What the service model has against a request, in the words of our properties."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket.core.issue import Issue, shorten

REQUEST: Final = "CreateJobRequest"
INSTANCE_TYPE: Final = ("instanceConfig", "instanceType")

_ANY: Final = "*"
_DAY: Final = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Property:
    """The property of ours that a member of CreateJobRequest comes from.

    Attributes:
        name: Its name; `{}` stands for the channel's name or the map's key.
        fix: The way out of what is wrong with it.
        unit: What its number counts, with a space before.
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
    ("inputDataConfig", _ANY): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", _ANY, "channelName"): Property(
        "input_data", "Give the channel another name"
    ),
    ("inputDataConfig", _ANY, "contentType"): Property(
        "input_data[{}].content_type", "Use a MIME type, or leave it out", is_optional=True
    ),
    ("inputDataConfig", _ANY, "dataSource"): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", _ANY, "dataSource", "s3DataSource"): Property("input_data[{}]", _INPUT),
    ("inputDataConfig", _ANY, "dataSource", "s3DataSource", "s3Uri"): Property(
        "input_data[{}]", _INPUT
    ),
    ("outputDataConfig",): Property("output_data", _OUTPUT),
    ("outputDataConfig", "s3Path"): Property("output_data", _OUTPUT),
    ("outputDataConfig", "kmsKeyId"): Property(
        "output_data.encryption_key", "Use a key's ARN, or leave it out"
    ),
    ("checkpointConfig",): Property("checkpoint", "Use Checkpoint(…)"),
    ("checkpointConfig", "s3Uri"): Property(
        "checkpoint", "Use a shorter Checkpoint(prefix=…) or another bucket"
    ),
    ("checkpointConfig", "localPath"): Property(
        "checkpoint.local_path",
        "Use a folder on the instance, or leave it out",
        is_optional=True,
    ),
    ("jobName",): Property(
        "job_name",
        "Use letters and digits, with hyphens between them, or leave it out",
        is_optional=True,
    ),
    ("roleArn",): Property("role", "Use the ARN of an IAM role, or leave it out"),
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
    ("hyperParameters", _ANY): Property(
        "hyperparameters[{}]", "Use a string, a number or a bool", is_secret=True, is_optional=True
    ),
    ("deviceConfig",): Property("device", "Use a constant of Device"),
    ("deviceConfig", "device"): Property("device", "Use a constant of Device"),
    ("tags",): Property("tags", "Use strings for keys and values"),
    ("tags", _ANY): Property("tags[{}]", "Use strings for keys and values"),
    ("associations",): Property("reservation_arn", "Use the ARN of a reservation"),
    ("associations", _ANY): Property("reservation_arn", "Use the ARN of a reservation"),
    ("associations", _ANY, "arn"): Property(
        "reservation_arn", "Use the ARN of a reservation, or leave it out", is_optional=True
    ),
    ("associations", _ANY, "type"): Property("reservation_arn", "Use the ARN of a reservation"),
}


def property_at(path: Sequence[str | int]) -> Property | None:
    """Return the property that a place in the request comes from; None if there is none."""
    pattern: tuple[str, ...] = ()
    found = None
    for step in path:
        for candidate in ((*pattern, str(step)), (*pattern, _ANY)):
            if candidate in SURFACE:
                pattern, found = candidate, SURFACE[candidate]
                break
    return found


def issue_of(problem: Problem, channels: Sequence[str], fix: str | None = None) -> Issue:
    """Say what is wrong with a request in the words of the property that it comes from.

    Args:
        problem: What is wrong.
        channels: The names of the input channels.
        fix: The fix, where it is not the property's.
    """
    found = property_at(problem.path)
    if found is None:
        return Issue(".".join(map(str, problem.path)), problem.message)
    name = found.name.format(_subscript(problem, channels))
    message, usual = _words(problem, found)
    return Issue(name, message, fix or usual, _shown(problem, found))


def _subscript(problem: Problem, channels: Sequence[str]) -> str:
    for step in problem.path[1:]:
        key = channels[step] if isinstance(step, int) and step < len(channels) else step
        return shorten(str(key))
    return ""


def _shown(problem: Problem, found: Property) -> str:
    if found.is_secret or problem.rule is Rule.REQUIRED:
        return ""
    if isinstance(problem.value, str):
        return shorten(problem.value)
    if isinstance(problem.value, (bool, int, float)):
        return f"{problem.value}{found.unit}"
    return ""


def _words(problem: Problem, found: Property) -> tuple[str, str]:
    if found.name == "max_runtime" and problem.rule in {Rule.MIN, Rule.MAX}:
        return _runtime_words(problem)
    return problem.message, _fix(problem, found)


def _fix(problem: Problem, found: Property) -> str:
    """The fix belongs to the fault: a value that is too long is not fixed by another type."""
    if problem.rule is Rule.UNKNOWN_MEMBER:
        return "Leave it out"
    if found.is_optional and problem.value is None:
        return "Leave the key out"
    if problem.path[0] == "hyperParameters" and len(problem.path) > 1:
        return _hyperparameter_fix(problem, found)
    if found.is_optional and problem.value == "":
        return "Leave it out"
    return found.fix


def _hyperparameter_fix(problem: Problem, found: Property) -> str:
    fixes = _KEY_FIXES if problem.message.startswith("its key") else _VALUE_FIXES
    return fixes.get(problem.rule, found.fix)


_KEY_FIXES: Final[Mapping[Rule, str]] = {
    Rule.MAX_LENGTH: "Use a shorter key",
    Rule.MIN_LENGTH: "Name the hyperparameter, or leave it out",
}
_VALUE_FIXES: Final[Mapping[Rule, str]] = {
    Rule.MAX_LENGTH: "Put it into an input channel: input_data={'…': InputChannel.from_asset(…)}",
    Rule.MIN_LENGTH: "Leave it out, and have the script use a default",
    Rule.PATTERN: "Put text of several lines into an input channel",
}


def _runtime_words(problem: Problem) -> tuple[str, str]:
    bounds = model_rules.bounds(
        model_rules.shape_of(REQUEST, "stoppingCondition", "maxRuntimeInSeconds")
    )
    least, most = bounds.minimum or 0, bounds.maximum or 0
    days = f"{most / _DAY:g}"
    message = f"must be {least} s to {most} s ({days} days)"
    if problem.rule is Rule.MAX:
        return message, f"Use Duration.days({days}) or less"
    return message, f"Use Duration.seconds({least}) or more"
