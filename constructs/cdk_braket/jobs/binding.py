"""Checks a job's definition before anything is created, then binds it to its environment."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from aws_cdk import (
    Annotations,
    RemovalPolicy,
    Stack,
    TagManager,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from cdk_braket._lambda.braket_jobs.api.nested_properties import nested
from cdk_braket._lambda.braket_jobs.contract import AssetMember, EncryptionMember
from cdk_braket._lambda.braket_jobs.contract import Property as ResourceProperty
from cdk_braket.assets.local_files import Copy, LocalData, LocalFiles, LocalScript, copy_in
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked, wrong_types
from cdk_braket.core.issue import Issue
from cdk_braket.core.keys import (
    READ_ACTIONS,
    RESULT_ACTIONS,
    is_same_key,
    key_statements,
    results_key_statement,
    target_of,
)
from cdk_braket.core.late import LateDependency
from cdk_braket.core.memo import (
    asset_directory_of,
    bucket_arn_of,
    bucket_name_of,
    encryption_key_of,
    key_arn_of,
    parent_of,
    path_of,
    region_of,
    role_arn_of,
    role_of,
    share_tree,
    stack_of,
    stage_of,
)
from cdk_braket.core.naming import JOBS, RECORDS, description
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import Hyperparameter, plain
from cdk_braket.core.statement import Statement, rendered
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.environment.handler_function import (
    copy_statements,
    go_on,
    read_assets_statement,
    script_look_statements,
    tags_look_statement,
)
from cdk_braket.environment.hybrid_job_environment import (
    HybridJobEnvironment,
    shared_statements,
)
from cdk_braket.interfaces import IHybridJobEnvironment
from cdk_braket.jobs.arguments import JobArguments
from cdk_braket.jobs.notes import note
from cdk_braket.jobs.tags import JobTags
from cdk_braket.permissions.grants import channel_to_write, granted, write_statements
from cdk_braket.permissions.managed_policy_role import OwnRole, permissions_of
from cdk_braket.permissions.statements import (
    attach,
    attach_in_own_policy,
    device_look_statement,
    device_statements,
    log_statements,
    objects_statements,
    pass_role_statement,
)
from cdk_braket.request.create_job import (
    REQUEST,
    JobOptions,
    Places,
    base_prefix,
    isolation_of,
    label_from,
    place,
    run_uri,
    tasks_pattern,
)
from cdk_braket.request.device import Device, device_issue, region_issue
from cdk_braket.request.job_options import (
    WaitForCompletion,
)
from cdk_braket.request.spending_limit import SpendingLimit, wrong_device
from cdk_braket.validation.bucket_access import parts_of, refuse_unreachable, warn_of_key
from cdk_braket.validation.checks import REGION, Checked, Surroundings, check, check_hyperparameters
from cdk_braket.validation.limits import watch_limits
from cdk_braket.validation.template_text import text_issue
from cdk_braket.validation.usable_arguments import policy_issues, usable_arguments

_WARNING: Final = "cdk-braket"
_LEFT_AS_IT_IS: Final = (
    "role: is not of this app, and nothing was attached to it. It must allow everything in "
    "execution_policy. An environment of another app has allow_device and allow_image for this."
)


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A definition that passed the checks. No construct of it exists yet."""

    scope: Construct
    arguments: JobArguments
    options: JobOptions
    checked: Checked


def prepare(
    construct: type,
    scope: Construct,
    id: str,
    arguments: JobArguments,
    *,
    wait: WaitForCompletion | None = None,
    more: Mapping[str, object] | None = None,
) -> CheckedJob:
    """Check the arguments, all at once. Creates no construct.

    An argument of a wrong type is excluded from the further checks, so that these can still run.

    Args:
        construct: The class whose arguments they are.
        scope: The scope.
        id: The id in the scope.
        arguments: The arguments of the definition.
        wait: How the deployment waits for the job.
        more: Further arguments, by name.

    Raises:
        ValidationError: Something is wrong.
    """
    path = f"{path_of(scope)}/{id}".lstrip("/")
    further = dict(more or {})
    given = dict(vars(arguments))
    if wait is not None:
        further["wait_for_completion"] = wait
    faults = wrong_types(construct.__init__, given | further)  # type: ignore[misc]  # its signature
    refused = frozenset(issue.argument for issue in faults)
    fitting = usable_arguments(given, refused)
    usable = JobArguments(**{name: plain(value) for name, value in fitting.items()})  # type: ignore[arg-type]  # of their types
    further = usable_arguments(further, refused)
    waits = cast("WaitForCompletion | None", further.get("wait_for_completion"))
    isolation = isolation_of(stack_of(scope), path) if usable.isolated else None
    options = JobOptions(usable, label_from(path), isolation, waits)
    around = Surroundings(
        scope=scope,
        role=usable.role,
        environment=usable.environment,
        tags=usable.tags or {},
        disabled=usable.disabled_checks,
        scratch=scratch_of(scope),
        refused=refused,
    )
    checked = check(options, around)
    problems = [
        *faults,
        *checked.problems,
        *_contradictions(usable),
        *policy_issues(usable.removal_policy),
        *_of_life(scope, usable, further),
    ]
    if problems:
        raise ValidationError(path, problems)
    return CheckedJob(scope, usable, options, checked)


def _of_life(
    scope: Construct, given: JobArguments, further: Mapping[str, object]
) -> Iterator[Issue]:
    """Check the arguments that are not part of a definition."""
    if issue := text_issue("rerun_trigger", further.get("rerun_trigger")):
        yield issue
    limit = further.get("spending_limit")
    if isinstance(limit, SpendingLimit):
        yield from misplaced("spending_limit", limit, scope)
        yield from wrong_device(limit, given.device)


def _contradictions(given: JobArguments) -> Iterator[Issue]:
    if given.environment is not None and given.removal_policy is not None:
        yield Issue(
            "removal_policy",
            "belongs to the environment, which has the buckets and the key",
            "Use HybridJobEnvironment(…, removal_policy=…)",
        )
    if given.isolated and given.role is not None:
        rule = "gives the job a separate role, and role=… is another"
        yield Issue("isolated", rule, "Remove one of them")


class BoundJob:
    """A definition with the places, roles and permissions that its jobs need.

    Attributes:
        owner: The construct whose definition it is.
        options: The job.
        environment: The buckets, key, role and handler that it uses.
        role: The execution role.
        statements: The permissions that the role needs.
        tags: The job's tags.
        prerequisites: Constructs that must exist before a job starts, and until it ends.
    """

    def __init__(self, owner: Construct, prepared: CheckedJob) -> None:
        """Create the resources that the jobs need.

        Args:
            owner: The construct whose definition it is, and the parent of new constructs.
            prepared: The checked definition.
        """
        given, self._checked = prepared.arguments, prepared.checked
        self._disabled_checks = given.disabled_checks
        self.options = prepared.options
        self.owner = owner
        share_tree(owner, prepared.scope)
        _annotate(owner, self._checked)
        watch_limits(owner)
        self.tags = JobTags(owner, given.tags or {})
        self.environment = given.environment or HybridJobEnvironment(
            owner, "Environment", removal_policy=given.removal_policy or RemovalPolicy.RETAIN
        )
        image = self.options.image
        self._image = image.bind(owner) if image else None
        self._copies = self._copy_in()
        for argument, target in (
            ("output_data.bucket", self.options.output_data),
            ("checkpoint.bucket", self.options.checkpoint),
        ):
            if target.bucket is not None:
                refuse_unreachable(owner, argument, target.bucket)
        self._has_own_role = given.isolated
        self.role = given.role or (_own_role(owner) if given.isolated else self.environment.role)
        base = (
            self._isolated_statements()
            if given.isolated
            else shared_statements(self.environment, stack_of(owner))
        )
        beyond, late = self._statements_beyond(), _late_statements(self.options)
        self.statements = [*base, *beyond, *late]
        # The environment's role has the other permissions already.
        missing = beyond if self.role is self.environment.role else [*base, *beyond]
        self.prerequisites = [*self._attach(missing, late), *self._bucket_parts()]
        if not self.options.device.is_local:
            self._let_braket_write_task_results()
        if (missing or late) and not isinstance(self.role, iam.Role):
            # Reported once, on the role, and not for each of its jobs.
            Annotations.of(self.role).add_info(_LEFT_AS_IT_IS)

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the results."""
        return self.options.output_data.bucket or self.environment.results_bucket

    @property
    def results_prefix(self) -> str:
        """The key prefix of the results of all runs."""
        return base_prefix(self.options, self.options.output_data)

    @property
    def results_location(self) -> s3_location.Location:
        """The results of all runs, with the keys that encrypt them."""
        output, bucket = self.options.output_data, self.results_bucket
        # Checkpoints, which may be there as well, use the bucket's key.
        keys = [
            key for key in (output.encryption_key, encryption_key_of(bucket)) if key is not None
        ]
        return replace(s3_location.in_bucket(bucket, self.results_prefix), keys=tuple(keys))

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        """The bucket of the checkpoints."""
        return self.options.checkpoint.bucket or self.environment.results_bucket

    @property
    def checkpoint_prefix(self) -> str:
        """The key prefix of the checkpoints of all runs."""
        return base_prefix(self.options, self.options.checkpoint)

    def properties(self) -> dict[str, object]:
        """Return the properties with which the handler starts the job, for a resource or event."""
        stack = stack_of(self.owner)
        properties: dict[ResourceProperty, object] = {
            ResourceProperty.REQUEST: nested(REQUEST, self._request(), stack.to_json_string),
            ResourceProperty.RECORDS: records_uri(self.environment),
            ResourceProperty.TAGS: self.tags,
        }
        if self._copies:
            properties[ResourceProperty.ASSETS] = _by_bucket(self._copies, stack)
        if self.options.checkpoint_source is not None:
            properties[ResourceProperty.COPY_CHECKPOINTS_FROM] = self.options.checkpoint_source.uri
        if encryption := self._encryption():
            properties[ResourceProperty.ENCRYPTION] = encryption
        return {name.value: value for name, value in properties.items()}

    def _encryption(self) -> list[dict[str, str]]:
        """Return the encryption of the buckets that the handler writes to, where it is known.

        A policy may deny writes without the header that names it. The encryption of an imported
        environment's buckets is not known.
        """
        if not isinstance(self.environment, HybridJobEnvironment):
            return []
        inputs = self.environment.inputs_bucket
        written = {bucket_name_of(inputs): inputs}
        if self.options.checkpoint_source is not None:
            written.setdefault(bucket_name_of(self.checkpoint_bucket), self.checkpoint_bucket)
        known: list[dict[str, str]] = []
        for name, bucket in written.items():
            entry = {EncryptionMember.BUCKET.value: name}
            key = encryption_key_of(bucket)
            if key is not None:
                entry[EncryptionMember.KEY.value] = key_arn_of(key)
            elif parent_of(bucket) is not self.environment:
                continue
            known.append(entry)
        return known

    def hyperparameter_issues(
        self, more: Mapping[str, Hyperparameter], refused: Collection[str] = ()
    ) -> list[Issue]:
        """Check the hyperparameters of one run in the same way as those of the definition.

        Args:
            more: Hyperparameters that add to or replace those of the definition.
            refused: Arguments that were already refused because of their types.
        """
        options = self.options.changed(hyperparameters={**self.options.hyperparameters, **more})
        return check_hyperparameters(
            options, self._checked, self._disabled_checks, scope=self.owner, refused=refused
        )

    def _request(self) -> dict[str, object]:
        options = self.options
        results = bucket_name_of(self.environment.results_bucket)
        # Already rendered for the checks: only the locations are new.
        places = Places(
            role_arn=role_arn_of(self.role),
            script_uri=self._script_uri(),
            image_uri=None if self._image is None else self._image.uri,
            input_uris={
                name: self._uri(channel.source, self._checked.inputs.get(name))
                for name, channel in options.input_data.items()
            },
            output_uri=run_uri(options, options.output_data, results),
            output_key_arn=self._output_key_arn(),
            checkpoint_uri=run_uri(options, options.checkpoint, results),
        )
        return place(self._checked.request, places)

    def _script_uri(self) -> str | None:
        algorithm = self.options.algorithm
        return None if algorithm is None else self._uri(algorithm.source, self._checked.script)

    def _uri(
        self, source: LocalScript | LocalData | s3_location.Location, files: LocalFiles | None
    ) -> str:
        if isinstance(source, s3_location.Location):
            return source.uri
        bucket = bucket_name_of(self.environment.inputs_bucket)
        return f"s3://{bucket}/{files.key if files else ''}"

    def _output_key_arn(self) -> str | None:
        output = self.options.output_data
        key = output.encryption_key or encryption_key_of(self.results_bucket)
        return None if key is None else key_arn_of(key)

    def _copy_in(self) -> list[Copy]:
        copies: list[Copy] = []
        if self._checked.script is not None:
            copies += copy_in(Construct(self.owner, "Script"), self._checked.script)
        if self._checked.inputs:
            channels = Construct(self.owner, "Inputs")
            for name, files in self._checked.inputs.items():
                copies += copy_in(Construct(channels, name), files)
        return copies

    def _attach(self, missing: Sequence[Statement], late: Sequence[Statement]) -> list[IDependable]:
        """Grant the roles the permissions that the environment has not granted them already."""
        environment, owner = self.environment, self.owner
        function = environment.handler_function
        outlasts = (
            environment._job_prerequisites()  # noqa: SLF001 - internal to this library
            if isinstance(environment, HybridJobEnvironment)
            else []
        )
        found: list[IDependable | None] = [
            *outlasts,
            attach(owner, self.role, missing),
            # After the policies are attached. The request refers to the role itself.
            permissions_of(self.role),
            attach_in_own_policy(owner, "LatePolicy", self.role, late),
            attach(owner, role_of(function), self._handler_statements()),
            attach_in_own_policy(
                owner, "HandlerPolicy", role_of(function), self._late_handler_statements()
            ),
            None if self.options.wait is None else go_on(function),
        ]
        return [each for each in found if each is not None]

    def _bucket_parts(self) -> list[IDependable]:
        """Return the parts of the user's buckets that are deleted after the job."""
        targets = (self.options.output_data, self.options.checkpoint)
        buckets = [each.bucket for each in targets if each.bucket is not None]
        if not any(isinstance(bucket, s3.Bucket) for bucket in buckets):
            return []
        return [
            LateDependency(
                self.owner,
                "Prerequisites",
                lambda: [part for bucket in buckets for part in parts_of(bucket)],
            )
        ]

    def device_issues(self, device: Device) -> Iterator[Issue]:
        """Check a device that a run may use in place of the definition's."""
        region = region_of(stack_of(self.owner))
        for issue in (device_issue(device), region_issue(device, region, "a job runs")):
            if issue is not None:
                yield issue

    def allow_devices(self, devices: Sequence[Device]) -> None:
        """Grant the role and the handler permissions for devices that a run may use."""
        managed = [device for device in devices if not device.is_local]
        if not managed:
            return
        stack, bucket = stack_of(self.owner), self.results_bucket
        needed = [each for one in managed for each in device_statements(stack, one.arn, bucket)]
        needed += self._task_result_statements()
        self.statements += [each for each in needed if each not in self.statements]
        attach(self.owner, self.role, needed)
        looks = [device_look_statement(device.arn) for device in managed]
        attach(self.owner, role_of(self.environment.handler_function), looks)
        self._let_braket_write_task_results()

    def _task_result_statements(self) -> list[Statement]:
        """Return the permissions on the results of tasks, unless the environment grants them."""
        bucket, pattern = self.options.output_data.bucket, tasks_pattern(self.options)
        if bucket is None and not self._has_own_role and pattern.startswith(f"{JOBS}/"):
            return []
        return objects_statements(self.results_bucket, [pattern], writes=True)

    def _let_braket_write_task_results(self) -> None:
        """Allow the service-linked role to use the key of the results, or warn if we cannot."""
        bucket = self.options.output_data.bucket
        if bucket is None:
            if isinstance(self.environment, HybridJobEnvironment):
                self.environment.warn_of_key(self.owner)
            return
        key, stack = encryption_key_of(bucket), stack_of(self.owner)
        statement = results_key_statement(stack)
        added = key is not None and target_of(key).add_to_resource_policy(statement).statement_added
        if not added and not (key is None and isinstance(bucket, s3.Bucket)):
            warn_of_key(self.owner, bucket)

    def _handler_statements(self) -> list[Statement]:
        """Return the permissions that the handler needs for this definition."""
        options = self.options
        statements = _looks(options)
        if self.role is not self.environment.role and not self._has_own_role:
            statements.append(pass_role_statement(self.role))
        arns = {bucket_arn_of(copy.bucket) for copy in self._copies}
        statements += [read_assets_statement(arn) for arn in sorted(arns)]
        source = options.checkpoint_source
        if source is not None and not source.is_known_late:
            statements += self._copy_statements(source)
        return statements

    def _late_handler_statements(self) -> list[Statement]:
        """Return further permissions of the handler, on resources that may depend on other jobs."""
        late = {place.bucket_arn for place in _locations(self.options) if place.is_known_late}
        statements = [tags_look_statement(arn) for arn in sorted(late)]
        if self._has_own_role:
            statements.append(pass_role_statement(self.role))
        source = self.options.checkpoint_source
        if source is not None and source.is_known_late:
            statements += self._copy_statements(source)
        return statements

    def _copy_statements(self, source: s3_location.Location) -> list[Statement]:
        target = s3_location.in_bucket(self.checkpoint_bucket, self.checkpoint_prefix)
        return copy_statements(source, target)

    def _isolated_statements(self) -> list[Statement]:
        """Return the permissions that every job needs, limited to this job's objects."""
        environment = self.environment
        files = [self._checked.script, *self._checked.inputs.values()]
        keys = sorted({f"{each.key.rpartition('/')[0]}/*" for each in files if each is not None})
        inputs = environment.inputs_bucket
        reads = [*objects_statements(inputs, keys), *self._inputs_key_statements()] if keys else []
        return [*reads, *log_statements(stack_of(self.owner))]

    def _inputs_key_statements(self) -> list[Statement]:
        """Return the statements for the inputs' key, unless the results allow it already."""
        inputs = encryption_key_of(self.environment.inputs_bucket)
        written = [encryption_key_of(bucket) for bucket in self._written()]
        written.append(self.options.output_data.encryption_key)
        if inputs is None or any(
            each is not None and is_same_key(inputs, each) for each in written
        ):
            return []
        return key_statements([inputs], READ_ACTIONS)

    def _statements_beyond(self) -> list[Statement]:
        """Return the permissions of this definition that not every job of its environment needs."""
        options = self.options
        statements = [] if self._image is None else self._image.pull_statements()
        if not options.device.is_local:
            statements += device_statements(
                stack_of(self.owner), options.device.arn, self.results_bucket
            )
        for location in _locations(options):
            if not location.is_known_late:
                statements += location.read_statements()
        for bucket, patterns in self._written().items():
            statements += objects_statements(bucket, sorted(patterns), writes=True)
            statements += key_statements([encryption_key_of(bucket)], RESULT_ACTIONS)
        statements += key_statements([options.output_data.encryption_key], RESULT_ACTIONS)
        return statements

    def _written(self) -> dict[s3.IBucket, set[str]]:
        """Return the key patterns that the job writes, by bucket.

        Without those that every job of the environment may write.
        """
        options = self.options
        places = [
            (options.output_data.bucket, f"{s3_location.literal(self.results_prefix)}*"),
            (options.checkpoint.bucket, f"{s3_location.literal(self.checkpoint_prefix)}*"),
        ]
        if not options.device.is_local:
            places.append((options.output_data.bucket, tasks_pattern(options)))
        written: dict[s3.IBucket, set[str]] = {}
        for bucket, pattern in places:
            is_shared = bucket is None and options.isolation is None
            if not (is_shared and pattern.startswith(f"{JOBS}/")):
                written.setdefault(bucket or self.environment.results_bucket, set()).add(pattern)
        return written


class JobConstruct:
    """The properties of a construct that has a definition."""

    _definition: BoundJob

    @property
    def device(self) -> Device:
        """The device that the job has priority on."""
        return self._definition.options.device

    @property
    def role(self) -> iam.IRole:
        """The execution role."""
        return self._definition.role

    @property
    def environment(self) -> IHybridJobEnvironment:
        """The environment: the given one, or the job's own."""
        return self._definition.environment

    @property
    def execution_policy(self) -> iam.PolicyDocument:
        """The permissions that the execution role needs.

        An imported role is not changed: attach this to it, as JSON or as an `iam.ManagedPolicy`.
        """
        return iam.PolicyDocument(statements=rendered(self._definition.statements))

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the results."""
        return self._definition.results_bucket

    @property
    def results_prefix(self) -> str:
        """The key prefix of the results of all runs."""
        return self._definition.results_prefix

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        """The bucket of the checkpoints."""
        return self._definition.checkpoint_bucket

    @property
    def checkpoint_prefix(self) -> str:
        """The key prefix of the checkpoints of all runs."""
        return self._definition.checkpoint_prefix

    @checked
    def grant_write_input(self, grantee: iam.IGrantable, channel: str | None = None) -> iam.Grant:
        """Allow writing data to the job's input location, but not reading it.

        Args:
            grantee: The user, role or resource in the same account.
            channel: The input channel. Default: the only one whose data is in a bucket.

        Raises:
            ValidationError: There is no such channel, or the default is ambiguous.
        """
        options = self._definition.options
        sources = {name: each.source for name, each in options.input_data.items()}
        location = channel_to_write(self._definition.owner, sources, channel)
        return granted(grantee, write_statements(location))

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The principal that receives permissions granted to the job: its execution role."""
        return self._definition.role

    @property
    def cdk_tag_manager(self) -> TagManager:
        """The job's tags. CDK's own interface to them: use `Tags.of(…)`."""
        return self._definition.tags.manager


def records_uri(environment: IHybridJobEnvironment) -> str:
    """Return the location of the handler's records of an environment's jobs."""
    return f"s3://{bucket_name_of(environment.inputs_bucket)}/{RECORDS}"


def _by_bucket(copies: Sequence[Copy], stack: Stack) -> list[dict[str, object]]:
    """Group copies by their source bucket. Each asset has a separate token for the same bucket."""
    names: dict[str, str] = {}
    grouped: dict[str, dict[str, str]] = {}
    for copy in copies:
        bucket = bucket_name_of(copy.bucket)
        resolved = json.dumps(stack.resolve(bucket), sort_keys=True)
        name = names.setdefault(resolved, bucket)
        grouped.setdefault(name, {})[copy.source] = copy.destination
    return [
        {AssetMember.BUCKET.value: name, AssetMember.OBJECTS.value: objects}
        for name, objects in grouped.items()
    ]


def _annotate(owner: Construct, checked: Checked) -> None:
    for warning in checked.warnings:
        # The region is the stack's: one report is enough for all its jobs.
        where = stack_of(owner) if warning.check == REGION else owner
        Annotations.of(where).add_warning_v2(f"{_WARNING}:{warning.check}", str(warning))
    note(owner, checked.script, checked.hours)


def _own_role(owner: Construct) -> iam.Role:
    return OwnRole(
        owner,
        "Role",
        assumed_by=iam.ServicePrincipal("braket.amazonaws.com"),
        description=description("Execution role of the hybrid job", owner.node.path),
    )


def _late_statements(options: JobOptions) -> list[Statement]:
    """Return the permissions on resources that are known only at deploy time."""
    late = [location for location in _locations(options) if location.is_known_late]
    return [statement for location in late for statement in location.read_statements()]


def _looks(options: JobOptions) -> list[Statement]:
    """Return the permissions of the handler for checks before it creates a job."""
    statements = []
    if not options.device.is_local:
        statements.append(device_look_statement(options.device.arn))
    if options.algorithm is not None and isinstance(options.algorithm.source, s3_location.Location):
        statements += script_look_statements(options.algorithm.source)
    targets = [each.bucket for each in (options.output_data, options.checkpoint) if each.bucket]
    places = [*_locations(options), *(s3_location.in_bucket(bucket, "") for bucket in targets)]
    arns = {
        place.bucket_arn
        for place in places
        if place.bucket_name and not place.is_reachable and not place.is_known_late
    }
    return [*statements, *(tags_look_statement(arn) for arn in sorted(arns))]


def _locations(options: JobOptions) -> list[s3_location.Location]:
    """Return the S3 locations that a job reads."""
    sources: list[object] = [channel.source for channel in options.input_data.values()]
    if options.algorithm is not None:
        sources.append(options.algorithm.source)
    return [source for source in sources if isinstance(source, s3_location.Location)]


def scratch_of(scope: Construct) -> Path:
    """Return the directory for archives: next to the assets, so that CDK finds them."""
    stage = stage_of(scope)
    return Path(asset_directory_of(stage) if stage else ".") / "braket-scripts"
