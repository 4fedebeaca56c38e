"""Alarms, metrics and dashboards of jobs."""

import json
from typing import cast

import pytest
from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDashboard,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs import contract
from tests.synth.support import (
    ACCOUNT,
    REGION,
    Json,
    allowed,
    argument_of,
    image_job,
    new_stack,
    only,
    resources,
    text,
)

_ALARM = "AWS::CloudWatch::Alarm"
_DASHBOARD = "AWS::CloudWatch::Dashboard"
_ARN = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"
_JOB_ARN = {"Fn::GetAtt": ["JobB9D00F9F", "JobArn"]}


def _sv1(stack: Stack, id: str = "Job") -> HybridJob:
    return HybridJob(stack, id, image=ContainerImage.base(), device=Device.AMAZON_SV1)


def _body(stack: Stack) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(text(only(stack, _DASHBOARD)["DashboardBody"])))


def _widgets(stack: Stack, type: str) -> list[Json]:
    widgets = cast("list[Json]", _body(stack)["widgets"])
    return [cast("Json", each["properties"]) for each in widgets if each["type"] == type]


def test_an_alarm_waits_for_the_metric_that_the_handler_writes() -> None:
    stack = new_stack()
    image_job(stack).alarm_on_failure("Failed")
    alarm = only(stack, _ALARM)
    assert (alarm["Namespace"], alarm["MetricName"]) == ("CdkBraket", contract.FAILED_JOBS)
    assert alarm["Dimensions"] == [{"Name": "JobArn", "Value": _JOB_ARN}]
    assert (alarm["Threshold"], alarm["Statistic"]) == (1, "Sum")
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmDescription"] == "The hybrid job Stack/Job failed"


def test_the_handler_receives_failures_and_no_other_ends() -> None:
    stack = new_stack()
    image_job(stack).alarm_on_failure("Failed")
    rule = only(stack, "AWS::Events::Rule")
    assert cast("Json", cast("Json", rule["EventPattern"])["detail"])["status"] == ["FAILED"]
    [target] = cast("list[Json]", rule["Targets"])
    permission = only(stack, "AWS::Lambda::Permission")
    assert permission["FunctionName"] == target["Arn"]
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceAccount"] == ACCOUNT
    assert text(permission["SourceArn"]).endswith(f":events:{REGION}:{ACCOUNT}:rule/*")


def test_a_failure_before_the_alarm_is_replayed() -> None:
    stack = new_stack()
    image_job(stack).alarm_on_failure("Failed")
    [catch_up] = resources(stack, contract.CATCH_UP_TYPE).values()
    needed = {*resources(stack, _ALARM), *resources(stack, "AWS::Lambda::Permission")}
    assert needed <= set(cast("list[str]", catch_up["DependsOn"]))


def test_an_alarm_can_be_in_the_stack_of_its_action() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    owner, reader = Stack(app, "Owner", env=env), Stack(app, "Reader", env=env)
    job = image_job(owner)
    topic = sns.Topic(reader, "Topic", display_name=job.job_name)
    alarm = job.alarm_on_failure("Failed", cross_stack_scope=reader, alarm_name="vqe-failed")
    alarm.add_alarm_action(actions.SnsAction(topic))
    app.synth()
    assert only(reader, _ALARM)["AlarmName"] == "vqe-failed"
    Template.from_stack(owner).resource_count_is(_ALARM, 0)


def test_an_alarm_on_a_job_without_events_is_refused() -> None:
    stack = new_stack()
    other = HybridJob.from_hybrid_job_arn(stack, "Other", _ARN)
    with pytest.raises(ValidationError, match=r"\[Stack/Other/Failed\] alarm_on_failure"):
        other.alarm_on_failure("Failed")
    assert stack.node.find_child("Other").node.children == []


def test_tasks_are_counted_and_timed_by_device() -> None:
    device = Device.AMAZON_SV1
    count, latency = device.metric_task_count(), device.metric_task_latency()
    assert (count.namespace, latency.namespace) == ("AWS/Braket", "AWS/Braket")
    assert (count.metric_name, latency.metric_name) == ("Count", "Latency")
    assert count.dimensions == latency.dimensions == {"deviceArn": Device.AMAZON_SV1.arn}
    assert (count.statistic, latency.statistic) == ("Sum", "Average")


def test_any_metric_of_a_device_has_the_options_of_cloudwatch() -> None:
    metric = Device.IQM_GARNET.metric(
        "Count", statistic="p90", period=Duration.seconds(30), label="Tasks", color="#1f77b4"
    )
    assert metric.dimensions == {"deviceArn": Device.IQM_GARNET.arn}
    assert (metric.statistic, metric.label, metric.color) == ("p90", "Tasks", "#1f77b4")
    assert metric.period.to_seconds() == 30


def test_an_embedded_simulator_has_no_metrics() -> None:
    with pytest.raises(ValidationError, match="no metrics are published") as caught:
        Device.local("braket/default").metric_task_count(period=Duration.seconds(90))
    assert [argument_of(text) for text in caught.value.problems] == ["device", "period"]


@pytest.mark.parametrize("seconds", [0.0005, 1.001])
def test_a_period_that_is_no_whole_number_of_milliseconds_is_refused(seconds: float) -> None:
    with pytest.raises(ValidationError, match=f"period: expected .* got {seconds} s"):
        Device.AMAZON_SV1.metric_task_count(period=Duration.seconds(seconds))


def test_a_dashboard_shows_jobs_in_one_table_by_their_arns() -> None:
    stack = new_stack()
    jobs = [image_job(stack), image_job(stack, "Second")]
    HybridJobDashboard(stack, "Board", jobs=jobs, dashboard_name="vqe")
    [table] = _widgets(stack, "custom")
    arns = cast("Json", table["params"])[contract.JOB_ARNS]
    assert arns == [text(stack.resolve(job.job_arn)) for job in jobs]
    assert only(stack, _DASHBOARD)["DashboardName"] == "vqe"
    assert _widgets(stack, "metric") == []


def test_its_function_may_read_these_jobs_and_no_others() -> None:
    stack = new_stack()
    HybridJobDashboard(stack, "Board", jobs=[image_job(stack)])
    tells = ("logs:", "xray:")
    looks = {pair for pair in allowed(stack, "BoardRole") if not pair[0].startswith(tells)}
    assert looks == {("braket:GetJob", text(_JOB_ARN))}
    functions = resources(stack, "AWS::Lambda::Function")
    [function] = [each for name, each in functions.items() if name.startswith("Board")]
    properties = cast("Json", function["Properties"])
    assert properties["Handler"] == "braket_jobs.dashboard.index.handler"


def test_a_dashboard_shows_algorithm_metrics_and_the_logs_of_each_job() -> None:
    stack = new_stack()
    job = image_job(stack)
    HybridJobDashboard(stack, "Board", jobs=[job], algorithm_metrics=["energy", "step_2"])
    metrics, log = (str(each["query"]) for each in _widgets(stack, "log"))
    stream = rf"filter @logStream like /^{text(stack.resolve(job.job_name))}\//"
    for query in (metrics, log):
        assert query.startswith("SOURCE '/aws/braket/jobs' | fields @timestamp, @message")
        assert stream in query
    assert "(?<energy>" in metrics
    assert metrics.endswith("| stats avg(energy), avg(step_2) by bin(10s)")


def test_a_dashboard_shows_each_managed_device_once() -> None:
    stack = new_stack()
    jobs = [_sv1(stack), _sv1(stack, "Second"), image_job(stack, "Third")]
    HybridJobDashboard(stack, "Board", jobs=jobs)
    titles = [each["title"] for each in _widgets(stack, "metric")]
    assert titles == ["sv1: tasks", "sv1: duration of tasks"]


def test_a_dashboard_creates_no_log_group_of_the_service() -> None:
    stack = new_stack()
    HybridJobDashboard(stack, "Board", jobs=[image_job(stack)], algorithm_metrics=["energy"])
    groups = resources(stack, "AWS::Logs::LogGroup").values()
    assert all("LogGroupName" not in cast("Json", each["Properties"]) for each in groups)


def test_a_dashboard_that_could_not_be_is_refused() -> None:
    stack = new_stack()
    job = HybridJob.from_hybrid_job_attributes(stack, "Job", job_arn=_ARN, job_name="vqe")
    with pytest.raises(ValidationError, match="jobs: is empty"):
        HybridJobDashboard(stack, "Board", jobs=[])
    with pytest.raises(ValidationError, match="is not a name that the SDK can read") as caught:
        HybridJobDashboard(stack, "Board", jobs=[job] * 300, algorithm_metrics=["energy per site"])
    assert "601 widgets" in caught.value.problems[1]
    arn_only = HybridJob.from_hybrid_job_arn(stack, "Other", _ARN)
    with pytest.raises(ValidationError, match=r"jobs: \[Stack/Other\] job_name"):
        HybridJobDashboard(stack, "Board", jobs=[arn_only])
    assert stack.node.try_find_child("Board") is None


def test_jobs_of_other_apps_can_be_shown() -> None:
    stack = new_stack()
    job = HybridJob.from_hybrid_job_attributes(stack, "Job", job_arn=_ARN, job_name="vqe")
    HybridJobDashboard(stack, "Board", jobs=[job])
    [log] = _widgets(stack, "log")
    assert log["title"] == "vqe: log"
