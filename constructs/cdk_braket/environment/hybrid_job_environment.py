"""The buckets, key, role, logs and handler that hybrid jobs share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from aws_cdk import Duration, Fn, RemovalPolicy, Resource, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct, IDependable

from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked, wrong_types
from cdk_braket.core.issue import Issue, argument_names, without
from cdk_braket.core.keys import (
    READ_ACTIONS,
    RESULT_ACTIONS,
    is_same_key,
    key_statements,
    results_key_statement,
    target_of,
)
from cdk_braket.core.late import LateDependency
from cdk_braket.core.memo import encryption_key_of, remembered
from cdk_braket.core.naming import (
    INPUTS,
    JOBS,
    RECORDS,
    SCRIPTS,
    bucket_name,
    description,
    stack_uuid,
)
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import plain
from cdk_braket.core.statement import Statement, rendered
from cdk_braket.core.tokens import is_unknown, settled
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.interfaces import IHybridJobEnvironment
from cdk_braket.monitoring.events import allow_events
from cdk_braket.permissions.grants import granted, read_logs_statements
from cdk_braket.permissions.managed_policy_role import OwnRole, permissions_of
from cdk_braket.permissions.statements import (
    attach,
    braket_principal,
    device_look_statement,
    device_statements,
    log_statements,
    missing_object_statement,
    objects_statements,
    pass_role_statement,
    replication_statements,
)
from cdk_braket.request.container_image import ContainerImage
from cdk_braket.request.device import Device
from cdk_braket.validation.bucket_access import parts_of, refuse_unreachable, warn_of_key
from cdk_braket.validation.limits import watch_limits
from cdk_braket.validation.usable_arguments import policy_issues

from .handler_function import HandlerSettings, JobHandler, go_on, tags_look_statement

_NO_KEY: Final = "none"

_KEPT_OLD_VERSIONS: Final = Duration.days(30)
_KEPT_ACCESS_LOGS: Final = Duration.days(365)
_KEPT_PARTS: Final = Duration.days(7)
# The version of the list that `publish` writes, its first item: a later release that adds to the
# list, or changes its order, can tell it from this one.
_FORMAT: Final = "1"
_ENCRYPTIONS: Final = (s3.BucketEncryption.KMS, s3.BucketEncryption.S3_MANAGED)
_OF_REGION: Final = (
    "inputs_bucket",
    "results_bucket",
    "access_logs_bucket",
    "encryption_key",
    "vpc",
    "dead_letter_queue",
)


def shared_statements(environment: IHybridJobEnvironment, stack: Stack) -> list[Statement]:
    """The permissions of all jobs of an environment, for any device and image."""
    return [*_data_statements(environment), *log_statements(stack)]


@remembered
def _data_statements(environment: IHybridJobEnvironment) -> list[Statement]:
    inputs, results = environment.inputs_bucket, environment.results_bucket
    return [
        *objects_statements(inputs, [f"{SCRIPTS}/*", f"{INPUTS}/*"]),
        *objects_statements(results, [f"{JOBS}/*"], writes=True),
        *inputs_key_statements(environment),
        *key_statements([encryption_key_of(results)], RESULT_ACTIONS),
    ]


def inputs_key_statements(environment: IHybridJobEnvironment) -> list[Statement]:
    """Return the statements that jobs need for the inputs' key, if the results have another."""
    inputs = encryption_key_of(environment.inputs_bucket)
    results = encryption_key_of(environment.results_bucket)
    if inputs is None:
        return []
    if results is not None and is_same_key(inputs, results):
        return []
    return key_statements([inputs], READ_ACTIONS)


class _Environment(Resource):
    """The attributes of an environment, of this app or of another."""

    _inputs: s3.IBucket
    _results: s3.IBucket

    @checked
    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Reject: an environment is several resources, with a separate argument for it.

        Raises:
            ValidationError: Always.
        """
        issue = Issue(
            "apply_removal_policy",
            "cannot be used: an environment is several resources",
            "Use HybridJobEnvironment(…, removal_policy=…) where the environment is declared",
            f"RemovalPolicy.{policy.name}",
        )
        raise ValidationError(self.node.path, [issue])

    _role: iam.IRole

    @property
    def inputs_bucket(self) -> s3.IBucket:
        """The bucket of scripts and inputs. Jobs only read it."""
        return self._inputs

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of results and checkpoints."""
        return self._results

    @property
    def encryption_key(self) -> kms.IKey | None:
        """The key of the results; None for the keys of S3."""
        return self._results.encryption_key

    @property
    def role(self) -> iam.IRole:
        """The execution role of the jobs that have no separate role."""
        return self._role


class HybridJobEnvironment(_Environment):
    """The buckets, key, role, logs and handler that many hybrid jobs share.

    A `HybridJob` without an environment creates a new one. In an environment, each further job
    adds one resource to the template. Jobs of other stacks of the same app can use it, and those
    of other apps by `from_hybrid_job_environment_attributes` or `from_parameter_name`.

    The jobs of an environment share its role, so they can access each other's inputs and results.
    A job with `isolated=True` has a separate role.

    Example:
        >>> from aws_cdk import App, Stack
        >>> from cdk_braket import ContainerImage, Device, HybridJob, HybridJobEnvironment
        >>> stack = Stack(App(), "Chemistry")
        >>> environment = HybridJobEnvironment(stack, "Jobs")
        >>> for distance in (0.7, 0.8, 0.9):
        ...     job = HybridJob(
        ...         stack,
        ...         f"H2At{int(distance * 10)}",
        ...         environment=environment,
        ...         image=ContainerImage.base(),
        ...         device=Device.local("braket/default"),
        ...         hyperparameters={"distance": distance},
        ...     )
    """

    __module__ = "cdk_braket"

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        inputs_bucket: s3.IBucket | None = None,
        results_bucket: s3.IBucket | None = None,
        access_logs_bucket: s3.IBucket | None = None,
        encryption: s3.BucketEncryption = s3.BucketEncryption.KMS,
        encryption_key: kms.IKey | None = None,
        role: iam.IRole | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        replication_bucket: s3.IBucket | None = None,
        reserved_concurrent_executions: int | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
        checks_caller: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Declare an environment.

        Args:
            scope: The scope.
            id: The id in the scope.
            inputs_bucket: An existing bucket for scripts, inputs and the handler's records. Braket
                must be able to access it: by a name that starts with `amazon-braket-`, or by the
                tag AmazonBraket=true together with S3's attribute-based access control. Default: a
                new bucket.
            results_bucket: An existing bucket for results and checkpoints, as `inputs_bucket`.
                Default: a new bucket.
            access_logs_bucket: An existing bucket for the access logs of the new buckets. Default:
                a new bucket.
            encryption: The encryption of the new buckets: `KMS`, or `S3_MANAGED` for keys of S3.
                These are free, but you cannot deny them to a user with access to the objects.
                Default: KMS.
            encryption_key: An existing key for the new buckets. Default: a new key with rotation.
            role: An execution role. A role of this app receives the permissions of the jobs. An
                imported role is not changed: see `execution_policy`. Default: a new role.
            permissions_boundary: The boundary of all new roles. Default: none.
            log_retention: The retention of the handler's log. The log group of the jobs belongs to
                the account, not to the environment. Default: one year.
            vpc: A VPC for the handler. Its subnets need routes to Amazon Braket, S3, IAM and
                CloudFormation's response URLs. Default: none.
            vpc_subnets: The subnets of the VPC. Default: CDK's.
            security_groups: Security groups of the handler. Default: a new group, which allows all
                outbound traffic and no inbound traffic.
            replication_bucket: The bucket that S3 copies each new object of the new buckets to. It
                must be in this account, with versions. If the new buckets have a KMS key, it needs
                a known KMS key. Default: none.
            reserved_concurrent_executions: The number of invocations of the handler that can run
                at once, reserved from the account's limit. Further invocations wait. Default: none
                reserved; a new account has too few.
            dead_letter_queue: Receives invocations that failed after all of Lambda's retries. A
                message can mean that a job is still running. It contains CloudFormation's event,
                including the response URL and the definition. Default: a new encrypted queue, which
                keeps messages for 14 days.
            checks_caller: Whether Amazon Braket can assume the new execution role only for jobs of
                this account (aws:SourceAccount, aws:SourceArn). *Unverified* on AWS. Default: the
                role trusts the service.
            removal_policy: Whether to keep or destroy buckets, key and logs when the environment
                leaves the stack. DESTROY empties the new buckets. Default: RETAIN.

        New buckets keep versions: a version that was replaced or deleted expires after 30 days,
        and access logs expire after a year. `add_lifecycle_rule` of a bucket adds rules.

        Raises:
            ValidationError: The arguments contradict each other. Nothing is created.
        """
        arguments: dict[str, object] = {
            "inputs_bucket": inputs_bucket,
            "results_bucket": results_bucket,
            "access_logs_bucket": access_logs_bucket,
            "encryption": encryption,
            "encryption_key": encryption_key,
            "role": role,
            "permissions_boundary": permissions_boundary,
            "log_retention": log_retention,
            "vpc": vpc,
            "vpc_subnets": vpc_subnets,
            "security_groups": security_groups,
            "replication_bucket": replication_bucket,
            "reserved_concurrent_executions": reserved_concurrent_executions,
            "dead_letter_queue": dead_letter_queue,
            "checks_caller": checks_caller,
            "removal_policy": removal_policy,
        }
        problems = _problems(scope, arguments)
        if problems:
            raise ValidationError(f"{scope.node.path}/{id}".lstrip("/"), problems)
        super().__init__(scope, id)
        watch_limits(self)
        self._removal_policy = removal_policy
        self._encryption = encryption
        self._key = encryption_key
        self._access_logs = access_logs_bucket
        self._own_access_logs: s3.Bucket | None = None
        self._replicas = replication_bucket
        self._replicator: OwnRole | None = None
        self._checks_caller = checks_caller
        if permissions_boundary is not None:
            iam.PermissionsBoundary.of(self).apply(permissions_boundary)
        for argument, bucket in _given(inputs_bucket=inputs_bucket, results_bucket=results_bucket):
            refuse_unreachable(self, argument, bucket)
        self._inputs = inputs_bucket or self._data_bucket("InputsBucket", "inputs")
        self._results = results_bucket or self._data_bucket("ResultsBucket", "results")
        self._role = role or self._own_role()
        policy = attach(self, self._role, shared_statements(self, Stack.of(self)))
        self._outlasts_jobs = self._job_lifetime_dependencies(policy)
        settings = HandlerSettings(
            log_retention=log_retention,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=None if security_groups is None else tuple(security_groups),
            is_bounded=permissions_boundary is not None,
            reserved_concurrent_executions=cast(
                "int | None", plain(reserved_concurrent_executions)
            ),
            dead_letter_queue=dead_letter_queue,
        )
        self._handler = JobHandler.of(self, settings)
        self._handler.keep_logs(removal_policy)
        key = None if self._key is None else target_of(self._key)
        if isinstance(key, kms.Key):
            self._handler.encrypt(key, lasts=removal_policy is not RemovalPolicy.DESTROY)
        attach(self, self._handler.role, self._handler_statements())
        self._lets_braket_write = self._allow_task_results()

    @property
    def handler_function(self) -> lambda_.IFunction:
        """The function that starts, tags and cancels the jobs."""
        return self._handler.function

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """Receives invocations that failed after all retries. Create an alarm on it.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> letters = environment.dead_letter_queue
            >>> alarm = letters.metric_approximate_number_of_messages_visible().create_alarm(
            ...     environment, "Lost", threshold=1, evaluation_periods=1
            ... )
        """
        return self._handler.dead_letter_queue

    @property
    def execution_policy(self) -> iam.PolicyDocument:
        """The permissions that an execution role needs for all jobs of this environment.

        An imported role is not changed: attach this policy to it, as JSON or as an
        `iam.ManagedPolicy`. For the further permissions of a single job, such as its device, see
        `HybridJob.execution_policy`.

        Example:
            >>> from aws_cdk import App, Stack, aws_iam as iam
            >>> from cdk_braket import HybridJobEnvironment
            >>> stack = Stack(App(), "Chemistry")
            >>> role = iam.Role.from_role_name(stack, "Role", "braket-jobs")
            >>> environment = HybridJobEnvironment(stack, "Jobs", role=role)
            >>> policy = iam.ManagedPolicy(
            ...     stack, "Policy", document=environment.execution_policy, roles=[role]
            ... )
        """
        statements = shared_statements(self, Stack.of(self))
        return iam.PolicyDocument(statements=rendered(statements))

    def key_policy_statements(self) -> list[iam.PolicyStatement]:
        """Return the statements that the policy of the results bucket's key needs.

        Amazon Braket writes the results of quantum tasks on managed devices as its service-linked
        role. That role has no permission for KMS. Keys of this app get the statements by
        themselves. Add them to the policy of an imported key, or of a key that your bucket has and
        this app does not know. The jobs of embedded simulators need none of them.

        Example:
            >>> from aws_cdk import App, Stack, aws_kms as kms
            >>> from cdk_braket import HybridJobEnvironment
            >>> app = App()
            >>> environment = HybridJobEnvironment(Stack(app, "Chemistry"), "Jobs")
            >>> key = kms.Key(Stack(app, "Keys"), "Key")
            >>> for statement in environment.key_policy_statements():
            ...     result = key.add_to_resource_policy(statement)
        """
        return [results_key_statement(Stack.of(self))]

    def warn_of_key(self, scope: Construct) -> None:
        """Warn if the key of the results does not let Amazon Braket write task results."""
        if not self._lets_braket_write:
            warn_of_key(scope, self._results)

    def _allow_task_results(self) -> bool:
        key = self._results.encryption_key
        if key is None:
            return self._results.node.scope is self
        [statement] = self.key_policy_statements()
        return target_of(key).add_to_resource_policy(statement).statement_added

    @checked
    def allow_device(self, device: Device) -> None:
        """Allow jobs of other apps to use a device; jobs of this app add the permission.

        Args:
            device: The device. An embedded simulator needs no permission.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import Device, HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> environment.allow_device(Device.AMAZON_SV1)
        """
        if device.is_local:
            return
        self.warn_of_key(self)
        attach(self, self._role, device_statements(Stack.of(self), device.arn, self._results))
        attach(self, self._handler.role, [device_look_statement(device.arn)])

    @checked
    def allow_image(self, image: ContainerImage) -> None:
        """Allow jobs of other apps to use an image; jobs of this app add the permission.

        Args:
            image: The image.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import ContainerImage, HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> environment.allow_image(ContainerImage.base())
        """
        attach(self, self._role, image.bind(self).pull_statements())

    def allow_waiting(self) -> None:
        """Allow deployments of other apps to wait for their jobs; this app's jobs add it.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> environment.allow_waiting()
        """
        go_on(self.handler_function)

    def allow_events(self) -> None:
        """Allow replay of missed events to rules of other apps; this app's rules add it.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> environment.allow_events()
        """
        allow_events(self, self.handler_function)

    @checked
    def grant_create_job(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow starting jobs on this environment, by the API or the Braket SDK.

        The grantee can upload scripts and inputs to the inputs bucket. It can also start and tag
        jobs with the environment's role, which has access to all data of the environment.

        Args:
            grantee: The principal, of the same account.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_iam as iam
            >>> from cdk_braket import HybridJobEnvironment
            >>> stack = Stack(App(), "Chemistry")
            >>> environment = HybridJobEnvironment(stack, "Jobs")
            >>> user = iam.User(stack, "Researcher")
            >>> grant = environment.grant_create_job(user)
        """
        statements = [
            # It has no resource before there is a job. Source:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html
            Statement(actions=["braket:CreateJob"], resources=["*"]),
            Statement(actions=["braket:TagResource"], resources=[self._all_jobs]),
            pass_role_statement(self._role),
            s3_location.objects_statement(
                ["s3:PutObject"], self._inputs.bucket_arn, [f"{SCRIPTS}/*", f"{INPUTS}/*"]
            ),
            *key_statements([self._inputs.encryption_key]),
        ]
        return granted(grantee, statements)

    @checked
    def grant_read_jobs(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to see jobs, and to read their logs and their results in this environment.

        Use it for jobs that others start with `grant_create_job`; a job of a stack has separate
        grants. The ARN of a job does not name its environment. So the grantee can find and see all
        jobs of the account in this region, and read their logs. The results and checkpoints are
        those in the results bucket.

        Args:
            grantee: The principal, of the same account.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_iam as iam
            >>> from cdk_braket import HybridJobEnvironment
            >>> stack = Stack(App(), "Chemistry")
            >>> environment = HybridJobEnvironment(stack, "Jobs")
            >>> grant = environment.grant_read_jobs(iam.User(stack, "Supervisor"))
        """
        results = s3_location.in_bucket(self._results, f"{JOBS}/")
        statements = [*self._see_statements(), *read_logs_statements(Stack.of(self), "")]
        return granted(grantee, [*statements, *results.read_statements()])

    @checked
    def grant_cancel_jobs(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to see jobs and to cancel them, also those that others have started.

        The ARN of a job does not name its environment. So this grant is for all jobs of the account
        in this region.

        Args:
            grantee: The principal, of the same account.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_iam as iam
            >>> from cdk_braket import HybridJobEnvironment
            >>> stack = Stack(App(), "Chemistry")
            >>> environment = HybridJobEnvironment(stack, "Jobs")
            >>> grant = environment.grant_cancel_jobs(iam.User(stack, "Supervisor"))
        """
        cancel = Statement(actions=["braket:CancelJob"], resources=[self._all_jobs])
        return granted(grantee, [*self._see_statements(), cancel])

    def _see_statements(self) -> list[Statement]:
        return [
            Statement(actions=["braket:GetJob"], resources=[self._all_jobs]),
            # It has no resource. Source:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html
            Statement(actions=["braket:SearchJobs"], resources=["*"]),
        ]

    @property
    def _all_jobs(self) -> str:
        """The ARNs of the account's jobs; the service generates the id of each."""
        return Stack.of(self).format_arn(service="braket", resource="job", resource_name="*")

    @checked
    def publish(self, parameter_name: str) -> ssm.StringListParameter:
        """Publish the environment to other apps in a parameter of Systems Manager.

        They import it with `HybridJobEnvironment.from_parameter_name`. Their deployments can wait,
        and missed events are replayed to their rules.

        Args:
            parameter_name: The parameter's name, such as `/quantum/jobs`.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment(Stack(App(), "Chemistry"), "Jobs")
            >>> parameter = environment.publish("/quantum/jobs")
        """
        self.allow_waiting()
        self.allow_events()
        key = self.encryption_key
        return ssm.StringListParameter(
            self,
            "Parameter",
            parameter_name=parameter_name,
            description="A cdk-braket HybridJobEnvironment: buckets, role, handler and key",
            string_list_value=[
                _FORMAT,
                self._inputs.bucket_name,
                self._results.bucket_name,
                self._role.role_arn,
                self.handler_function.function_arn,
                _NO_KEY if key is None else key.key_arn,
            ],
        )

    def _job_prerequisites(self) -> list[IDependable]:
        """The resources to create before a job starts, and to delete after it ends."""
        return self._outlasts_jobs

    def _job_lifetime_dependencies(self, attached: iam.Policy | None) -> list[IDependable]:
        parts = LateDependency(self, "Prerequisites", self._bucket_parts)
        policy = attached or permissions_of(self._role)
        if policy is None:
            return [parts]
        # One name in each of what may be hundreds of jobs, not four.
        policy.node.add_dependency(parts)
        return [policy]

    def _bucket_parts(self) -> list[IConstruct]:
        """The policies of buckets, the resources that empty them, and the replication's policy.

        Without a resource that empties a bucket, records and results would go before the job.
        """
        parts = [part for bucket in (self._inputs, self._results) for part in parts_of(bucket)]
        replication = None if self._replicator is None else permissions_of(self._replicator)
        return parts if replication is None else [*parts, replication]

    def _handler_statements(self) -> list[Statement]:
        """The permissions of the handler for all jobs of this environment."""
        bucket = self._inputs.bucket_arn
        reads_and_writes = ["s3:GetObject", "s3:PutObject"]
        return [
            s3_location.objects_statement(
                reads_and_writes, bucket, [f"{SCRIPTS}/*", f"{INPUTS}/*"]
            ),
            s3_location.objects_statement(reads_and_writes, bucket, [f"{RECORDS}/*"]),
            missing_object_statement(bucket),
            *key_statements([self._inputs.encryption_key]),
            pass_role_statement(self._role),
            *(
                tags_look_statement(bucket.bucket_arn)
                for bucket in (self._inputs, self._results)
                if bucket.node.scope is not self
                and not s3_location.in_bucket(bucket, "").is_reachable
            ),
        ]

    def _own_role(self) -> iam.Role:
        return OwnRole(
            self,
            "Role",
            assumed_by=braket_principal(Stack.of(self), checks_caller=self._checks_caller),
            description=description("Execution role of the hybrid jobs of", self.node.path),
        )

    def _own_key(self) -> kms.IKey | None:
        if self._encryption is s3.BucketEncryption.S3_MANAGED:
            return None
        if self._key is None:
            self._key = kms.Key(
                self,
                "Key",
                description=description("Inputs and results of the hybrid jobs of", self.node.path),
                enable_key_rotation=True,
                removal_policy=self._removal_policy,
            )
        return self._key

    def _access_log_bucket(self) -> s3.IBucket:
        if self._own_access_logs is None:
            # S3 delivers its logs to no bucket that has a KMS key. Source:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
            self._own_access_logs = s3.Bucket(
                self,
                "AccessLogsBucket",
                block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
                encryption=s3.BucketEncryption.S3_MANAGED,
                enforce_ssl=True,
                minimum_tls_version=1.2,
                versioned=True,
                lifecycle_rules=[_old_versions(), s3.LifecycleRule(expiration=_KEPT_ACCESS_LOGS)],
                removal_policy=self._removal_policy,
                auto_delete_objects=self._deletes_objects,
            )
        return self._own_access_logs

    def _data_bucket(self, id: str, purpose: str) -> s3.Bucket:
        key = self._own_key()
        bucket = s3.Bucket(
            self,
            id,
            bucket_name=bucket_name(purpose, self.node.addr, stack_uuid(Stack.of(self))),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=self._encryption,
            encryption_key=key,
            bucket_key_enabled=None if key is None else True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            lifecycle_rules=[_old_versions()],
            server_access_logs_bucket=self._access_logs,
            server_access_logs_prefix=None if self._access_logs is None else f"{purpose}/",
            replication_rules=self._replication_rules(),
            replication_role=self._replication_role(),
            removal_policy=self._removal_policy,
            auto_delete_objects=self._deletes_objects,
        )
        if self._access_logs is None:
            self._log_access(bucket, f"{purpose}/")
        if self._replicator is not None and self._replicas is not None:
            self._replicator.allow(replication_statements(bucket, self._replicas))
        return bucket

    def _log_access(self, bucket: s3.Bucket, prefix: str) -> None:
        """Enable S3's access logs of a bucket.

        CDK would allow it by an access control list, unless the app has a feature flag.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        """
        target = self._access_log_bucket()
        resource = cast("s3.CfnBucket", bucket.node.default_child)
        resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
            destination_bucket_name=target.bucket_name, log_file_prefix=prefix
        )
        statement = iam.PolicyStatement(
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[target.arn_for_objects(f"{prefix}*")],
            conditions={
                "ArnLike": {"aws:SourceArn": bucket.bucket_arn},
                "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
            },
        )
        target.add_to_resource_policy(statement)

    def _replication_rules(self) -> list[s3.ReplicationRule] | None:
        if self._replicas is None:
            return None
        key = self._replicas.encryption_key
        rule = s3.ReplicationRule(
            destination=self._replicas,
            kms_key=key,
            sse_kms_encrypted_objects=self._encryption is s3.BucketEncryption.KMS,
        )
        return [rule]

    def _replication_role(self) -> iam.IRole | None:
        # CDK's own has a fixed name, and so there could be only one in an account.
        if self._replicas is not None and self._replicator is None:
            self._replicator = OwnRole(
                self,
                "ReplicationRole",
                assumed_by=iam.ServicePrincipal("s3.amazonaws.com"),
                description=description(
                    "Replicates inputs and results of the hybrid jobs of", self.node.path
                ),
            )
        return self._replicator

    @property
    def _deletes_objects(self) -> bool:
        return self._removal_policy is RemovalPolicy.DESTROY

    @staticmethod
    def hardened(
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        access_logs_bucket: s3.IBucket,
        replication_bucket: s3.IBucket,
        encryption_key: kms.IKey | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        reserved_concurrent_executions: int = 10,
        dead_letter_queue: sqs.IQueue | None = None,
        checks_caller: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> "HybridJobEnvironment":
        """Declare an environment for teams that follow a catalog of controls.

        The handler runs in a VPC, with reserved concurrency. Objects are replicated, and access to
        them is logged in the bucket of the account's logs.

        Args:
            scope: The scope.
            id: The id in the scope.
            vpc: A VPC for the handler, as for `HybridJobEnvironment`.
            access_logs_bucket: An existing bucket for access logs, which S3 may deliver to.
            replication_bucket: An existing bucket of this account for replicas, with versions and
                with a known KMS key.
            encryption_key: An existing key for the buckets. Default: a new key with rotation.
            permissions_boundary: The boundary of all new roles. Default: none.
            log_retention: The retention of the handler's log. Default: one year.
            vpc_subnets: The subnets of the VPC. Default: CDK's.
            security_groups: Security groups of the handler. Default: a new group.
            reserved_concurrent_executions: The number of invocations of the handler that can run
                at once. Default: 10, as many as CloudFormation invokes in parallel.
            dead_letter_queue: As for `HybridJobEnvironment`. Default: a new queue.
            checks_caller: As for `HybridJobEnvironment`. Default: the role trusts the service.
            removal_policy: Whether to keep or destroy buckets, key and logs when the environment
                leaves the stack. Default: RETAIN.

        Raises:
            ValidationError: The arguments contradict each other. Nothing is created.

        Example:
            >>> from aws_cdk import App, Stack, aws_ec2 as ec2, aws_kms as kms, aws_s3 as s3
            >>> from cdk_braket import HybridJobEnvironment
            >>> stack = Stack(App(), "Chemistry")
            >>> environment = HybridJobEnvironment.hardened(
            ...     stack,
            ...     "Jobs",
            ...     vpc=ec2.Vpc(stack, "Vpc"),
            ...     access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "bank-logs"),
            ...     replication_bucket=s3.Bucket.from_bucket_attributes(
            ...         stack,
            ...         "Copies",
            ...         bucket_name="bank-copies",
            ...         encryption_key=kms.Key(stack, "Key"),
            ...     ),
            ... )
        """
        return HybridJobEnvironment(
            scope,
            id,
            access_logs_bucket=access_logs_bucket,
            encryption_key=encryption_key,
            permissions_boundary=permissions_boundary,
            log_retention=log_retention,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            replication_bucket=replication_bucket,
            reserved_concurrent_executions=reserved_concurrent_executions,
            dead_letter_queue=dead_letter_queue,
            checks_caller=checks_caller,
            removal_policy=removal_policy,
        )

    @staticmethod
    @checked
    def from_hybrid_job_environment_attributes(
        scope: Construct,
        id: str,
        *,
        inputs_bucket_name: str,
        results_bucket_name: str,
        role_arn: str,
        handler_function_arn: str,
        encryption_key_arn: str | None = None,
    ) -> IHybridJobEnvironment:
        """Import an environment of another app, in the same account and region.

        This app does not change its roles. In the environment's app, allow devices and images with
        `allow_device` and `allow_image`, waiting with `allow_waiting`, and rules on jobs with
        `allow_events`.

        Args:
            scope: The scope.
            id: The id in the scope.
            inputs_bucket_name: Name of its inputs bucket.
            results_bucket_name: Name of its results bucket.
            role_arn: ARN of its execution role.
            handler_function_arn: ARN of its handler.
            encryption_key_arn: ARN of the key of its results. Default: none; the bucket's
                encryption applies.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
            ...     Stack(App(), "Other"),
            ...     "Jobs",
            ...     inputs_bucket_name="amazon-braket-inputs-1",
            ...     results_bucket_name="amazon-braket-results-1",
            ...     role_arn="arn:aws:iam::111122223333:role/jobs",
            ...     handler_function_arn="arn:aws:lambda:us-east-1:111122223333:function:jobs",
            ... )
        """
        return _ImportedEnvironment(
            scope,
            id,
            inputs_bucket_name=inputs_bucket_name,
            results_bucket_name=results_bucket_name,
            role_arn=role_arn,
            handler_function_arn=handler_function_arn,
            encryption_key_arn=encryption_key_arn,
        )

    @staticmethod
    @checked
    def from_parameter_name(
        scope: Construct, id: str, parameter_name: str, *, has_encryption_key: bool = True
    ) -> IHybridJobEnvironment:
        """Import an environment that another app has published.

        CloudFormation reads the parameter at each deployment. If the environment was replaced, the
        jobs start again.

        Args:
            scope: The scope.
            id: The id in the scope.
            parameter_name: The name that was passed to `publish`.
            has_encryption_key: Whether the environment's results have a KMS key, which is unknown
                before the deployment. Default: True.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import HybridJobEnvironment
            >>> environment = HybridJobEnvironment.from_parameter_name(
            ...     Stack(App(), "Other"), "Jobs", "/quantum/jobs"
            ... )
        """
        values = ssm.StringListParameter.value_for_typed_list_parameter(scope, parameter_name)
        # The first one is the format's version.
        inputs, results, role, function, key = (Fn.select(index, values) for index in range(1, 6))
        return HybridJobEnvironment.from_hybrid_job_environment_attributes(
            scope,
            id,
            inputs_bucket_name=inputs,
            results_bucket_name=results,
            role_arn=role,
            handler_function_arn=function,
            encryption_key_arn=key if has_encryption_key else None,
        )


class _ImportedEnvironment(_Environment):
    """An environment of another app."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        inputs_bucket_name: str,
        results_bucket_name: str,
        role_arn: str,
        handler_function_arn: str,
        encryption_key_arn: str | None,
    ) -> None:
        super().__init__(scope, id)
        arn = encryption_key_arn
        key = None if arn is None else kms.Key.from_key_arn(self, "Key", settled(arn))
        self._inputs = s3.Bucket.from_bucket_attributes(
            self, "InputsBucket", bucket_name=settled(inputs_bucket_name), encryption_key=key
        )
        self._results = s3.Bucket.from_bucket_attributes(
            self, "ResultsBucket", bucket_name=settled(results_bucket_name), encryption_key=key
        )
        self._role = iam.Role.from_role_arn(self, "Role", settled(role_arn), mutable=False)
        self._function = lambda_.Function.from_function_arn(
            self, "Handler", settled(handler_function_arn)
        )

    @property
    def handler_function(self) -> lambda_.IFunction:
        return self._function


def _old_versions() -> s3.LifecycleRule:
    """Delete objects some time after they were replaced or deleted."""
    return s3.LifecycleRule(
        noncurrent_version_expiration=_KEPT_OLD_VERSIONS,
        expired_object_delete_marker=True,
        abort_incomplete_multipart_upload_after=_KEPT_PARTS,
    )


def _given(**buckets: s3.IBucket | None) -> list[tuple[str, s3.IBucket]]:
    return [(name, bucket) for name, bucket in buckets.items() if bucket is not None]


def _problems(scope: Construct, arguments: Mapping[str, object]) -> list[Issue]:
    """Return all issues of an environment's arguments; one each for wrong types."""
    faults = wrong_types(HybridJobEnvironment.__init__, arguments)
    refused = argument_names(faults)
    usable = {
        name: None if any(each.startswith(name) for each in refused) else value
        for name, value in arguments.items()
    }
    found = [*_wrong_values(usable), *_contradictions(usable), *_misplaced(scope, usable)]
    return [*faults, *without(found, refused)]


def _wrong_values(given: Mapping[str, object]) -> Iterator[Issue]:
    encryption = given["encryption"]
    if isinstance(encryption, s3.BucketEncryption) and encryption not in _ENCRYPTIONS:
        yield Issue(
            "encryption",
            "expected KMS or S3_MANAGED",
            "Use s3.BucketEncryption.KMS, with encryption_key=… for a key of yours",
            encryption.name,
        )
    policy = given["removal_policy"]
    yield from policy_issues(policy if isinstance(policy, RemovalPolicy) else None)
    calls = plain(given["reserved_concurrent_executions"])
    if isinstance(calls, int) and not is_unknown(calls) and calls < 1:
        yield Issue(
            "reserved_concurrent_executions",
            f"expected at least 1, got {calls}: with none, the handler is never called",
            "Use a larger number, or remove the argument",
        )


def _contradictions(given: Mapping[str, object]) -> Iterator[Issue]:
    encryption, replicas = given["encryption"], given["replication_bucket"]
    if given["encryption_key"] is not None:
        if encryption is s3.BucketEncryption.S3_MANAGED:
            rule = "cannot be combined with encryption=S3_MANAGED"
            yield Issue("encryption_key", rule, "Remove one of them")
        if given["inputs_bucket"] is not None and given["results_bucket"] is not None:
            yield Issue(
                "encryption_key",
                "cannot be combined with both inputs_bucket and results_bucket",
                "Remove the argument, and set the key on the buckets",
            )
    lacks_key = replicas is not None and cast("s3.IBucket", replicas).encryption_key is None
    if lacks_key and encryption is s3.BucketEncryption.KMS:
        yield Issue(
            "replication_bucket",
            "expected a bucket with a known KMS key: objects with a key are copied only to a key",
            "Use s3.Bucket.from_bucket_attributes(…, encryption_key=…)",
        )
    for name in ("vpc_subnets", "security_groups"):
        if given["vpc"] is None and given[name]:
            yield Issue(name, "cannot be used without a VPC", "Use vpc=…, or remove the argument")


def _misplaced(scope: Construct, given: Mapping[str, object]) -> Iterator[Issue]:
    """Return the resources that belong to the wrong app, region or account."""
    for name in _OF_REGION:
        yield from misplaced(name, given[name], scope)
    groups = given["security_groups"]
    for index, group in enumerate(groups if isinstance(groups, Sequence) else ()):
        yield from misplaced(f"security_groups[{index}]", group, scope)
    # Replicas may be in any region.
    yield from misplaced("replication_bucket", given["replication_bucket"], scope, in_region=False)
    for name in ("role", "permissions_boundary"):
        yield from misplaced(name, given[name], scope, in_region=False, in_account=True)
