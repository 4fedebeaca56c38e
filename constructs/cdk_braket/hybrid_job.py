"""The Amazon Braket hybrid job as a construct."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

import jsii
from aws_cdk import (
    Annotations,
    Arn,
    ArnFormat,
    CustomResource,
    Duration,
    IStableAnyProducer,
    ITaggableV2,
    Lazy,
    RemovalPolicy,
    Resource,
    Stack,
    Stage,
    TagManager,
    TagType,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from . import _s3
from ._checks import Checked, check
from ._environment import JobEnvironment, device_statements
from ._handler import (
    JobHandler,
    device_look_statement,
    script_look_statements,
    service_timeout,
    tags_look_statement,
)
from ._lambda.hybrid_job_handler import rules
from ._lambda.hybrid_job_handler.contract import (
    JOB_LOG_GROUP,
    RESOURCE_TYPE,
    Attribute,
    OnDelete,
)
from ._lambda.hybrid_job_handler.contract import Property as ResourceProperty
from ._preflight import PreflightCheck
from ._problems import shorten
from ._request import (
    Hyperparameter,
    JobOptions,
    Places,
    base_prefix,
    build,
    label_from,
    run_uri,
    seconds_of,
)
from ._sources import Copy, LocalData, LocalFiles, LocalScript, copy_in
from ._tokens import is_unknown
from ._types import wrong_types
from .algorithm_script import AlgorithmScript
from .checkpoint_source import CheckpointSource
from .container_image import BoundImage, ContainerImage
from .device import Device
from .input_channel import InputChannel
from .job_options import (
    Checkpoint,
    Distribution,
    InstanceConfig,
    OutputData,
    WaitForCompletion,
)
from .validation_error import ValidationError

_WARNING: Final = "cdk-braket"

# CDK's own tags have priorities of 50 to 100: what the job is given explicitly is stronger.
_EXPLICIT: Final = 1_000_000


class IHybridJob(Protocol):
    """A hybrid job, of this app or of another.

    Example:
        >>> from cdk_braket import IHybridJob
        >>> def arn(job: IHybridJob) -> str:
        ...     return job.job_arn
    """

    @property
    def job_arn(self) -> str:
        """The job's ARN. It ends in an id, not in the job's name."""

    @property
    def job_id(self) -> str:
        """The last part of the ARN."""

    @property
    def job_name(self) -> str:
        """The job's name: a label, which other jobs may bear too."""

    @property
    def results_s3_uri(self) -> str:
        """Where the job's results are, or will be."""

    @property
    def checkpoint_s3_uri(self) -> str:
        """Where the job's checkpoints are, or will be."""

    @property
    def log_group_name(self) -> str:
        """The log group of the job's logs."""

    @property
    def log_stream_prefix(self) -> str:
        """What the names of the job's log streams begin with."""


@jsii.implements(ITaggableV2, iam.IGrantable)
class HybridJob(Resource):
    """An Amazon Braket hybrid job that a deployment starts.

    One definition is one job: the job runs once, and again only when something in its definition
    changes (the script's content included, the tags not). It comes with an inputs bucket, which it
    only reads, a results bucket, a bucket for their access logs, a KMS key with rotation and an
    execution role that reaches just these; one Lambda function in the stack starts and cancels all
    the stack's jobs.

    Tags of `Tags.of(scope).add(…)` reach the job; those in `tags` win over them.

    Example:
        >>> from aws_cdk import App, Duration, Stack
        >>> from cdk_braket import AlgorithmScript, Device, HybridJob, InputChannel
        >>> stack = Stack(App(), "Chemistry")
        >>> job = HybridJob(
        ...     stack,
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     input_data={
        ...         "hamiltonian": InputChannel.from_asset(
        ...             "examples/h2_vqe/data/h2_hamiltonian.json"
        ...         )
        ...     },
        ...     device=Device.local("braket/default"),
        ...     hyperparameters={"shots": 0, "iterations": 8, "seed": 7},
        ...     max_runtime=Duration.minutes(10),
        ... )
        >>> job.role.role_arn.startswith("${Token")
        True
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        device: Device,
        algorithm: AlgorithmScript | None = None,
        image: ContainerImage | None = None,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
        input_data: Mapping[str, InputChannel] | None = None,
        output_data: OutputData | None = None,
        checkpoint: Checkpoint | None = None,
        copy_checkpoints_from: CheckpointSource | None = None,
        instance: InstanceConfig | None = None,
        distribution: Distribution | Literal["data_parallel"] | None = None,
        max_runtime: Duration | None = None,
        job_name: str | None = None,
        reservation_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        role: iam.IRole | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        on_delete: OnDelete = OnDelete.CANCEL_JOB,
        rerun_token: str | None = None,
        wait_for_completion: WaitForCompletion | None = None,
        disabled_checks: Collection[PreflightCheck] = (),
    ) -> None:
        """Declare a hybrid job.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The device that the job has priority on. A job runs in its device's region.
            algorithm: The script. Default: none, and then `image` is what runs.
            image: The container. Default: Braket's base image for a script.
            hyperparameters: What the script is called with. Text, numbers and bools, which the job
                gets as Python's `str` renders them; the empty text is refused. They are stored and
                logged as they are: no secrets. Default: none.
            input_data: Input channels by name. Default: none.
            output_data: Where the results go. Default: `jobs/<job name>/<run id>/data` in a bucket
                of the job's own.
            checkpoint: Where checkpoints are kept. Default: the Braket SDK's folder, and
                `jobs/<job name>/<run id>/checkpoints` in a bucket of the job's own.
            copy_checkpoints_from: Checkpoints that the job goes on from. Part of the definition: to
                change it starts a new job. Default: it starts without.
            instance: What the script runs on. Default: the Braket SDK's, one ml.m5.large.
            distribution: How the script is spread over the instances: `Distribution.DATA_PARALLEL`
                or its text. Default: it is not.
            max_runtime: How long the job may run; the API bounds it. Default: the service's.
            job_name: A label; it needs not be unique. Default: the end of the construct's path and
                an id of the run.
            reservation_arn: ARN of a reservation of the device. Default: none.
            tags: The job's tags, besides those of the stack. Default: none.
            role: The execution role. A role of this app is given what the job needs; a role that
                is imported is left as it is. Default: one that reaches what the job needs.
            removal_policy: What happens to buckets, key and logs when the job leaves the stack.
                DESTROY empties the buckets. Default: RETAIN.
            on_delete: What happens to the job, if it is not over, when it leaves the stack or is
                replaced. Default: it is cancelled.
            rerun_token: A text. Part of the definition: to change it runs the job again, whatever
                became of it. Default: the job runs again only when something else changes.
            wait_for_completion: How the deployment waits for the job to complete. Default: the
                deployment succeeds as soon as the job was created.
            disabled_checks: Checks of the script that are turned off. Default: none.

        Raises:
            ValidationError: The service would refuse the job, or the script would fail in the
                container. Everything that is wrong is said at once, and nothing was created. Only
                arguments of a wrong type are said before the rest, which would look into them.
        """
        path = f"{scope.node.path}/{id}".lstrip("/")
        if faults := wrong_types(
            {
                "device": device,
                "algorithm": algorithm,
                "image": image,
                "hyperparameters": hyperparameters,
                "input_data": input_data,
                "output_data": output_data,
                "checkpoint": checkpoint,
                "copy_checkpoints_from": copy_checkpoints_from,
                "instance": instance,
                "distribution": distribution,
                "max_runtime": max_runtime,
                "role": role,
                "tags": tags,
                "on_delete": on_delete,
                "rerun_token": rerun_token,
                "wait_for_completion": wait_for_completion,
                "disabled_checks": disabled_checks,
            }
        ):
            raise ValidationError(path, faults)
        options = JobOptions(
            label=label_from(path),
            job_name=job_name,
            algorithm=algorithm,
            image=ContainerImage.base() if image is None and algorithm is not None else image,
            device=device,
            instance=instance or InstanceConfig(),
            distribution=Distribution(distribution) if distribution else None,
            hyperparameters=dict(hyperparameters or {}),
            input_data=dict(input_data or {}),
            output_data=output_data or OutputData(),
            checkpoint=checkpoint or Checkpoint(),
            checkpoint_source=copy_checkpoints_from.source if copy_checkpoints_from else None,
            max_runtime=max_runtime,
            reservation_arn=reservation_arn,
            wait=wait_for_completion,
        )
        checked = check(
            options,
            region=Stack.of(scope).region,
            role=role,
            tags=tags or {},
            disabled=disabled_checks,
            scratch=_scratch(scope),
        )
        if checked.problems:
            raise ValidationError(path, checked.problems)
        super().__init__(scope, id)
        self._annotate(checked)
        self._tags = TagManager(TagType.MAP, RESOURCE_TYPE, {})
        for key, value in (tags or {}).items():
            self._tags.set_tag(key, value, _EXPLICIT)
        self._environment = JobEnvironment(self, "Environment", removal_policy=removal_policy)
        self._role = role or self._environment.role
        self._options = options
        life = {ResourceProperty.ON_DELETE.value: on_delete.value}
        if rerun_token is not None:
            life[ResourceProperty.RERUN_TOKEN.value] = rerun_token
        self._resource = self._create(options, checked, life)

    @property
    def job_arn(self) -> str:
        """The job's ARN, a token. It ends in an id, not in the job's name."""
        return self._attribute(Attribute.JOB_ARN)

    @property
    def job_id(self) -> str:
        """The last part of the ARN, a token."""
        return self._attribute(Attribute.JOB_ID)

    @property
    def job_name(self) -> str:
        """The job's name, a token: a label, which other jobs may bear too."""
        return self._attribute(Attribute.JOB_NAME)

    @property
    def results_s3_uri(self) -> str:
        """Where the job's results are, or will be: a token."""
        return self._attribute(Attribute.RESULTS_S3_URI)

    @property
    def checkpoint_s3_uri(self) -> str:
        """Where the job's checkpoints are, or will be: a token."""
        return self._attribute(Attribute.CHECKPOINT_S3_URI)

    @property
    def log_group_name(self) -> str:
        """The log group of the job's logs, a token."""
        return self._attribute(Attribute.LOG_GROUP_NAME)

    @property
    def log_stream_prefix(self) -> str:
        """What the names of the job's log streams begin with, a token."""
        return self._attribute(Attribute.LOG_STREAM_PREFIX)

    @property
    def job_status(self) -> str:
        """The job's status once the deployment has waited for it, a token.

        Raises:
            ValidationError: The deployment does not wait, so that it cannot tell.
        """
        return self._end_attribute(Attribute.JOB_STATUS, "job_status")

    @property
    def failure_reason(self) -> str:
        """Why the job failed once the deployment has waited for it, a token; else empty.

        Raises:
            ValidationError: The deployment does not wait, so that it cannot tell.
        """
        return self._end_attribute(Attribute.FAILURE_REASON, "failure_reason")

    @property
    def role(self) -> iam.IRole:
        """The execution role."""
        return self._role

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the job's results."""
        return self._options.output_data.bucket or self._environment.results

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        """The bucket of the job's checkpoints."""
        return self._options.checkpoint.bucket or self._environment.results

    @property
    def checkpoint_prefix(self) -> str:
        """What the keys of the checkpoints of all the job's runs begin with."""
        return base_prefix(self._options, self._options.checkpoint)

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """Who gets what is granted to the job: its execution role."""
        return self._role

    @property
    def cdk_tag_manager(self) -> TagManager:
        """The job's tags. CDK's own interface to them: use `Tags.of(job)`."""
        return self._tags

    def _attribute(self, attribute: Attribute) -> str:
        return self._resource.get_att_string(attribute.value)

    def _end_attribute(self, attribute: Attribute, name: str) -> str:
        if self._options.wait is None:
            text = f"{name}: is known only to a deployment that waits. Use wait_for_completion=…."
            raise ValidationError(self.node.path, [text])
        return self._attribute(attribute)

    def _annotate(self, checked: Checked) -> None:
        annotations = Annotations.of(self)
        for name, text in checked.warnings:
            annotations.add_warning_v2(f"{_WARNING}:{name}", text)
        for note in checked.notes:
            annotations.add_info(note)

    def _create(
        self, options: JobOptions, checked: Checked, life: Mapping[str, str]
    ) -> CustomResource:
        environment, stack = self._environment, Stack.of(self)
        handler = JobHandler.of(self)
        handler.serve(environment)
        handler.pass_role(self._role)
        copies = self._copies(checked)
        for bucket_arn in {copy.bucket_arn for copy in copies}:
            handler.read_assets(bucket_arn)
        handler.look_at(_looks(options))
        image = options.image.bind(self) if options.image else None
        self._grant(options, image)
        request = build(options, self._places(options, checked, image))
        assets = [{"source": copy.source, "destination": copy.destination} for copy in copies]
        resource = CustomResource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            service_token=handler.function.function_arn,
            service_timeout=service_timeout(_waits_seconds(options)),
            properties={
                ResourceProperty.REQUEST.value: stack.to_json_string(request),
                ResourceProperty.TAGS.value: stack.to_json_string(
                    Lazy.any(_RenderedTags(self._tags))
                ),
                ResourceProperty.ASSETS.value: stack.to_json_string(assets),
                **life,
                **self._wait(options),
                ResourceProperty.RECORDS.value: environment.records_uri,
                **self._copied_checkpoints(options),
            },
        )
        # The bucket policies, the key and the role's policy come before the job and go after it.
        resource.node.add_dependency(environment, self._role)
        if options.wait is not None:
            resource.node.add_dependency(handler.go_on())
        return resource

    def _wait(self, options: JobOptions) -> dict[str, str]:
        if options.wait is None:
            return {}
        wait = {
            "timeoutSeconds": seconds_of(options.wait.timeout),
            "failStack": options.wait.fail_stack,
        }
        text = Stack.of(self).to_json_string(wait)
        return {ResourceProperty.WAIT_FOR_COMPLETION.value: text}

    def _copied_checkpoints(self, options: JobOptions) -> dict[str, str]:
        source = options.checkpoint_source
        if source is None:
            return {}
        target = options.checkpoint.bucket or self._environment.results
        prefix = base_prefix(options, options.checkpoint)
        JobHandler.of(self).copy_objects(source, _s3.in_bucket(target, prefix))
        return {ResourceProperty.COPY_CHECKPOINTS_FROM.value: source.uri}

    def _copies(self, checked: Checked) -> list[Copy]:
        inputs = self._environment.inputs
        copies: list[Copy] = []
        if checked.script is not None:
            copies += copy_in(Construct(self, "Script"), checked.script, inputs)
        if checked.inputs:
            channels = Construct(self, "Inputs")
            for name, files in checked.inputs.items():
                copies += copy_in(Construct(channels, name), files, inputs)
        return copies

    def _grant(self, options: JobOptions, image: BoundImage | None) -> None:
        """Give the role what this job needs beyond what every job of its environment does."""
        if not isinstance(self._role, iam.Role):
            return  # imported: it is the user's to say what it may
        stack = Stack.of(self)
        statements: list[iam.PolicyStatement] = []
        if self._role is not self._environment.role:
            statements += self._environment.job_statements()
        if image is not None:
            statements += image.pull_statements()
        if not options.device.is_local:
            statements += device_statements(stack, options.device.arn)
        for location in _locations(options):
            statements += location.read_statements()
        for target in (options.output_data, options.checkpoint):
            if target.bucket is not None:
                prefix = base_prefix(options, target)
                statements += _s3.in_bucket(target.bucket, prefix).write_statements()
        if options.output_data.encryption_key is not None:
            actions = ["kms:Decrypt", "kms:GenerateDataKey"]
            statements.append(_s3.key_statement(options.output_data.encryption_key, actions))
        for statement in statements:
            self._role.add_to_policy(statement)

    def _places(self, options: JobOptions, checked: Checked, image: BoundImage | None) -> Places:
        results = self._environment.results.bucket_name
        return Places(
            role_arn=self._role.role_arn,
            script_uri=self._script_uri(options, checked),
            image_uri=None if image is None else image.uri,
            input_uris={
                name: self._uri(channel.source, checked.inputs.get(name))
                for name, channel in options.input_data.items()
            },
            output_uri=run_uri(options, options.output_data, results),
            output_key_arn=self._output_key_arn(options.output_data),
            checkpoint_uri=run_uri(options, options.checkpoint, results),
        )

    def _script_uri(self, options: JobOptions, checked: Checked) -> str | None:
        if options.algorithm is None:
            return None
        return self._uri(options.algorithm.source, checked.script)

    def _uri(self, source: LocalScript | LocalData | _s3.Location, files: LocalFiles | None) -> str:
        if isinstance(source, _s3.Location):
            return source.uri
        return f"s3://{self._environment.inputs.bucket_name}/{files.key if files else ''}"

    def _output_key_arn(self, output: OutputData) -> str | None:
        if output.encryption_key is not None:
            return output.encryption_key.key_arn
        if output.bucket is None:
            return self._environment.key.key_arn
        key = output.bucket.encryption_key
        return None if key is None else key.key_arn

    @staticmethod
    def from_hybrid_job_arn(scope: Construct, id: str, hybrid_job_arn: str) -> IHybridJob:
        """Take a job that exists already, or that another app deploys.

        Args:
            scope: The scope.
            id: The id in the scope.
            hybrid_job_arn: The job's ARN. Its name, results and logs cannot be told from it, and
                asking for them is an error.

        Raises:
            ValidationError: It is not the ARN of a hybrid job.

        Example:
            >>> from aws_cdk import App, Stack
            >>> arn = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46"
            >>> HybridJob.from_hybrid_job_arn(Stack(App(), "S"), "Other", arn).job_id
            '8dd5a5ab-1c1a-4b6c-bd46'
        """
        path = f"{scope.node.path}/{id}".lstrip("/")
        for problem in rules.check("JobArn", hybrid_job_arn, skip=is_unknown):
            text = f"hybrid_job_arn={shorten(hybrid_job_arn)}: {problem.message}. Use a job's ARN."
            raise ValidationError(path, [text])
        return _ImportedHybridJob(scope, id, hybrid_job_arn)


class _ImportedHybridJob(Resource):
    """A job of which only the ARN is known."""

    def __init__(self, scope: Construct, id: str, arn: str) -> None:
        super().__init__(scope, id, environment_from_arn=arn)
        self._arn = arn

    @property
    def job_arn(self) -> str:
        return self._arn

    @property
    def job_id(self) -> str:
        parts = Arn.split(self._arn, ArnFormat.SLASH_RESOURCE_NAME)
        return parts.resource_name or ""

    @property
    def job_name(self) -> str:
        raise self._unknown("job_name")

    @property
    def results_s3_uri(self) -> str:
        raise self._unknown("results_s3_uri")

    @property
    def checkpoint_s3_uri(self) -> str:
        raise self._unknown("checkpoint_s3_uri")

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        raise self._unknown("checkpoint_bucket")

    @property
    def log_group_name(self) -> str:
        return JOB_LOG_GROUP

    @property
    def log_stream_prefix(self) -> str:
        raise self._unknown("log_stream_prefix")

    def _unknown(self, attribute: str) -> ValidationError:
        text = (
            f"{attribute}: cannot be told from a job's ARN. Pass it from where the job is declared."
        )
        return ValidationError(self.node.path, [text])


@jsii.implements(IStableAnyProducer)
class _RenderedTags:
    """The tags as they are when all aspects have run."""

    def __init__(self, tags: TagManager) -> None:
        self._tags = tags

    def produce(self) -> dict[str, str]:
        return dict(self._tags.tag_values())


def _looks(options: JobOptions) -> list[iam.PolicyStatement]:
    """What the handler needs to see what is missing before a job is created."""
    statements = []
    if not options.device.is_local:
        statements.append(device_look_statement(options.device.arn))
    if options.algorithm is not None and isinstance(options.algorithm.source, _s3.Location):
        statements += script_look_statements(options.algorithm.source)
    targets = [each.bucket for each in (options.output_data, options.checkpoint) if each.bucket]
    places = [*_locations(options), *(_s3.in_bucket(bucket, "") for bucket in targets)]
    arns = {place.bucket_arn for place in places if place.bucket_name and not place.is_reachable}
    return [*statements, *(tags_look_statement(arn) for arn in sorted(arns))]


def _waits_seconds(options: JobOptions) -> float:
    return 0 if options.wait is None else seconds_of(options.wait.timeout)


def _locations(options: JobOptions) -> list[_s3.Location]:
    """What a job reads that is in S3 already."""
    sources: list[object] = [channel.source for channel in options.input_data.values()]
    if options.algorithm is not None:
        sources.append(options.algorithm.source)
    return [source for source in sources if isinstance(source, _s3.Location)]


def _scratch(scope: Construct) -> Path:
    """Where archives are made: beside the assets, so that CDK finds them until it is done."""
    stage = Stage.of(scope)
    return Path(stage.asset_outdir if stage else ".") / "braket-scripts"
