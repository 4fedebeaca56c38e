"""The interfaces that all hybrid jobs and all environments implement, of this app or another's.

Public methods accept these types, so that you can use a job of another app like your own job.
"""

from collections.abc import Sequence
from typing import Protocol

from aws_cdk import IResource
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct


class IHybridJob(IResource, Protocol):
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
        """The job's display name. Other jobs can have the same name."""

    @property
    def results_s3_uri(self) -> str:
        """The S3 URI of the job's results."""

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the job's results."""

    @property
    def results_prefix(self) -> str:
        """The key prefix of the results of all runs of the job."""

    @property
    def checkpoint_s3_uri(self) -> str:
        """The S3 URI of the job's checkpoints."""

    @property
    def checkpoint_bucket(self) -> s3.IBucket:
        """The bucket of the job's checkpoints."""

    @property
    def checkpoint_prefix(self) -> str:
        """The key prefix of the checkpoints of all runs of the job."""

    @property
    def log_group_name(self) -> str:
        """The log group of the job's logs."""

    @property
    def log_stream_prefix(self) -> str:
        """The prefix of the names of the job's log streams."""

    @property
    def console_url(self) -> str:
        """The job's page in the AWS console."""

    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow actions on the job itself, such as `braket:GetJob`."""

    def grant_read_results(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading the results of all runs of the job, and using their key."""

    def grant_cancel(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow cancelling the job, and reading its state."""

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading the job's attributes and logs, not its results."""

    def on_state_change(
        self,
        id: str,
        *,
        statuses: Sequence[str] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Trigger a target when the job's state changes."""

    def on_completed(
        self,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Trigger a target when the job completes."""

    def on_failed(
        self,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Trigger a target when the job fails."""

    def on_cancelled(
        self,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Trigger a target when the job is cancelled."""

    def on_task_state_change(
        self,
        id: str,
        *,
        statuses: Sequence[str] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Trigger a target when the state of a task of the job changes."""

    def alarm_on_failure(
        self,
        id: str,
        *,
        alarm_name: str | None = None,
        alarm_description: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> cloudwatch.Alarm:
        """Raise an alarm when the job fails."""

    def notify(
        self,
        topic: sns.ITopic,
        *,
        statuses: Sequence[str] = ...,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Publish a sentence to a topic when the job ends."""


class IHybridJobEnvironment(IResource, Protocol):
    """The resources that hybrid jobs share, of this app or of another.

    Example:
        >>> from cdk_braket import IHybridJobEnvironment
        >>> def role_arn(environment: IHybridJobEnvironment) -> str:
        ...     return environment.role.role_arn
    """

    @property
    def inputs_bucket(self) -> s3.IBucket:
        """The bucket of scripts and inputs. Jobs only read it."""

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of results and checkpoints."""

    @property
    def encryption_key(self) -> kms.IKey | None:
        """The key of the results; None for the keys of S3."""

    @property
    def role(self) -> iam.IRole:
        """The execution role of the jobs."""

    @property
    def handler_function(self) -> lambda_.IFunction:
        """The function that starts, tags and cancels the jobs."""


# As users import them.
IHybridJob.__module__ = IHybridJobEnvironment.__module__ = "cdk_braket"
