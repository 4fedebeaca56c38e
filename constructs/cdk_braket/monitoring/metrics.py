"""Metrics of jobs and of the devices that they use, and alarms on them."""

from typing import Final, Protocol, cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct

from cdk_braket._lambda.braket_jobs.contract import (
    FAILED_JOBS,
    JOB_ARN_DIMENSION,
    METRICS_NAMESPACE,
)
from cdk_braket.core.argument_types import checked
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.permissions.invocation import HandlerTarget, as_target
from cdk_braket.request.create_job import seconds_of
from cdk_braket.request.device import Device

from .events import JobRule

# Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-monitor-metrics.html
_NAMESPACE: Final = "AWS/Braket"
_DEVICE_DIMENSION: Final = "deviceArn"
_TASK_COUNT: Final = "Count"
_TASK_LATENCY: Final = "Latency"


class _Job(IConstruct, Protocol):
    """What an alarm has to know of a job."""

    @property
    def job_arn(self) -> str:
        """The job's ARN."""

    def _replay_function(self) -> lambda_.IFunction | None:
        """What takes note of a job that failed; None when nothing does."""

    def on_failed(
        self,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job failed."""


class _Definition(IConstruct, Protocol):
    """What a metric has to know of a definition."""

    @property
    def device(self) -> Device:
        """The device."""


class Alarms:
    """Alarms on a hybrid job."""

    @checked
    def alarm_on_failure(
        self: _Job,
        id: str,
        *,
        alarm_name: str | None = None,
        alarm_description: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> cloudwatch.Alarm:
        """Raise an alarm when the job fails, also if it failed before there was the alarm.

        Amazon Braket publishes no metric of that. A rule (`on_failed`) has the function that
        starts the stack's jobs take note, and what it writes to its log is the metric
        `CdkBraket / FailedJobs` with the dimension `JobArn`. The alarm goes off for the minute of
        the failure, and is quiet again later.

        Args:
            id: The alarm's id. The rule's is the same with `Rule` at its end.
            alarm_name: The alarm's name. Default: CloudFormation makes one.
            alarm_description: What the alarm says. Default: that this job failed.
            cross_stack_scope: Where alarm and rule are declared when an action of the alarm is in
                another stack, to keep the job's stack from depending on that. Default: the job.

        Raises:
            ValidationError: The job is of another app, whose functions are not at hand.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_cloudwatch_actions as actions
            >>> from aws_cdk import aws_sns as sns
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> stack = Stack(App(), "Chemistry")
            >>> job = HybridJob(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> alarm = job.alarm_on_failure("Failed")
            >>> alarm.add_alarm_action(actions.SnsAction(sns.Topic(stack, "Alarms")))
        """
        function = self._replay_function()
        if function is None:
            issue = Issue(
                "alarm_on_failure",
                "is for jobs that this app deploys",
                "Declare it where the job is, or use on_failed(…) with a target of yours",
            )
            raise ValidationError(f"{self.node.path}/{id}".lstrip("/"), [issue])
        target = HandlerTarget(cross_stack_scope or cast("Construct", self), function)
        rule = self.on_failed(
            f"{id}Rule", target=as_target(target), cross_stack_scope=cross_stack_scope
        )
        metric = cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=FAILED_JOBS,
            dimensions_map={JOB_ARN_DIMENSION: self.job_arn},
            statistic=cloudwatch.Stats.SUM,
            period=Duration.minutes(1),
        )
        alarm = cloudwatch.Alarm(
            cast("Construct", rule.node.scope),
            id,
            metric=metric,
            alarm_name=alarm_name,
            alarm_description=alarm_description or f"The hybrid job {self.node.path} failed",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if isinstance(rule, JobRule):
            rule.comes_after(alarm)
            rule.comes_after(target.permission)
        return alarm


class TaskMetrics:
    """Metrics of the quantum tasks of a job's device."""

    @checked
    def metric_task_count(
        self: _Definition,
        *,
        statistic: str = cloudwatch.Stats.SUM,
        period: Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """How many quantum tasks the job's device was sent, by all of the account.

        Amazon Braket publishes it by device, and not by job. Source:
        https://docs.aws.amazon.com/braket/latest/developerguide/braket-monitor-metrics.html

        Args:
            statistic: The statistic. Default: the sum.
            period: Of what time each point is. Default: 5 minutes.
            label: How a graph names it. Default: CloudWatch's.
            color: Its colour in a graph, such as `#1f77b4`. Default: CloudWatch's.

        Raises:
            ValidationError: The device runs in the job itself.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> job = HybridJob(
            ...     Stack(App(), "Chemistry"),
            ...     "Vqe",
            ...     image=ContainerImage.base(),
            ...     device=Device.AMAZON_SV1,
            ... )
            >>> job.metric_task_count().metric_name
            'Count'
        """
        return _metric(
            self, _TASK_COUNT, statistic=statistic, period=period, label=label, color=color
        )

    @checked
    def metric_task_latency(
        self: _Definition,
        *,
        statistic: str = cloudwatch.Stats.AVERAGE,
        period: Duration | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> cloudwatch.Metric:
        """How long the tasks of the job's device took from start to end, by all of the account.

        As `metric_task_count`.

        Args:
            statistic: The statistic. Default: the average.
            period: Of what time each point is. Default: 5 minutes.
            label: How a graph names it. Default: CloudWatch's.
            color: Its colour in a graph. Default: CloudWatch's.

        Raises:
            ValidationError: The device runs in the job itself.
        """
        return _metric(
            self, _TASK_LATENCY, statistic=statistic, period=period, label=label, color=color
        )


def _metric(
    owner: _Definition,
    name: str,
    *,
    statistic: str,
    period: Duration | None,
    label: str | None,
    color: str | None,
) -> cloudwatch.Metric:
    device = owner.device
    if device.is_local:
        rule = "runs in the job itself, and no metrics are published of it"
        issue = Issue("device", rule, "Use a managed device", shorten(device.arn))
        raise ValidationError(owner.node.path, [issue])
    if period is not None and not _is_period(period):
        rule = "must be 1, 5, 10 or 30 seconds, or a multiple of 60"
        fix = "Use Duration.minutes(5), or leave it out"
        issue = Issue("period", rule, fix, f"{seconds_of(period):g} s")
        raise ValidationError(owner.node.path, [issue])
    return cloudwatch.Metric(
        namespace=_NAMESPACE,
        metric_name=name,
        dimensions_map={_DEVICE_DIMENSION: device.arn},
        statistic=statistic,
        period=period,
        label=label,
        color=color,
    )


def _is_period(period: Duration) -> bool:
    """Whether CloudWatch has points of that length.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
    """
    if period.is_unresolved():
        return True
    seconds = seconds_of(period)
    return seconds in {1, 5, 10, 30} or (seconds > 0 and seconds % 60 == 0)
