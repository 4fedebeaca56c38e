"""All checks of a job that run before any of its constructs exists."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, cast

from aws_cdk import Token
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX, is_prefix
from cdk_braket.assets.local_files import LocalData, LocalFiles, LocalScript
from cdk_braket.assets.packaging import PackagingError
from cdk_braket.core import s3_location
from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue, Severity, shorten, without
from cdk_braket.core.local_paths import path_issue
from cdk_braket.core.memo import bucket_name_of, key_arn_of, region_of, role_arn_of, stack_of
from cdk_braket.core.naming import bucket_name
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import plain
from cdk_braket.core.timeouts import LONGEST_WAIT
from cdk_braket.core.tokens import is_unknown
from cdk_braket.interfaces import IHybridJobEnvironment
from cdk_braket.request.container_image import REGIONS
from cdk_braket.request.create_job import (
    INSTANCE_TYPE,
    OWNED_HYPERPARAMETERS,
    REQUEST,
    JobOptions,
    Places,
    place,
    render,
    render_hyperparameters,
    run_uri,
)
from cdk_braket.request.device import device_issue, region_issue
from cdk_braket.validation.tags import tag_issues

from .messages import issue_of
from .preflight import Finding, PreflightCheck, preflight, preflight_unread
from .template_text import text_issue, text_problems

REGION: Final = "region"
"""The check whose warning is about a stack, not about a job."""

_HOUR: Final = 3600
_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
# A value that the preflight treats as known later.
_UNKNOWN: Final = "${Token[unknown.0]}"


@dataclass(slots=True)
class Checked:
    """The results of the checks, and the files that they read.

    Attributes:
        problems: Problems that stop the synthesis.
        warnings: Problems that do not; each has the id that acknowledges it.
        script: The packed script, if it comes from this machine.
        inputs: The channels' files, by channel name, where they come from this machine.
        hours: Instance hours at most; None where they are unbounded or not known.
        request: The rendered request, without its places.
    """

    problems: list[Issue] = field(default_factory=list)
    warnings: list[Issue] = field(default_factory=list)
    script: LocalFiles | None = None
    inputs: dict[str, LocalFiles] = field(default_factory=dict)
    hours: float | None = None
    request: Mapping[str, object] = field(default_factory=dict)

    def refuse(self, argument: str, rule: str, fix: str, shown: str = "") -> None:
        """Add a problem."""
        self.problems.append(Issue(argument, rule, fix, shown))

    def warn(self, check: str, argument: str, rule: str, fix: str = "", shown: str = "") -> None:
        """Add a warning."""
        warning = Issue(argument, rule, fix, shown, Severity.WARNING, check)
        self.warnings.append(warning)

    def add(self, issues: Iterable[Issue | None]) -> None:
        """Add issues by their severity; None is skipped."""
        for issue in issues:
            if issue is not None:
                found = self.problems if issue.severity is Severity.ERROR else self.warnings
                found.append(issue)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a job is declared, and the constructs that it uses.

    Attributes:
        scope: The scope in which the job will be declared.
        role: The execution role, if it is the user's.
        environment: The environment, if it is the user's.
        tags: The job's own tags.
        disabled: Checks of the script that are turned off.
        scratch: A directory for archives.
        refused: Arguments that were already refused because of their types. The options contain
            placeholders for them, of which nothing is reported.
    """

    scope: Construct
    role: iam.IRole | None
    environment: IHybridJobEnvironment | None
    tags: Mapping[str, str]
    disabled: Collection[PreflightCheck]
    scratch: Path
    refused: Collection[str] = ()

    @property
    def region(self) -> str:
        """The stack's region; a token when it is not known."""
        return region_of(stack_of(self.scope))


def check(options: JobOptions, around: Surroundings) -> Checked:
    """Check a job's options all at once. Creates no construct."""
    checked = Checked(request=render(options))
    _collect(checked, options, around.scratch)
    _check_device(checked, options, around.region)
    _check_image(checked, options, around)
    _check_owned(checked, options)
    _check_checkpoint_source(checked, options)
    _check_buckets(checked, options)
    _check_placement(checked, options, around)
    _check_wait(checked, options)
    _check_cost(checked, options)
    checked.problems += tag_issues(around.tags)
    _check_request(checked, options, _request(checked, options, around), around.scope)
    _check_script(checked, options, around.disabled, around.refused)
    checked.problems = without(checked.problems, around.refused)
    return checked


def check_hyperparameters(
    options: JobOptions,
    packed: Checked,
    disabled: Collection[PreflightCheck],
    *,
    scope: Construct,
    refused: Collection[str] = (),
) -> list[Issue]:
    """Check only the hyperparameters, for options of which the rest was checked before.

    Args:
        options: The job.
        packed: The results of the check of the rest.
        disabled: Checks of the script that are turned off.
        scope: Where the job is.
        refused: Arguments that were already refused because of their types.
    """
    request = {"hyperParameters": render_hyperparameters(options)}
    checked = Checked(script=packed.script, request=request)
    _check_owned(checked, options)
    found = Checked()
    _check_request(found, options, request, scope, only="hyperParameters")
    checked.problems += found.problems
    _check_script(checked, options, disabled, refused)
    return without(checked.problems, refused)


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
    paths = {owner: source.given} | {
        f"{owner}.include_modules[{index}]": each for index, each in enumerate(source.given_include)
    }
    issues = [path_issue(argument, given) for argument, given in paths.items()]
    if any(issues):
        checked.add(issues)
        return None
    try:
        return source.collect(scratch)
    except PackagingError as error:
        checked.problems += [
            Issue(owner, f"{issue.argument}: {issue.rule}", issue.fix) for issue in error.issues
        ]
        return None


def _check_device(checked: Checked, options: JobOptions, region: str) -> None:
    device = options.device
    issue = device_issue(device)
    checked.add([issue, region_issue(device, region, "a job runs")])
    if issue is None and device.is_unknown_simulator and not is_unknown(device.arn):
        rule = "no known image of Amazon Braket contains this simulator"
        fix = (
            "Use Device.local('braket/default') or 'pennylane/lightning.qubit', unless the job's "
            "image contains it"
        )
        checked.warn("device", "device", rule, fix, shorten(device.arn))


def _check_image(checked: Checked, options: JobOptions, around: Surroundings) -> None:
    if options.algorithm is None and options.image is None:
        if not {"algorithm", "image"} & set(around.refused):
            fix = "Use AlgorithmScript.from_asset(…), or image=…"
            checked.refuse("algorithm", "a script or an image is needed", fix)
        return
    region = around.region
    issue = options.image.issue(region) if options.image else None
    checked.add([issue])
    if issue is None and not is_unknown(region) and region not in REGIONS:
        text = (
            f"Amazon Braket was not known to run hybrid jobs in {region} when this library was "
            f"released, but in {', '.join(REGIONS)}"
        )
        checked.warn(REGION, "", text)


def _check_owned(checked: Checked, options: JobOptions) -> None:
    for key, owner in OWNED_HYPERPARAMETERS.items():
        if key in options.hyperparameters:
            rule = f"belongs to {owner}, which sets it"
            checked.refuse(f"hyperparameters[{key!r}]", rule, f"Use {owner}=… instead")


def _check_checkpoint_source(checked: Checked, options: JobOptions) -> None:
    """Check the URI: the API has no rule for it, and the handler copies from s3:// only."""
    source = options.checkpoint_source
    if source is None:
        return
    argument = "copy_checkpoints_from"
    checked.add([text_issue(argument, source.uri)])
    if is_unknown(source.uri):
        return
    if not source.bucket_name or not source.uri.startswith("s3://"):
        fix = "Use CheckpointSource.from_bucket(…) or .from_s3_uri(…)"
        checked.refuse(argument, "expected s3://bucket/prefix", fix, shorten(source.uri))


def _check_wait(checked: Checked, options: JobOptions) -> None:
    argument = "wait_for_completion.timeout"
    seconds = seconds_of(options.wait.timeout) if options.wait else 1
    if issue := text_issue(argument, seconds):
        checked.problems.append(issue)
    elif not is_unknown(seconds) and not (seconds == int(seconds) and 1 <= seconds <= LONGEST_WAIT):
        checked.refuse(
            argument,
            f"expected whole seconds, from 1 s to {LONGEST_WAIT} s, got {seconds:g} s: "
            "CloudFormation waits no longer than an hour",
            "Use Duration.minutes(55) or less, or do not wait",
        )


def _check_cost(checked: Checked, options: JobOptions) -> None:
    """Compute the maximum of the billed instance hours, and warn if you did not set a limit.

    Jobs on embedded simulators are skipped, because no device is billed for them.
    """
    instance = options.instance
    if options.device.is_local:
        return
    longest = model_rules.bounds(
        model_rules.shape_of(REQUEST, "stoppingCondition", "maxRuntimeInSeconds")
    )
    seconds = (
        seconds_of(options.given.max_runtime) if options.given.max_runtime else longest.maximum or 0
    )
    instances = plain(instance.instance_count)
    if not isinstance(instances, (int, float)):
        return
    if any(is_unknown(each) or text_issue("", each) for each in (seconds, instances)):
        return
    hours = seconds * instances / _HOUR
    if options.given.max_runtime is not None:
        checked.hours = hours
        return
    kind = instance.instance_type.value
    text = (
        "is not set, and the device is billed. The job may run as long as the service allows: "
        f"{hours:.3g} instance hours at most, on {instances:g} of {kind}"
    )
    checked.warn("max-runtime", "max_runtime", text, "Use max_runtime=Duration.hours(…)")


def _check_buckets(checked: Checked, options: JobOptions) -> None:
    for owner, location in _locations(options).items():
        shown = shorten(location.uri)
        if location.has_impossible_bucket:
            text = "expected 3 to 63 lower-case letters, digits, dots and hyphens, as in S3"
            checked.refuse(owner, text, "Use the name of a bucket", shown)
            continue
        if location.is_object and is_prefix(location.prefix):
            text = "is a prefix, and the job would fail after its instance has started"
            checked.refuse(owner, text, "Use the key of one object", shown)
        if location.is_unreachable:
            text = (
                f"Braket can reach a bucket whose name begins with {REACHABLE_PREFIX}, or that has "
                "the tag AmazonBraket=true and S3's attribute-based access control. Synth cannot "
                "check the tag"
            )
            checked.warn("bucket-name", owner, text, shown=shown)


def _check_placement(checked: Checked, options: JobOptions, around: Surroundings) -> None:
    """Check that a job's buckets and keys are in its region, and its role in its account."""
    scope, region = around.scope, around.region
    output, checkpoint = options.output_data, options.checkpoint
    places: dict[str, object] = {
        "environment": around.environment,
        "output_data.bucket": output.bucket,
        "output_data.encryption_key": output.encryption_key,
        "checkpoint.bucket": checkpoint.bucket,
    }
    for owner, location in _locations(options).items():
        places[owner] = location.bucket
        there = location.written_region
        if there is not None and there != region and not is_unknown(region):
            text = f"is in region {there}, and the job would be in {region}"
            checked.refuse(owner, text, f"Use a bucket in {region}", shorten(location.uri))
    for argument, used in places.items():
        checked.add(misplaced(argument, used, scope))
    checked.add(misplaced("role", around.role, scope, in_region=False, in_account=True))


def _locations(options: JobOptions) -> dict[str, s3_location.Location]:
    """Return the S3 locations of a job's data by argument, without those of local files."""
    places: dict[str, object] = {
        f"input_data[{name!r}]": c.source for name, c in options.input_data.items()
    }
    if options.algorithm is not None:
        places["algorithm"] = options.algorithm.source
    places["copy_checkpoints_from"] = options.checkpoint_source
    return {
        owner: place for owner, place in places.items() if isinstance(place, s3_location.Location)
    }


@cache
def _pending() -> str:
    """Return a token for a resource that does not exist yet."""
    return Token.as_string({"Ref": "AWS::NoValue"})


def _request(checked: Checked, options: JobOptions, around: Surroundings) -> Mapping[str, object]:
    """Return the request, with placeholders for resources that do not exist yet."""
    role, buckets = around.role, _Buckets.of(around.environment)
    pending = _pending()
    key = options.output_data.encryption_key
    named = _without_bad_name(options)
    places = Places(
        role_arn=pending if role is None else role_arn_of(role),
        script_uri=_script_uri(checked, options, buckets),
        image_uri=options.image.known_uri(around.region) if options.image else None,
        input_uris={
            name: _input_uri(checked, options, name, buckets) for name in options.input_data
        },
        output_uri=run_uri(named, options.output_data, buckets.results),
        output_key_arn=pending if key is None else key_arn_of(key),
        checkpoint_uri=run_uri(named, options.checkpoint, buckets.results),
    )
    return place(checked.request, places) | {"clientToken": pending, "tags": dict(around.tags)}


def _check_request(
    checked: Checked,
    options: JobOptions,
    request: Mapping[str, object],
    scope: Construct,
    *,
    only: str | None = None,
) -> None:
    channels = list(options.input_data)
    found = {problem.path: (problem, fix) for problem, fix in _texts(options, request, scope)}
    checked.problems += [issue_of(problem, channels, fix) for problem, fix in found.values()]
    for problem in _first_of_each_path(model_rules.check(REQUEST, request, skip=is_unknown)):
        if problem.path in found or (only is not None and problem.path[:1] != (only,)):
            continue
        if problem.path == INSTANCE_TYPE and problem.rule is Rule.ENUM:
            checked.warnings.append(_newer_instance_type(problem))
        else:
            checked.problems.append(issue_of(problem, channels))


def _texts(
    options: JobOptions, request: Mapping[str, object], scope: Construct
) -> Iterator[tuple[Problem, str]]:
    # A number that looks like a token is rendered as one of CDK's tokens, which hides it.
    given = {key: value for key, value in options.hyperparameters.items() if is_unknown(value)}
    rendered = _hyperparameters(request)
    yield from text_problems({**request, "hyperParameters": {**rendered, **given}}, scope)


def _hyperparameters(request: Mapping[str, object]) -> Mapping[str, str]:
    return cast("Mapping[str, str]", request.get("hyperParameters", {}))


def _without_bad_name(options: JobOptions) -> JobOptions:
    """Return the options without a refused name, so that locations with it are not reported."""
    shape = model_rules.shape_of(REQUEST, "jobName")
    is_bad = options.given.job_name is not None and model_rules.check(
        shape, options.given.job_name, skip=is_unknown
    )
    return options.changed(job_name=None) if is_bad else options


def _first_of_each_path(problems: Sequence[Problem]) -> list[Problem]:
    """Return one problem for each path. A string that is too short also breaks the pattern."""
    return list({problem.path: problem for problem in reversed(problems)}.values())[::-1]


def _newer_instance_type(problem: Problem) -> Issue:
    rule = (
        f"is not in the service model of the installed botocore ({problem.message}). It is passed "
        "on as it is"
    )
    shown = shorten(str(problem.value))
    argument = "instance.instance_type"
    return Issue(argument, rule, shown=shown, severity=Severity.WARNING, check="instance-type")


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
            bucket_name_of(environment.inputs_bucket), bucket_name_of(environment.results_bucket)
        )

    def uri(self, files: LocalFiles | None) -> str:
        return f"s3://{self.inputs}/{files.key if files else ''}"


def pretended_bucket(purpose: str) -> str:
    """Return a name as long as that of the bucket, which does not exist yet."""
    return bucket_name(purpose, "0000", _NO_UUID)


def _check_script(
    checked: Checked,
    options: JobOptions,
    disabled: Collection[PreflightCheck],
    refused: Collection[str],
) -> None:
    rendered = {
        key: value if isinstance(value, str) and not is_unknown(value) else _UNKNOWN
        for key, value in _hyperparameters(checked.request).items()
    }
    if "hyperparameters" in refused:
        disabled = {*disabled, PreflightCheck.HYPERPARAMETERS}
    checked.add(finding.issue for finding in _findings(checked, options, rendered, disabled))


def _findings(
    checked: Checked,
    options: JobOptions,
    hyperparameters: Mapping[str, str],
    disabled: Collection[PreflightCheck],
) -> list[Finding]:
    script = options.algorithm
    if script is None or is_unknown(script.entry_point):
        return preflight_unread(None, hyperparameters, disabled=disabled)
    if checked.script is None or not isinstance(script.source, LocalScript):
        return preflight_unread(script.entry_point, hyperparameters, disabled=disabled)
    return preflight(
        script.source.path,
        script.entry_point,
        hyperparameters,
        disabled=disabled,
        exclude=script.source.exclude,
        include=script.source.include,
        image_uri=_image_uri(options),
    )


def _image_uri(options: JobOptions) -> str | None:
    """Return the URI of the job's image in some region; None if the job sets no image."""
    return None if options.image is None else options.image.known_uri(REGIONS[0])
