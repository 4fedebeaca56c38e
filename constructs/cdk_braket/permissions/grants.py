"""Grants on a job: exactly the named permissions, its key included."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked
from cdk_braket.core.issue import Issue
from cdk_braket.core.keys import key_statements
from cdk_braket.core.statement import Statement
from cdk_braket.core.validation_error import ValidationError

_WRITES: Final = ("s3:PutObject",)


class _Job(IConstruct, Protocol):
    """The attributes of a job that a grant needs."""

    @property
    def job_arn(self) -> str:
        """The job's ARN."""

    @property
    def log_stream_prefix(self) -> str:
        """The prefix of the names of its log streams."""

    def _results_location(self) -> s3_location.Location:
        """Where its results are."""


class Grants:
    """Grants on a hybrid job. Each returns an `iam.Grant`."""

    @checked
    def grant_read_results(self: _Job, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to read the results of all the job's runs, and to use their key.

        Args:
            grantee: The principal, of the same account.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_iam as iam
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> stack = Stack(App(), "Chemistry")
            >>> job = HybridJob(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
            >>> grant = job.grant_read_results(reader)
        """
        return granted(grantee, self._results_location().read_statements())

    @checked
    def grant(self: _Job, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow actions on the job itself.

        Args:
            grantee: The principal, of the same account.
            actions: Actions of Amazon Braket that know jobs as resources, such as `braket:GetJob`.
        """
        statement = Statement(actions=list(actions), resources=[self.job_arn])
        return granted(grantee, [statement])

    @checked
    def grant_cancel(self: _Job, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to cancel the job, and to see whether it is.

        Args:
            grantee: The principal, of the same account.
        """
        actions = ["braket:CancelJob", "braket:GetJob"]
        statement = Statement(actions=actions, resources=[self.job_arn])
        return granted(grantee, [statement])

    @checked
    def grant_read(self: _Job, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to see the job and to read its logs, not its results.

        The grantee also sees the names of the log streams of other jobs, and not their contents:
        listing knows no resource but the log group.

        A search over logs (`logs:FilterLogEvents`) is not part of it: it cannot be limited to the
        streams of one job. Source:
        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html

        Args:
            grantee: The principal, of the same account.
        """
        statement = Statement(actions=["braket:GetJob"], resources=[self.job_arn])
        logs = read_logs_statements(Stack.of(self), self.log_stream_prefix)
        return granted(grantee, [statement, *logs])


def read_logs_statements(stack: Stack, prefix: str) -> list[Statement]:
    """Return the permissions to read the logs of jobs.

    Args:
        stack: The stack of the jobs.
        prefix: The prefix of the names of the log streams; empty for all jobs.
    """
    group = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=JOB_LOG_GROUP,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    streams = f"{group}:log-stream:{s3_location.literal(prefix)}*"
    return [
        Statement(actions=["logs:DescribeLogStreams"], resources=[f"{group}:*"]),
        Statement(actions=["logs:GetLogEvents"], resources=[streams]),
    ]


def granted(grantee: iam.IGrantable, statements: Sequence[Statement]) -> iam.Grant:
    """Grant statements, as one."""
    first, *others = (
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=sorted(statement.actions),
            resource_arns=list(statement.resources),
            conditions=dict(statement.conditions) or None,
        )
        for statement in statements
    )
    for other in others:
        first = first.combine(other)
    return first


def channel_to_write(
    scope: Construct, channels: Mapping[str, object], name: str | None
) -> s3_location.Location:
    """Return where a channel's data is.

    Args:
        scope: The job.
        channels: The input data of the job, by channel.
        name: The channel; None where there is only one.

    Raises:
        ValidationError: There is no such channel, or more than one, or its data is not in a bucket.
    """
    in_buckets = {each: at for each, at in channels.items() if isinstance(at, s3_location.Location)}
    if name is None and len(in_buckets) == 1:
        [location] = in_buckets.values()
        return location
    if name is not None and name in in_buckets:
        return in_buckets[name]
    there = ", ".join(in_buckets) or "none"
    issue = Issue(
        "channel",
        f"expected a channel whose data is in a bucket, got {name!r}; there is {there}",
        "Use input_data={…: InputChannel.from_bucket(…)}, and name it",
    )
    raise ValidationError(scope.node.path, [issue])


def write_statements(location: s3_location.Location) -> list[Statement]:
    """The permissions to put objects, and not to read or list them."""
    which = location.prefix if location.is_object else f"{location.prefix}*"
    return [
        s3_location.objects_statement(list(_WRITES), location.bucket_arn, [which]),
        *key_statements(location.keys),
    ]
