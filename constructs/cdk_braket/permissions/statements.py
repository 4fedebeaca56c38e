"""The permissions to run a job, and how roles receive them."""

import json
from collections.abc import Sequence
from typing import Final

from aws_cdk import Arn, ArnComponents, ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api.service_rules import device_region
from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket.core import s3_location
from cdk_braket.core.keys import READ_ACTIONS, key_statements
from cdk_braket.core.memo import bucket_arn_of, region_of, remembered, role_arn_of, stack_of
from cdk_braket.core.naming import stack_uuid
from cdk_braket.core.statement import Statement, rendered

from .managed_policy_role import OwnRole

# Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs-metrics.html
METRICS_NAMESPACE: Final = "/aws/braket"


def attach(
    scope: Construct, role: iam.IRole | None, statements: Sequence[Statement]
) -> iam.Policy | None:
    """Add statements to a role such that the role's stack does not depend on the scope's.

    A role of the scope's stack receives them itself. A role of another stack of the app receives
    them in one policy in the scope's stack. An imported role is not changed. A statement that the
    role already has creates nothing.

    Args:
        scope: The construct that needs them.
        role: The role; None if it is unknown.
        statements: The permissions.

    Returns:
        A policy that must exist before the role has the permissions; None if there is only the
        role's own.
    """
    if not isinstance(role, iam.Role) or not statements:
        return None
    stack = stack_of(scope)
    if stack_of(role) is not stack:
        policy = _policy_in(stack, role)
        if new := _new(policy, stack, statements):
            policy.add_statements(*new)
        return policy
    if isinstance(role, OwnRole):
        role.allow(_unseen(role, statements))
        return None
    for statement in _new(role, stack, statements):
        role.add_to_policy(statement)
    return None


def _policy_in(stack: Stack, role: iam.Role) -> iam.Policy:
    """Return the policy of a stack for a role of another one."""
    policies = _policies_of(role)
    if stack not in policies:
        name = f"BraketHybridJobs{role.node.addr[-8:]}"
        existing = stack.node.try_find_child(name)
        policies[stack] = (
            existing if isinstance(existing, iam.Policy) else _policy(stack, name, role)
        )
    return policies[stack]


@remembered
def _policies_of(role: iam.Role) -> dict[Stack, iam.Policy]:  # noqa: ARG001 - kept with the role
    return {}


@remembered
def _held(holder: iam.Role | iam.Policy) -> set[str]:  # noqa: ARG001 - kept with the holder
    return set()


@remembered
def _given(holder: iam.Role | iam.Policy) -> set[Statement]:  # noqa: ARG001 - kept with the holder
    return set()


def attach_in_own_policy(
    scope: Construct, id: str, role: iam.IRole | None, statements: Sequence[Statement]
) -> iam.Policy | None:
    """Add statements to a role in a separate policy of the scope.

    Use this for permissions on resources that depend on other jobs. Those jobs wait for the role's
    other policies, so that a shared policy would be a circular dependency.

    Args:
        scope: The construct that needs them.
        id: The policy's id in the scope.
        role: The role; an imported role is not changed.
        statements: The permissions.

    Returns:
        The policy, if one was needed.
    """
    if not isinstance(role, iam.Role) or not statements:
        return None
    policy = _policy(scope, id, role)
    policy.add_statements(*rendered(statements))
    return policy


def _policy(scope: Construct, id: str, role: iam.Role) -> iam.Policy:
    """Create an inline policy whose name no other stack gives to a policy of the same role.

    IAM replaces a policy of the same name. CDK's names are the same in stacks whose constructs have
    the same ids, also of other apps.
    """
    name = f"{id}-{scope.node.addr}-{stack_uuid(stack_of(scope))}"
    return iam.Policy(scope, id, policy_name=name, roles=[role])


def _new(
    holder: iam.Role | iam.Policy, stack: Stack, statements: Sequence[Statement]
) -> list[iam.PolicyStatement]:
    """Return the statements that a role or policy does not contain yet.

    CDK also removes duplicates, but only after it has split a policy that they enlarged.
    Equal values are found without a call to Node. The rest is compared as the template has it,
    because different tokens can mean the same resource.
    """
    held = _held(holder)
    texts = {
        json.dumps(stack.resolve(statement.to_statement_json()), sort_keys=True): statement
        for statement in rendered(_unseen(holder, statements))
    }
    found = [statement for text, statement in texts.items() if text not in held]
    held.update(texts)
    return found


def _unseen(holder: iam.Role | iam.Policy, statements: Sequence[Statement]) -> list[Statement]:
    given = _given(holder)
    unseen = [each for each in dict.fromkeys(statements) if each not in given]
    given.update(unseen)
    return unseen


def braket_principal(stack: Stack, *, checks_caller: bool) -> iam.IPrincipal:
    """Return the principal of Amazon Braket, for any job or only for jobs of this account."""
    principal = iam.ServicePrincipal("braket.amazonaws.com")
    if not checks_caller:
        return principal
    jobs = stack.format_arn(service="braket", resource="*")
    return principal.with_conditions(
        {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": jobs}}
    )


def objects_statements(
    bucket: s3.IBucket, patterns: list[str], *, writes: bool = False
) -> list[Statement]:
    """Allow actions on the objects of a bucket with matching keys; the KMS key is not included."""
    actions = ["s3:GetObject", "s3:PutObject"] if writes else ["s3:GetObject"]
    return [
        s3_location.objects_statement(actions, bucket_arn_of(bucket), patterns),
        s3_location.list_statement(bucket_arn_of(bucket), patterns),
    ]


def replication_statements(source: s3.IBucket, target: s3.IBucket) -> list[Statement]:
    """Allow replicating new objects of a bucket to another bucket.

    Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
    """
    return [
        Statement(
            actions=["s3:GetReplicationConfiguration", "s3:ListBucket"],
            resources=[source.bucket_arn],
        ),
        s3_location.objects_statement(
            [
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
            ],
            source.bucket_arn,
            ["*"],
        ),
        s3_location.objects_statement(
            ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"],
            target.bucket_arn,
            ["*"],
        ),
        *key_statements([source.encryption_key], READ_ACTIONS),
        *key_statements([target.encryption_key], ("kms:Encrypt", "kms:GenerateDataKey")),
    ]


def pass_role_statement(role: iam.IRole) -> Statement:
    """Allow starting jobs with a role.

    Source of the two services:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html
    """
    return Statement(
        actions=["iam:PassRole"],
        resources=[role_arn_of(role)],
        conditions={
            "StringEquals": {
                "iam:PassedToService": ["braket.amazonaws.com", "sagemaker.amazonaws.com"]
            }
        },
    )


@remembered
def log_statements(stack: Stack) -> list[Statement]:
    """Allow writing a job's logs and metrics."""
    log_group = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=JOB_LOG_GROUP,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return [
        Statement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            # Stream names begin with the job's name and an id that the service generates.
            resources=[f"{log_group}:*"],
        ),
        # PutMetricData supports no resource, only a condition on the namespace. Source:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
        Statement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS_NAMESPACE}},
        ),
    ]


def device_statements(stack: Stack, device_arn: str, results: s3.IBucket) -> list[Statement]:
    """Allow running tasks on a managed device.

    A task is in the region in which it was created: for a QPU, the device's region; for a
    simulator, the job's region. A job runs in its device's region, so a device that is known only
    at deploy time is also in the stack's region.

    Args:
        stack: The job's stack.
        device_arn: The device.
        results: The bucket of the job's results, and thus of its tasks' results.
    """
    tasks = Arn.format(
        ArnComponents(
            service="braket",
            region=device_region(device_arn) or region_of(stack),
            resource="quantum-task",
            resource_name="*",
        ),
        stack,
    )
    return [
        Statement(actions=["braket:GetDevice"], resources=[device_arn]),
        # The service generates a task's id. CreateQuantumTask is authorized on the device and, as
        # not every version of the published reference excludes it, on the task.
        Statement(actions=["braket:CreateQuantumTask"], resources=[device_arn, tasks]),
        Statement(actions=["braket:CancelQuantumTask", "braket:GetQuantumTask"], resources=[tasks]),
        # Braket refuses CreateQuantumTask if the caller cannot access the bucket ("Caller doesn't
        # have access to … or it doesn't exist"). It checks with HeadBucket, without prefix. Source:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
        missing_object_statement(bucket_arn_of(results)),
    ]


def device_look_statement(device_arn: str) -> Statement:
    """Allow checking whether a device is online."""
    return Statement(actions=["braket:GetDevice"], resources=[device_arn])


def missing_object_statement(bucket_arn: str) -> Statement:
    """Allow S3 to respond with 404 instead of 403 for a missing object.

    A condition on the prefix is not possible: such a request has none.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    return Statement(actions=["s3:ListBucket"], resources=[bucket_arn])
