"""A dashboard of hybrid jobs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_braket._lambda.braket_jobs.contract import JOB_ARNS, JOB_LOG_GROUP
from cdk_braket.core.argument_types import wrong_types
from cdk_braket.core.issue import Issue, argument_names, shorten, without
from cdk_braket.core.naming import description
from cdk_braket.core.placement import misplaced
from cdk_braket.core.statement import Statement
from cdk_braket.core.tokens import is_unknown
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.environment.handler_function import code, drop_role_dependency
from cdk_braket.interfaces import IHybridJob
from cdk_braket.permissions.managed_policy_role import OwnRole

from .hybrid_job import HybridJob

_WIDTH: Final = 24
_LINES: Final = 100
# Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
_MOST_WIDGETS: Final = 500

# The metric names that the SDK's own parser accepts. Source:
# https://github.com/amazon-braket/amazon-braket-sdk-python (log_metrics_parser.py)
_METRIC_NAME: Final = re.compile(r"\w+", re.ASCII)


class HybridJobDashboard(Construct):
    """A CloudWatch dashboard: status and runtime, algorithm metrics and logs of jobs.

    - The status and runtime come from a function of the dashboard, which can read only these jobs:
      Amazon Braket publishes neither as a metric. CloudWatch prompts a viewer before it calls the
      function, and the viewer needs `lambda:InvokeFunction` on it.
    - The algorithm metrics are those that a script logs with `braket.jobs.metrics.log_metric`.
      CloudWatch Logs Insights reads them from the job's own log streams, and bills by the amount
      of data that it scans.
    - For managed devices, the dashboard shows the number of tasks and their duration.

    The log group of jobs does not have to exist when the dashboard is deployed.

    Example:
        >>> from aws_cdk import App, Stack
        >>> from cdk_braket import ContainerImage, Device, HybridJob, HybridJobDashboard
        >>> stack = Stack(App(), "Chemistry")
        >>> job = HybridJob(
        ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
        ... )
        >>> board = HybridJobDashboard(stack, "Board", jobs=[job], algorithm_metrics=["energy"])
    """

    __module__ = "cdk_braket"

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        jobs: Sequence[IHybridJob],
        algorithm_metrics: Sequence[str] = (),
        dashboard_name: str | None = None,
        default_interval: Duration | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
    ) -> None:
        """Declare a dashboard.

        Args:
            scope: The scope.
            id: The id in the scope.
            jobs: The jobs, of the dashboard's account and region.
            algorithm_metrics: Names of metrics that their scripts log. Default: none are shown.
            dashboard_name: The dashboard's name. Default: CloudFormation generates one.
            default_interval: The time range that it shows at first. Default: 3 hours.
            log_retention: How long the log of its function is kept. Default: a month.

        Raises:
            ValidationError: There is no job, the SDK cannot read a metric name, or there are more
                widgets than a dashboard can have. Nothing was created.
        """
        arguments = {
            "jobs": jobs,
            "algorithm_metrics": algorithm_metrics,
            "dashboard_name": dashboard_name,
            "default_interval": default_interval,
            "log_retention": log_retention,
        }
        problems = _problems(scope, arguments)
        if problems:
            raise ValidationError(f"{scope.node.path}/{id}".lstrip("/"), problems)
        super().__init__(scope, id)
        self.status_function = self._status_function([job.job_arn for job in jobs], log_retention)
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Resource",
            dashboard_name=dashboard_name,
            default_interval=default_interval or Duration.hours(3),
        )
        self.dashboard.add_widgets(self._status(jobs))
        for of_device in _on_managed_devices(jobs):
            self.dashboard.add_widgets(*_tasks(of_device))
        for job in jobs:
            if algorithm_metrics:
                self.dashboard.add_widgets(_algorithm(job, algorithm_metrics))
            self.dashboard.add_widgets(_log(job))

    def _status_function(
        self, job_arns: Sequence[str], log_retention: logs.RetentionDays
    ) -> lambda_.Function:
        log_group = logs.LogGroup(
            self, "Logs", retention=log_retention, removal_policy=RemovalPolicy.DESTROY
        )
        role = OwnRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=description("Shows the hybrid jobs of", self.node.path),
        )
        log_group.grant_write(role)
        role.allow([Statement(actions=["braket:GetJob"], resources=list(job_arns))])
        function = lambda_.Function(
            self,
            "Function",
            description="Shows the status of hybrid jobs (cdk-braket)",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="braket_jobs.dashboard.index.handler",
            code=code(),
            memory_size=256,
            timeout=Duration.minutes(1),
            log_group=log_group,
            role=role,
            tracing=lambda_.Tracing.ACTIVE,
        )
        drop_role_dependency(function, role)
        return function

    def _status(self, jobs: Sequence[IHybridJob]) -> cloudwatch.IWidget:
        return cloudwatch.CustomWidget(
            title="Hybrid jobs",
            function_arn=self.status_function.function_arn,
            params={JOB_ARNS: [job.job_arn for job in jobs]},
            width=_WIDTH,
            height=3 + min(len(jobs), 9),
        )


def algorithm_query(job: IHybridJob, names: Sequence[str]) -> list[str]:
    """Return the query for metrics that a job's script logs in the format of the SDK.

    Source: `log_metric` of `braket.jobs.metrics` in amazon-braket-sdk.
    """
    parsed = [rf"parse @message /[ ;]{name}=(?<{name}>[^;]+);/" for name in names]
    averages = ", ".join(f"avg({name})" for name in names)
    return [
        "fields @timestamp, @message",
        rf"filter @logStream like /^{job.job_name}\//",
        "filter @message like /Metrics - /",
        *parsed,
        f"stats {averages} by bin(10s)",
    ]


def log_query(job: IHybridJob) -> list[str]:
    """Return the query for the last lines of a job's log."""
    return [
        "fields @timestamp, @message",
        rf"filter @logStream like /^{job.job_name}\//",
        "sort @timestamp desc",
        f"limit {_LINES}",
    ]


def _algorithm(job: IHybridJob, names: Sequence[str]) -> cloudwatch.IWidget:
    return cloudwatch.LogQueryWidget(
        title=f"{job.job_name}: {', '.join(names)}",
        log_group_names=[JOB_LOG_GROUP],
        query_lines=algorithm_query(job, names),
        view=cloudwatch.LogQueryVisualizationType.LINE,
        width=_WIDTH,
        height=6,
    )


def _log(job: IHybridJob) -> cloudwatch.IWidget:
    return cloudwatch.LogQueryWidget(
        title=f"{job.job_name}: log",
        log_group_names=[JOB_LOG_GROUP],
        query_lines=log_query(job),
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=_WIDTH,
        height=6,
    )


def _on_managed_devices(jobs: Sequence[IHybridJob]) -> list[HybridJob]:
    """Return one job for each managed device that is known in this app."""
    defined = [job for job in jobs if isinstance(job, HybridJob) and not job.device.is_local]
    return list({job.device.arn: job for job in reversed(defined)}.values())


def _tasks(job: HybridJob) -> list[cloudwatch.IWidget]:
    name = job.device.arn.rpartition("/")[2]
    device = job.device
    metrics = {
        "tasks": device.metric_task_count(),
        "duration of tasks": device.metric_task_latency(),
    }
    return [
        cloudwatch.GraphWidget(title=f"{name}: {what}", left=[metric], width=_WIDTH // 2)
        for what, metric in metrics.items()
    ]


def _problems(scope: Construct, arguments: Mapping[str, object]) -> list[Issue]:
    faults = wrong_types(HybridJobDashboard.__init__, arguments)
    refused = argument_names(faults)
    usable = {
        name: () if any(each.startswith(name) for each in refused) else value
        for name, value in arguments.items()
    }
    jobs = cast("Sequence[IHybridJob]", usable["jobs"])
    names = cast("Sequence[str]", usable["algorithm_metrics"])
    found = [*_wrong_jobs(scope, jobs), *_wrong_names(names), *_too_many(jobs, names)]
    interval = usable["default_interval"]
    if isinstance(interval, Duration) and not interval.is_unresolved():
        found += _wrong_interval(interval)
    return [*faults, *without(found, [each.partition("[")[0] for each in refused])]


def _wrong_jobs(scope: Construct, jobs: Sequence[IHybridJob]) -> Iterator[Issue]:
    if not jobs:
        yield Issue("jobs", "is empty", "Use at least one job")
    for index, job in enumerate(jobs):
        yield from misplaced(f"jobs[{index}]", job, scope)
    yield from _nameless(jobs)


def _wrong_names(names: Sequence[str]) -> Iterator[Issue]:
    for name in names:
        if not is_unknown(name) and not _METRIC_NAME.fullmatch(name):
            rule = "is not a name that the SDK can read: letters, digits and underscores"
            fix = "Use the name that you pass to log_metric"
            yield Issue("algorithm_metrics", rule, fix, shorten(name))


def _too_many(jobs: Sequence[IHybridJob], names: Sequence[str]) -> Iterator[Issue]:
    widgets = 1 + 2 * len(_on_managed_devices(jobs)) + len(jobs) * (2 if names else 1)
    if widgets > _MOST_WIDGETS:
        rule = (
            f"are {len(jobs)}, which are {widgets} widgets; a dashboard has at most {_MOST_WIDGETS}"
        )
        yield Issue("jobs", rule, "Use several dashboards")


def _wrong_interval(interval: Duration) -> Iterator[Issue]:
    seconds = interval.to_seconds(integral=False)
    if seconds <= 0:
        rule = "expected more than 0 s"
        yield Issue("default_interval", rule, "Use Duration.hours(3)", f"{seconds:g} s")


def _nameless(jobs: Sequence[IHybridJob]) -> Iterator[Issue]:
    """Return an issue for each job without a known name, by which its logs are found."""
    for job in jobs:
        try:
            _ = job.job_name
        except ValidationError as error:
            yield Issue("jobs", str(error))
