"""The Amazon Braket hybrid job as a construct, and the definition of one that others run.

Both have the same arguments, so an argument is added to both signatures here.
"""

from collections.abc import Collection, Mapping
from typing import Literal, TypeGuard

import jsii
from aws_cdk import Duration, ITaggableV2, RemovalPolicy, Resource, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_braket._lambda.braket_jobs.contract import Attribute, OnDelete, WaitMember
from cdk_braket._lambda.braket_jobs.contract import Property as ResourceProperty
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked
from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue
from cdk_braket.core.memo import function_arn_of
from cdk_braket.core.plain import Hyperparameter
from cdk_braket.core.timeouts import service_timeout
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.interfaces import IHybridJob, IHybridJobEnvironment
from cdk_braket.request.algorithm_script import AlgorithmScript
from cdk_braket.request.checkpoint_source import CheckpointSource
from cdk_braket.request.container_image import ContainerImage
from cdk_braket.request.device import Device
from cdk_braket.request.input_channel import InputChannel
from cdk_braket.request.job_options import (
    Checkpoint,
    Distribution,
    InstanceConfig,
    OutputData,
    WaitForCompletion,
)
from cdk_braket.request.spending_limit import SpendingLimit
from cdk_braket.validation.preflight import PreflightCheck

from .arguments import JobArguments
from .binding import BoundJob, JobConstruct, prepare
from .definition_runs import DefinitionRuns
from .hybrid_job_base import HybridJobBase
from .imported_job import HybridJobAttributes, imported
from .job_resource import JobResource


@jsii.implements(ITaggableV2, iam.IGrantable)
class HybridJob(JobConstruct, HybridJobBase):
    """An Amazon Braket hybrid job that a deployment starts.

    Each definition starts exactly one job. The job runs again only when its definition changes.
    The content of the script is part of the definition; tags are not.

    By default, the job gets an inputs bucket, which it only reads, and a results bucket. A third
    bucket holds their access logs. A KMS key with rotation encrypts them, and the execution role
    can access only these resources. One Lambda function in the stack starts and cancels all jobs of
    the stack.

    Tags from `Tags.of(scope).add(…)` apply to the job; `tags` overrides them.

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

    __module__ = "cdk_braket"

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
        environment: IHybridJobEnvironment | None = None,
        isolated: bool = False,
        removal_policy: RemovalPolicy | None = None,
        on_delete: OnDelete = OnDelete.CANCEL_JOB,
        rerun_trigger: str | None = None,
        wait_for_completion: WaitForCompletion | None = None,
        spending_limit: SpendingLimit | None = None,
        disabled_checks: Collection[PreflightCheck] = (),
    ) -> None:
        """Declare a hybrid job.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The device that the job has priority on. A job runs in its device's region.
            algorithm: The script. Default: none; `image` runs alone.
            image: The container. Default: Braket's base image for a script.
            hyperparameters: The arguments of the script: strings, numbers and bools. The job
                receives each one as Python's `str` renders it. Empty strings are rejected. Do not
                pass secrets: values are stored and logged in plain text. Default: none.
            input_data: Input channels by name. Default: none.
            output_data: The location of the results. Default: `jobs/<job name>/<run id>/data` in
                the environment's results bucket.
            checkpoint: The location of the checkpoints. Default: the Braket SDK's folder, and
                `jobs/<job name>/<run id>/checkpoints` in the environment's results bucket.
            copy_checkpoints_from: Checkpoints that the job resumes from. Changing it starts a new
                job. Default: none.
            instance: The instances to run on. Default: one ml.m5.large, as in the Braket SDK.
            distribution: How to distribute the script over the instances:
                `Distribution.DATA_PARALLEL` or its value. Default: no distribution.
            max_runtime: The longest time that the job may run. The API limits it. Default: the
                limit of the service.
            job_name: A display name. It does not have to be unique. Default: the end of the
                construct's path and an id of the run.
            reservation_arn: ARN of a reservation of the device. Default: none.
            tags: The job's tags, besides those of the stack. Default: none.
            role: The execution role. If this app defines the role, it receives the permissions that
                the job needs. An imported role is not changed. Default: the environment's role.
            environment: The buckets, key, role and handler to share with other jobs. Default: a new
                environment.
                This is not an `aws_cdk.Environment`, which is an account and a region.
            isolated: Whether the job gets a separate role in its environment. That role can access
                only the job's inputs, results and checkpoints. Default: the shared role.
            removal_policy: Whether to keep or destroy buckets, key and logs when the job leaves the
                stack. DESTROY empties the buckets. If you pass `environment`, its policy applies.
                Default: RETAIN.
            on_delete: Whether to cancel a running job when it leaves the stack or is replaced.
                Default: cancel it.
            rerun_trigger: Any string. Changing it runs the job again, regardless of the outcome of
                the last run. Default: none.
            wait_for_completion: How the deployment waits for the job to complete. Default: the
                deployment succeeds as soon as the job is created.
            spending_limit: A limit on the job's device, which must be active before the job starts.
                It is outside the definition. Default: none.
            disabled_checks: Checks of the script that are turned off. Default: none.

        Raises:
            ValidationError: The service would refuse the job, or the script would fail in the
                container. All problems are reported at once, before anything is created.
        """
        arguments = JobArguments(
            device=device,
            algorithm=algorithm,
            image=image,
            hyperparameters=hyperparameters,
            input_data=input_data,
            output_data=output_data,
            checkpoint=checkpoint,
            copy_checkpoints_from=copy_checkpoints_from,
            instance=instance,
            distribution=distribution,
            max_runtime=max_runtime,
            job_name=job_name,
            reservation_arn=reservation_arn,
            tags=tags,
            role=role,
            environment=environment,
            isolated=isolated,
            removal_policy=removal_policy,
            disabled_checks=disabled_checks,
        )
        life = {
            "on_delete": on_delete,
            "rerun_trigger": rerun_trigger,
            "spending_limit": spending_limit,
        }
        prepared = prepare(HybridJob, scope, id, arguments, wait=wait_for_completion, more=life)
        super().__init__(scope, id)
        self._definition = BoundJob(self, prepared)
        self._resource = self._create(OnDelete(on_delete), rerun_trigger, wait_for_completion)
        if spending_limit is not None:
            self._resource.node.add_dependency(spending_limit)

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
        """The job's display name, a token. Other jobs can have the same name."""
        return self._attribute(Attribute.JOB_NAME)

    @property
    def results_s3_uri(self) -> str:
        """The S3 URI of the job's results, a token."""
        return self._attribute(Attribute.RESULTS_S3_URI)

    @property
    def checkpoint_s3_uri(self) -> str:
        """The S3 URI of the job's checkpoints, a token."""
        return self._attribute(Attribute.CHECKPOINT_S3_URI)

    @property
    def log_group_name(self) -> str:
        """The log group of the job's logs, a token."""
        return self._attribute(Attribute.LOG_GROUP_NAME)

    @property
    def log_stream_prefix(self) -> str:
        """The prefix of the names of the job's log streams, a token."""
        return self._attribute(Attribute.LOG_STREAM_PREFIX)

    @property
    def job_status(self) -> str:
        """The job's status once the deployment has waited for it, a token.

        Raises:
            ValidationError: The deployment does not wait for the job.
        """
        return self._end_attribute(Attribute.JOB_STATUS, "job_status")

    @property
    def failure_reason(self) -> str:
        """The reason if the job failed during the deployment's wait, a token; else empty.

        Raises:
            ValidationError: The deployment does not wait for the job.
        """
        return self._end_attribute(Attribute.FAILURE_REASON, "failure_reason")

    def _results_location(self) -> s3_location.Location:
        """The location and key of the results of all runs of the job."""
        return self._definition.results_location

    def _replay_function(self) -> lambda_.IFunction | None:
        """The function that replays the job's state to new rules: the handler."""
        return self.environment.handler_function

    def _template_digest(self) -> str:
        """A digest that changes with the job's definition, for stacks that depend on it."""
        return self._resource.template_digest()

    def _attribute(self, attribute: Attribute) -> str:
        return Token.as_string(self._resource.get_att(attribute.value))

    def _end_attribute(self, attribute: Attribute, name: str) -> str:
        if self._definition.options.wait is None:
            rule = "is known only to a deployment that waits"
            issue = Issue(name, rule, "Use wait_for_completion=…")
            raise ValidationError(self.node.path, [issue])
        return self._attribute(attribute)

    def _create(
        self, on_delete: OnDelete, rerun_trigger: str | None, wait: WaitForCompletion | None
    ) -> JobResource:
        definition = self._definition
        properties = definition.properties()
        if on_delete is not OnDelete.CANCEL_JOB:
            properties[ResourceProperty.ON_DELETE.value] = on_delete.value
        if rerun_trigger is not None:
            properties[ResourceProperty.RERUN_TOKEN.value] = rerun_trigger
        if wait is not None:
            properties[ResourceProperty.WAIT_FOR_COMPLETION.value] = {
                WaitMember.TIMEOUT_SECONDS.value: seconds_of(wait.timeout),
                WaitMember.FAIL_STACK.value: wait.fail_stack,
            }
        resource = JobResource(
            # The ids of CDK's CustomResource: logical ids are made of them.
            Construct(self, "Resource"),
            "Default",
            function_arn=function_arn_of(definition.environment.handler_function),
            timeout_seconds=service_timeout(0 if wait is None else seconds_of(wait.timeout)),
            properties=properties,
        )
        resource.node.add_dependency(*definition.prerequisites)
        # The resource in the template: what escape hatches and removal policies change.
        self.node.default_child = resource
        return resource

    @staticmethod
    def is_hybrid_job(construct: object) -> TypeGuard["HybridJob"]:
        """Return whether a construct is a hybrid job that this app deploys.

        Args:
            construct: Any construct, such as one that an aspect visits.

        Example:
            >>> from aws_cdk import App
            >>> from cdk_braket import HybridJob
            >>> HybridJob.is_hybrid_job(App())
            False
        """
        return isinstance(construct, HybridJob)

    @staticmethod
    @checked
    def from_hybrid_job_arn(scope: Construct, id: str, hybrid_job_arn: str) -> IHybridJob:
        """Import an existing job, or a job that another app deploys.

        Args:
            scope: The scope.
            id: The id in the scope.
            hybrid_job_arn: The job's ARN. It does not contain the job's name, results and logs, so
                reading these raises an error.

        Raises:
            ValidationError: It is not the ARN of a hybrid job.

        Example:
            >>> from aws_cdk import App, Stack
            >>> arn = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46"
            >>> HybridJob.from_hybrid_job_arn(Stack(App(), "S"), "Other", arn).job_id
            '8dd5a5ab-1c1a-4b6c-bd46'
        """
        return imported(scope, id, HybridJobAttributes(job_arn=hybrid_job_arn))

    @staticmethod
    @checked
    def from_hybrid_job_attributes(
        scope: Construct,
        id: str,
        *,
        job_arn: str,
        job_name: str | None = None,
        results_s3_uri: str | None = None,
        checkpoint_s3_uri: str | None = None,
        log_stream_prefix: str | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> IHybridJob:
        """Import an existing job with its known attributes.

        Reading an attribute that you did not pass raises an error.

        Args:
            scope: The scope.
            id: The id in the scope.
            job_arn: The job's ARN.
            job_name: Its name. Default: unknown.
            results_s3_uri: The location of its results: `s3://bucket/prefix`, or a token. Default:
                unknown.
            checkpoint_s3_uri: The location of its checkpoints. Default: unknown.
            log_stream_prefix: The prefix of the names of its log streams. Default: unknown.
            encryption_key: The key of its results and checkpoints. Grants include it. Default:
                none.

        Raises:
            ValidationError: An argument has the wrong format.

        Example:
            >>> from aws_cdk import App, Stack
            >>> job = HybridJob.from_hybrid_job_attributes(
            ...     Stack(App(), "S"),
            ...     "Other",
            ...     job_arn="arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46",
            ...     results_s3_uri="s3://amazon-braket-mine/jobs/vqe/data",
            ... )
            >>> job.results_prefix
            'jobs/vqe/data'
        """
        attributes = HybridJobAttributes(
            job_arn=job_arn,
            job_name=job_name,
            results_s3_uri=results_s3_uri,
            checkpoint_s3_uri=checkpoint_s3_uri,
            log_stream_prefix=log_stream_prefix,
            encryption_key=encryption_key,
        )
        return imported(scope, id, attributes)


@jsii.implements(ITaggableV2, iam.IGrantable)
class HybridJobDefinition(DefinitionRuns, JobConstruct, Resource):
    """A hybrid job that a deployment defines and does not run.

    A deployment creates everything that the job needs: scripts, inputs, roles, permissions.
    Problems of the job are reported at synth, as for `HybridJob`, which the deployment also runs.

    Example:
        >>> from aws_cdk import App, Duration, Stack
        >>> from cdk_braket import AlgorithmScript, Device, HybridJobDefinition
        >>> definition = HybridJobDefinition(
        ...     Stack(App(), "Chemistry"),
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     device=Device.local("braket/default"),
        ...     max_runtime=Duration.minutes(10),
        ... )
        >>> definition.results_prefix
        'jobs/Chemistry-Vqe/'
    """

    __module__ = "cdk_braket"

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
        environment: IHybridJobEnvironment | None = None,
        isolated: bool = False,
        removal_policy: RemovalPolicy | None = None,
        disabled_checks: Collection[PreflightCheck] = (),
    ) -> None:
        """Declare the definition of a hybrid job.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The device that the jobs have priority on. Jobs run in their device's region.
            algorithm: The script. Default: none; `image` runs alone.
            image: The container. Default: Braket's base image for a script.
            hyperparameters: The arguments of the script, as for `HybridJob`. Default: none.
            input_data: Input channels by name. Default: none.
            output_data: The location of the results. Default: `jobs/<job name>/<run id>/data` in
                the environment's results bucket.
            checkpoint: The location of the checkpoints. Default: the Braket SDK's folder, and
                `jobs/<job name>/<run id>/checkpoints` in the environment's results bucket.
            copy_checkpoints_from: Checkpoints that each job resumes from. Default: none.
            instance: The instances to run on. Default: one ml.m5.large, as in the Braket SDK.
            distribution: How to distribute the script over the instances:
                `Distribution.DATA_PARALLEL` or its value. Default: no distribution.
            max_runtime: The longest time that a job may run. The API limits it. Default: the limit
                of the service.
            job_name: A display name. It does not have to be unique. Default: the end of the
                construct's path and an id of the run.
            reservation_arn: ARN of a reservation of the device. Default: none.
            tags: The jobs' tags, besides those of the stack. Default: none.
            role: The execution role, as for `HybridJob`. Default: the environment's.
            environment: The buckets, key, role and handler to share with other jobs. Default: a new
                environment.
                This is not an `aws_cdk.Environment`, which is an account and a region.
            isolated: Whether the jobs get a separate role in their environment. That role can
                access only their inputs, results and checkpoints. Default: the shared role.
            removal_policy: Whether to keep or destroy buckets, key and logs when the definition
                leaves the stack, as for `HybridJob`. Default: RETAIN.
            disabled_checks: Checks of the script that are turned off. Default: none.

        Raises:
            ValidationError: The service would refuse the job, or the script would fail in the
                container. All problems are reported at once, before anything is created.
        """
        arguments = JobArguments(
            device=device,
            algorithm=algorithm,
            image=image,
            hyperparameters=hyperparameters,
            input_data=input_data,
            output_data=output_data,
            checkpoint=checkpoint,
            copy_checkpoints_from=copy_checkpoints_from,
            instance=instance,
            distribution=distribution,
            max_runtime=max_runtime,
            job_name=job_name,
            reservation_arn=reservation_arn,
            tags=tags,
            role=role,
            environment=environment,
            isolated=isolated,
            removal_policy=removal_policy,
            disabled_checks=disabled_checks,
        )
        prepared = prepare(HybridJobDefinition, scope, id, arguments)
        super().__init__(scope, id)
        self._definition = BoundJob(self, prepared)
