"""The function that starts, tags and cancels jobs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import jsii
from aws_cdk import (
    ArnFormat,
    CfnResource,
    Duration,
    IAnyProducer,
    IgnoreMode,
    IResolveContext,
    Lazy,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IConstruct

from cdk_braket._lambda.braket_jobs.api.service_rules import SERVICE_LINKED_ROLE
from cdk_braket.core import s3_location
from cdk_braket.core.keys import key_statements
from cdk_braket.core.late import LateDependency
from cdk_braket.core.statement import Statement
from cdk_braket.permissions.managed_policy_role import OwnRole
from cdk_braket.permissions.statements import missing_object_statement

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID: Final = "BraketHybridJobHandler"
_ASSET: Final = Path(__file__).parents[1] / "_lambda"
_GO_ON: Final = "BraketHybridJobHandlerGoOn"

# The function divides its time itself and responds before its timeout. CloudFormation waits a
# little longer than that, instead of its default of an hour, if the function never responds.
_TIMEOUT: Final = Duration.minutes(14)


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """The settings of a function that differs from the shared function of a stack.

    Attributes:
        log_retention: How long its log is kept.
        vpc: The VPC it runs in; None for no VPC.
        vpc_subnets: The subnets it runs in.
        security_groups: Its security groups.
        is_bounded: Whether its role gets a permissions boundary.
        reserved_concurrent_executions: The number of its invocations that may run at once.
        dead_letter_queue: The queue for failed invocations. Default: a new queue.
    """

    log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR
    vpc: ec2.IVpc | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_groups: "Sequence[ec2.ISecurityGroup] | None" = None
    is_bounded: bool = False
    reserved_concurrent_executions: int | None = None
    dead_letter_queue: sqs.IQueue | None = None


class JobHandler(Construct):
    """The function, its role and its logs."""

    def __init__(self, scope: Construct, id: str, settings: HandlerSettings) -> None:
        super().__init__(scope, id)
        self._key_lasts = False
        self._log_group = logs.LogGroup(
            self,
            "Logs",
            retention=settings.log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = OwnRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Starts, tags and cancels the hybrid jobs of this stack",
        )
        self._log_group.grant_write(self.role)
        self._has_own_queue = settings.dead_letter_queue is None
        self.dead_letter_queue = settings.dead_letter_queue or _queue(self)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Starts, tags and cancels the hybrid jobs of this stack (cdk-braket)",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="braket_jobs.handler.index.handler",
            code=code(),
            memory_size=256,
            timeout=_TIMEOUT,
            log_group=self._log_group,
            role=self.role,
            vpc=settings.vpc,
            vpc_subnets=settings.vpc_subnets,
            security_groups=settings.security_groups,
            reserved_concurrent_executions=settings.reserved_concurrent_executions,
            dead_letter_queue=self.dead_letter_queue,
            tracing=lambda_.Tracing.ACTIVE,
        )
        if settings.vpc is not None:
            vpc = settings.vpc
            endpoints = LateDependency(self, "Endpoints", lambda: _endpoints(self, vpc))
            # Only on the resource: an endpoint's policy may name the role.
            cast("IConstruct", self.function.node.default_child).node.add_dependency(endpoints)
        drop_role_dependency(self.function, self.role)
        self.role.allow(_braket_statements(Stack.of(self)))
        if settings.vpc is not None:
            self.role.allow(_network_statements(Stack.of(self)))
        self.role.allow(key_statements([self.dead_letter_queue.encryption_master_key]))

    @staticmethod
    def of(scope: Construct, settings: HandlerSettings) -> "JobHandler":
        """Return the handler of the scope's stack, or a separate one for the scope.

        Scopes with default settings share the handler of the stack.
        """
        if settings != HandlerSettings():
            return JobHandler(scope, "Handler", settings)
        stack = Stack.of(scope)
        existing = stack.node.try_find_child(_ID)
        return existing if isinstance(existing, JobHandler) else JobHandler(stack, _ID, settings)

    def keep_logs(self, removal_policy: RemovalPolicy) -> None:
        """Keep the log when data of the jobs is kept."""
        if removal_policy is not RemovalPolicy.DESTROY:
            self._log_group.apply_removal_policy(removal_policy)

    def encrypt(self, key: kms.Key, *, lasts: bool) -> None:
        """Encrypt the log and the dead letters with a key.

        If several environments have a key, one that is retained has priority.

        Args:
            key: The key, of this app.
            lasts: Whether it is retained when its environment is removed from the stack.
        """
        group = cast("logs.CfnLogGroup", self._log_group.node.default_child)
        if group.kms_key_id is not None and (self._key_lasts or not lasts):
            return
        self._key_lasts = lasts
        group.kms_key_id = key.key_arn
        key.add_to_resource_policy(_logs_statement(Stack.of(self)))
        if self._has_own_queue:
            queue = cast("sqs.CfnQueue", self.dead_letter_queue.node.default_child)
            queue.sqs_managed_sse_enabled = None
            queue.kms_master_key_id = key.key_arn
            self.role.allow(key_statements([key]))


def code() -> lambda_.Code:
    """Return the code of all functions: one asset, whose modules have the entry points."""
    return lambda_.Code.from_asset(
        str(_ASSET), exclude=["__pycache__", "*.pyc"], ignore_mode=IgnoreMode.GIT
    )


def drop_role_dependency(function: lambda_.Function, role: iam.Role) -> None:
    """Remove the role from the function's dependencies: the function refers to it already.

    CDK adds it, and cfn-lint reports it (W3005). The dependency on the role's policy stays.
    """
    named = role.node.default_child
    if named is None:
        return  # iam.Role.customize_roles: the role is created elsewhere
    resource = cast("lambda_.CfnFunction", function.node.default_child)
    resource.add_override("DependsOn", Lazy.uncached_any(_Dependencies(resource, named)))


@jsii.implements(IAnyProducer)
class _Dependencies:
    def __init__(self, resource: CfnResource, without: IConstruct) -> None:
        self._resource = resource
        self._without = without.node.path

    def produce(self, context: IResolveContext) -> object:
        needed = self._resource.obtain_dependencies()
        resources = [one for one in needed if isinstance(one, CfnResource)]
        return sorted(
            cast("str", context.resolve(one.logical_id))
            for one in resources
            if one.node.path != self._without
        )


def _endpoints(scope: Construct, vpc: ec2.IVpc) -> list[IConstruct]:
    """Return the endpoints of a VPC in the scope's stack and in its own: the function needs them.

    Resources that invoke the function are created after the endpoints and deleted before them.
    """
    found: dict[str, IConstruct] = {}
    for stack in (Stack.of(scope), Stack.of(vpc)):
        for each in stack.node.find_all():
            if not isinstance(each, ec2.CfnVPCEndpoint) or Stack.of(each) != stack:
                continue
            if stack.resolve(each.vpc_id) == stack.resolve(vpc.vpc_id):
                around = each.node.scope
                is_l2 = isinstance(around, (ec2.GatewayVpcEndpoint, ec2.InterfaceVpcEndpoint))
                found[each.node.path] = cast("IConstruct", around) if is_l2 else each
    return list(found.values())


def _queue(scope: Construct) -> sqs.Queue:
    return sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )


def _logs_statement(stack: Stack) -> iam.PolicyStatement:
    """Allow CloudWatch Logs to use a key, for the log groups of one stack.

    CloudFormation generates their names, which begin with the stack's name.
    Source:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    # `Aws.STACK_NAME` would be the name of the stack that renders it, which may be the key's stack.
    # The names of nested stacks begin with those of their parents.
    root = stack
    while root.nested_stack_parent is not None:
        root = root.nested_stack_parent
    groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{root.stack_name}-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
        actions=[
            "kms:Decrypt*",
            "kms:Describe*",
            "kms:Encrypt*",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
        ],
        resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )


def read_assets_statement(bucket_arn: str) -> Statement:
    """Allow reading the assets of a bootstrap bucket.

    Their keys are content hashes, which are too many to name in a policy.
    """
    return s3_location.objects_statement(["s3:GetObject"], bucket_arn, ["*"])


def go_on(function: lambda_.IFunction) -> iam.ManagedPolicy | None:
    """Allow a function to invoke itself again, to continue waiting for a job.

    Returns:
        The policy, which must exist before; None for a function of another app.
    """
    role = function.role
    if not isinstance(role, iam.Role):
        return None
    stack = Stack.of(function)
    name = f"{_GO_ON}{function.node.addr[-8:]}"
    existing = stack.node.try_find_child(name)
    if isinstance(existing, iam.ManagedPolicy):
        return existing
    # A separate policy: the role's is created before the function, and cannot name it.
    statement = iam.PolicyStatement(
        actions=["lambda:InvokeFunction"], resources=[function.function_arn]
    )
    return iam.ManagedPolicy(
        stack,
        name,
        description="Lets a hybrid job's handler go on waiting (cdk-braket)",
        roles=[role],
        statements=[statement],
    )


def script_look_statements(script: s3_location.Location) -> list[Statement]:
    """Allow checking whether a script of the user's exists."""
    return [
        s3_location.objects_statement(["s3:GetObject"], script.bucket_arn, [script.prefix]),
        missing_object_statement(script.bucket_arn),
    ]


def tags_look_statement(bucket_arn: str) -> Statement:
    """Allow checking whether Braket can reach a bucket by its tags."""
    return Statement(actions=["s3:GetBucketTagging"], resources=[bucket_arn])


def copy_statements(source: s3_location.Location, target: s3_location.Location) -> list[Statement]:
    """Allow copying objects from one location to another."""
    return [
        *source.read_statements(),
        s3_location.objects_statement(
            ["s3:GetObject", "s3:PutObject"], target.bucket_arn, [f"{target.prefix}*"]
        ),
        missing_object_statement(target.bucket_arn),
        *key_statements(target.keys),
    ]


def _network_statements(stack: Stack) -> list[Statement]:
    """Allow a function to run in a VPC.

    Describe actions support no resource, and the network interfaces are not known in advance.

    Each type of resource is named: a wildcard in the place of a type matches none. Sources:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html,
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html and
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """

    def arn(kind: str) -> str:
        return stack.format_arn(service="ec2", resource=kind, resource_name="*")

    return [
        Statement(
            actions=["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], resources=["*"]
        ),
        Statement(
            actions=["ec2:CreateNetworkInterface"],
            resources=[arn("network-interface"), arn("security-group"), arn("subnet")],
        ),
        Statement(
            actions=[
                "ec2:AssignPrivateIpAddresses",
                "ec2:DeleteNetworkInterface",
                "ec2:UnassignPrivateIpAddresses",
            ],
            resources=[arn("network-interface")],
        ),
    ]


def _braket_statements(stack: Stack) -> list[Statement]:
    jobs = stack.format_arn(
        service="braket",
        resource="job",
        resource_name="*",
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    # Without a role, its path is not known either.
    service_linked_roles = [
        stack.format_arn(service="iam", region="", resource="role", resource_name=name)
        for name in (
            f"aws-service-role/braket.amazonaws.com/{SERVICE_LINKED_ROLE}",
            SERVICE_LINKED_ROLE,
        )
    ]
    return [
        # To detect an account in which Amazon Braket is not enabled.
        Statement(actions=["iam:GetRole"], resources=service_linked_roles),
        # Neither has a resource before the job exists. Source:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html
        Statement(actions=["braket:CreateJob", "braket:SearchJobs"], resources=["*"]),
        # The service generates a job's ARN, so the stack's own jobs cannot be distinguished.
        Statement(
            actions=[
                "braket:CancelJob",
                "braket:GetJob",
                "braket:TagResource",
                "braket:UntagResource",
            ],
            resources=[jobs],
        ),
    ]
