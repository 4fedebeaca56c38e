"""Everything that can be said against a job before any construct of it exists."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aws_cdk import Stack, Token
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX, is_prefix
from cdk_braket.assets.local_files import LocalData, LocalFiles, LocalScript
from cdk_braket.assets.packaging import PackagingError
from cdk_braket.core import s3_location
from cdk_braket.core.naming import bucket_name
from cdk_braket.core.tokens import is_unknown
from cdk_braket.environment.handler_function import LONGEST_WAIT
from cdk_braket.environment.hybrid_job_environment import IHybridJobEnvironment
from cdk_braket.request.container_image import REGIONS
from cdk_braket.request.create_job import (
    OWNED_HYPERPARAMETERS,
    JobOptions,
    Places,
    build,
    render_hyperparameters,
    run_uri,
    seconds_of,
)

from .messages import INSTANCE_TYPE, REQUEST, line, one_line, shorten
from .preflight import Finding, PreflightCheck, Severity, preflight, preflight_unread
from .template_text import Fault, text_fault, text_problems

_HOUR = 3600
_NO_UUID = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True)
class Checked:
    """What the checks found, and what they prepared on the way.

    Attributes:
        problems: What must be mended, a line each.
        warnings: What should be looked at: an id to acknowledge it by, and a line.
        notes: What was packed, a line each.
        script: The packed script, if it comes from this machine.
        inputs: The channels' files, by channel name, where they come from this machine.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    script: LocalFiles | None = None
    inputs: dict[str, LocalFiles] = field(default_factory=dict)


def check(
    options: JobOptions,
    *,
    scope: Construct,
    role: iam.IRole | None,
    environment: IHybridJobEnvironment | None,
    tags: Mapping[str, str],
    disabled: Collection[PreflightCheck],
    scratch: Path,
) -> Checked:
    """Check a job's options all at once. Creates no construct.

    Args:
        options: The job.
        scope: Where the job is to be.
        role: The execution role, if it is the user's.
        environment: What the job stands on, if it is the user's.
        tags: The job's own tags.
        disabled: Checks of the script that are turned off.
        scratch: A directory for archives.
    """
    checked = Checked()
    region = Stack.of(scope).region  # a token when it is not known
    _collect(checked, options, scratch)
    _check_device(checked, options, region)
    _check_image(checked, options, region)
    _check_owned(checked, options)
    _check_checkpoint_source(checked, options)
    _check_buckets(checked, options)
    _check_wait(checked, options)
    _check_cost(checked, options)
    request = _request(checked, options, region, role, tags=tags, buckets=_Buckets.of(environment))
    _check_request(checked, options, request, scope)
    _check_script(checked, options, disabled)
    return checked


def check_hyperparameters(
    options: JobOptions,
    packed: Checked,
    disabled: Collection[PreflightCheck],
    *,
    scope: Construct,
) -> list[str]:
    """Check the hyperparameters alone of options that were checked with others.

    Args:
        options: The job.
        packed: What was found when the rest was checked.
        disabled: Checks of the script that are turned off.
        scope: Where the job is.

    Returns:
        What must be mended, a line each.
    """
    checked = Checked(script=packed.script)
    _check_owned(checked, options)
    found = Checked()
    request = {"hyperParameters": render_hyperparameters(options)}
    _check_request(found, options, request, scope, only="hyperParameters")
    checked.problems += found.problems
    _check_script(checked, options, disabled)
    return checked.problems


def _collect(checked: Checked, options: JobOptions, scratch: Path) -> None:
    if options.algorithm is not None:
        checked.script = _files(checked, "algorithm", options.algorithm.source, scratch)
    for name, channel in options.input_data.items():
        files = _files(checked, f"input_data[{name!r}]", channel.source, scratch)
        if files is not None:
            checked.inputs[name] = files


def _files(
    checked: Checked,
    owner: str,
    source: LocalScript | LocalData | s3_location.Location,
    scratch: Path,
) -> LocalFiles | None:
    if isinstance(source, s3_location.Location):
        return None
    try:
        files = source.collect(scratch)
    except PackagingError as error:
        checked.problems += [f"{owner}: {problem}" for problem in error.problems]
        return None
    if isinstance(source, LocalScript):
        checked.notes.append(f"{owner}: {files.summary}")
    return files


def _check_device(checked: Checked, options: JobOptions, region: str) -> None:
    device = options.device
    shown = f"device={shorten(device.arn)}"
    if fault := device.fault():
        checked.problems.append(f"{shown}: {fault}")
    elsewhere = device.region not in {None, region}
    if elsewhere and not Token.is_unresolved(region) and not Token.is_unresolved(device.region):
        checked.problems.append(
            f"{shown}: the device is in {device.region}, and the stack is in {region}; a job runs "
            f"in its device's region. Deploy the stack to {device.region}, or use another device."
        )


def _check_image(checked: Checked, options: JobOptions, region: str) -> None:
    if options.algorithm is None and options.image is None:
        checked.problems.append(
            "algorithm: a script or an image is needed. Use AlgorithmScript.from_asset(…), "
            "or image=…."
        )
    fault = options.image.fault(region) if options.image else None
    if fault is not None:
        checked.problems.append(f"image: {fault}")
    elif not Token.is_unresolved(region) and region not in REGIONS:
        text = (
            f"Amazon Braket was not known to run hybrid jobs in {region} when this library was "
            f"released, but in {', '.join(REGIONS)}."
        )
        checked.warnings.append(("region", text))


def _check_owned(checked: Checked, options: JobOptions) -> None:
    checked.problems += [
        f"hyperparameters[{key!r}]: belongs to {owner}, which sets it. Use {owner}=… instead."
        for key, owner in OWNED_HYPERPARAMETERS.items()
        if key in options.hyperparameters
    ]


def _check_checkpoint_source(checked: Checked, options: JobOptions) -> None:
    """The API has no rule for it: the handler copies the checkpoints, by s3:// alone."""
    source = options.checkpoint_source
    if source is None:
        return
    if fault := text_fault(source.uri):
        checked.problems.append(f"copy_checkpoints_from={shorten(source.uri)}: {fault}")
    if is_unknown(source.uri):
        return
    if not source.bucket_name or not source.uri.startswith("s3://"):
        checked.problems.append(
            f"copy_checkpoints_from={shorten(source.uri)}: must be s3://bucket/prefix. "
            "Use CheckpointSource.from_bucket(…) or .from_s3_uri(…)."
        )


def _check_wait(checked: Checked, options: JobOptions) -> None:
    seconds = seconds_of(options.wait.timeout) if options.wait else 1
    if fault := text_fault(seconds):
        checked.problems.append(f"wait_for_completion.timeout={seconds:g} s: {fault}")
    elif not is_unknown(seconds) and not (seconds == int(seconds) and 1 <= seconds <= LONGEST_WAIT):
        checked.problems.append(
            f"wait_for_completion.timeout={seconds:g} s: must be 1 s to {LONGEST_WAIT} s, in whole "
            "seconds, as CloudFormation waits no longer than an hour. Use Duration.minutes(55) or "
            "less, or do not wait."
        )


def _check_cost(checked: Checked, options: JobOptions) -> None:
    """Tell the worst case of what is billed by the hour, and warn where nobody bounded it."""
    instance = options.instance
    longest = model_rules.bounds(
        model_rules.shape_of(REQUEST, "stoppingCondition", "maxRuntimeInSeconds")
    )
    seconds = seconds_of(options.max_runtime) if options.max_runtime else longest.maximum or 0
    if any(is_unknown(each) or text_fault(each) for each in (seconds, instance.instance_count)):
        return
    hours = seconds * instance.instance_count / _HOUR
    count, kind = instance.instance_count, instance.instance_type.value
    most = f"{hours:.3g} instance hours at most, on {count:g} of {kind}"
    if options.max_runtime is None and not options.device.is_local:
        text = (
            "max_runtime: is not given, and the device is billed for. The job may run as long as "
            f"the service lets it: {most}. Use max_runtime=Duration.hours(…)."
        )
        checked.warnings.append(("max-runtime", text))
        return
    checked.notes.append(f"cost: {most}")


def _check_buckets(checked: Checked, options: JobOptions) -> None:
    for owner, location in _locations(options).items():
        if location.has_impossible_bucket:
            checked.problems.append(
                f"{owner}={shorten(location.uri)}: S3 has no bucket of such a name: it is 3 to 63 "
                "lower-case letters, digits, dots and hyphens. Use the name of a bucket."
            )
            continue
        if location.is_object and is_prefix(location.prefix):
            checked.problems.append(
                f"{owner}={shorten(location.uri)}: is a prefix, and the job would fail once its "
                "instance runs. Use the key of one object."
            )
        if location.is_unreachable:
            text = (
                f"{owner}={shorten(location.uri)}: Braket reaches a bucket by a name that begins "
                f"with {REACHABLE_PREFIX}, or by the tag AmazonBraket=true together with S3's "
                "attribute-based access control, which cannot be seen from here."
            )
            checked.warnings.append(("bucket-name", text))


def _locations(options: JobOptions) -> dict[str, s3_location.Location]:
    """Where in S3 a job's data is and will be, by argument; none of what comes from here."""
    places: dict[str, object] = {
        f"input_data[{name!r}]": c.source for name, c in options.input_data.items()
    }
    if options.algorithm is not None:
        places["algorithm"] = options.algorithm.source
    places["copy_checkpoints_from"] = options.checkpoint_source
    return {
        owner: place for owner, place in places.items() if isinstance(place, s3_location.Location)
    }


def _request(
    checked: Checked,
    options: JobOptions,
    region: str,
    role: iam.IRole | None,
    *,
    tags: Mapping[str, str],
    buckets: "_Buckets",
) -> Mapping[str, object]:
    """The request as it will be, with stand-ins for what does not exist yet."""
    pending = Token.as_string({"Ref": "AWS::NoValue"})
    key = options.output_data.encryption_key
    named = _without_bad_name(options)
    places = Places(
        role_arn=pending if role is None else role.role_arn,
        script_uri=_script_uri(checked, options, buckets),
        image_uri=options.image.known_uri(region) if options.image else None,
        input_uris={
            name: _input_uri(checked, options, name, buckets) for name in options.input_data
        },
        output_uri=run_uri(named, options.output_data, buckets.results),
        output_key_arn=pending if key is None else key.key_arn,
        checkpoint_uri=run_uri(named, options.checkpoint, buckets.results),
    )
    return build(options, places) | {"clientToken": pending, "tags": dict(tags)}


def _check_request(
    checked: Checked,
    options: JobOptions,
    request: Mapping[str, object],
    scope: Construct,
    *,
    only: str | None = None,
) -> None:
    channels = list(options.input_data)
    faults = {
        problem.path: (problem, fault.fix) for problem, fault in _texts(options, request, scope)
    }
    checked.problems += [line(problem, channels, fix) for problem, fix in faults.values()]
    for problem in _first_of_each_path(model_rules.check(REQUEST, request, skip=is_unknown)):
        if problem.path in faults or (only is not None and problem.path[:1] != (only,)):
            continue
        if problem.path == INSTANCE_TYPE and problem.rule is Rule.ENUM:
            checked.warnings.append(_newer_instance_type(problem))
        else:
            checked.problems.append(line(problem, channels))


def _texts(
    options: JobOptions, request: Mapping[str, object], scope: Construct
) -> Iterator[tuple[Problem, Fault]]:
    # A number that looks like a token is rendered as one of CDK's own, which hides it.
    given = {key: value for key, value in options.hyperparameters.items() if is_unknown(value)}
    rendered = render_hyperparameters(options)
    yield from text_problems({**request, "hyperParameters": {**rendered, **given}}, scope)


def _without_bad_name(options: JobOptions) -> JobOptions:
    """The options without a name that is refused: the places made of it are not at fault."""
    shape = model_rules.shape_of(REQUEST, "jobName")
    is_bad = options.job_name is not None and model_rules.check(
        shape, options.job_name, skip=is_unknown
    )
    return replace(options, job_name=None) if is_bad else options


def _first_of_each_path(problems: Sequence[Problem]) -> list[Problem]:
    """What is too short, say, does not match the pattern either: one line is enough."""
    return list({problem.path: problem for problem in reversed(problems)}.values())[::-1]


def _newer_instance_type(problem: Problem) -> tuple[str, str]:
    text = (
        f"instance.instance_type={problem.value!r} is not in the service model of the installed "
        f"botocore ({problem.message}). It is passed on as it is."
    )
    return "instance-type", text


def _script_uri(checked: Checked, options: JobOptions, buckets: "_Buckets") -> str:
    if options.algorithm is not None and isinstance(options.algorithm.source, s3_location.Location):
        return options.algorithm.source.uri
    return buckets.uri(checked.script)


def _input_uri(checked: Checked, options: JobOptions, name: str, buckets: "_Buckets") -> str:
    source = options.input_data[name].source
    if isinstance(source, s3_location.Location):
        return source.uri
    return buckets.uri(checked.inputs.get(name))


@dataclass(frozen=True, slots=True)
class _Buckets:
    """The names of the buckets of inputs and results."""

    inputs: str
    results: str

    @staticmethod
    def of(environment: IHybridJobEnvironment | None) -> "_Buckets":
        if environment is None:
            return _Buckets(pretended_bucket("inputs"), pretended_bucket("results"))
        return _Buckets(
            environment.inputs_bucket.bucket_name, environment.results_bucket.bucket_name
        )

    def uri(self, files: LocalFiles | None) -> str:
        return f"s3://{self.inputs}/{files.key if files else ''}"


def pretended_bucket(purpose: str) -> str:
    """A name as long as that of the bucket which does not exist yet."""
    return bucket_name(purpose, "0000", _NO_UUID)


def _check_script(
    checked: Checked, options: JobOptions, disabled: Collection[PreflightCheck]
) -> None:
    hyperparameters = render_hyperparameters(options)
    if any(not isinstance(value, str) for value in hyperparameters.values()):
        return
    for finding in _findings(checked, options, hyperparameters, disabled):
        # A way out may hold a part of what was given.
        text = one_line(f"{finding.subject}: {finding.message} (check {finding.check.value})")
        if finding.severity is Severity.ERROR:
            checked.problems.append(text)
        else:
            checked.warnings.append((f"preflight-{finding.check.value}", text))


def _findings(
    checked: Checked,
    options: JobOptions,
    hyperparameters: Mapping[str, str],
    disabled: Collection[PreflightCheck],
) -> list[Finding]:
    script = options.algorithm
    if script is None or Token.is_unresolved(script.entry_point):
        return preflight_unread(None, hyperparameters, disabled=disabled)
    if checked.script is None or not isinstance(script.source, LocalScript):
        return preflight_unread(script.entry_point, hyperparameters, disabled=disabled)
    return preflight(
        script.source.path,
        script.entry_point,
        hyperparameters,
        disabled=disabled,
        exclude=script.source.exclude,
    )
