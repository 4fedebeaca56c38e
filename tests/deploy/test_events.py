"""Rules on jobs, deployed: events of a job arrive, and so do replays of earlier ones."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import (
    CATCH_UP_TYPE,
    JOB_EVENT_SOURCE,
    RESULTS_FILE,
)
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments, impatient
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished
from tests.patience import PATIENCE

Message = Mapping[str, Any]


@pytest.fixture(scope="module")
def app(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> CdkApp:
    return CdkApp(
        ROOT / "tests/deploy/apps/events",
        tmp_path_factory.mktemp("events"),
        environments.of_command(bootstrapped_aws),
    )


@pytest.fixture(scope="module")
def outputs(bootstrapped_aws: LocalAws, app: CdkApp) -> Iterator[Mapping[str, str]]:
    """The deployed stack, in which one job failed after the deployment."""
    (outputs,) = app.deploy().values()
    bucket, _, key = outputs["ToldResults"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", **bootstrapped_aws.client_settings)
    told = key.removesuffix(RESULTS_FILE) + "end"
    s3.put_object(Bucket=bucket, Key=told, Body=b"now")
    for job in ("ToldJobArn", "EarlyJobArn"):
        assert finished(bootstrapped_aws, outputs[job])["status"] == "FAILED"
    yield outputs
    app.delete_stacks()


class _Inbox:
    """All messages of a queue."""

    def __init__(self, aws: LocalAws, url: str) -> None:
        self._sqs = boto3.client("sqs", **aws.client_settings)
        self._url = url
        self.messages: list[Message] = []

    def wait_for(self, wanted: Callable[[Message], bool], seconds: float = PATIENCE) -> Message:
        """The first message of that kind."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._receive(wait=1)
            for message in self.messages:
                if wanted(message):
                    return message
        raise AssertionError(f"only {self.messages}")

    def all(self) -> list[Message]:
        """Return the messages so far."""
        self._receive(wait=0)
        return self.messages

    def _receive(self, *, wait: int) -> None:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait
        )
        for message in answer.get("Messages", []):
            self.messages.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture(scope="module")
def inboxes(bootstrapped_aws: LocalAws, outputs: Mapping[str, str]) -> Mapping[str, _Inbox]:
    return {
        name: _Inbox(bootstrapped_aws, outputs[f"{name}Url"])
        for name in ("Sqs", "Sns", "Lambda", "Others")
    }


@pytest.mark.parametrize("queue", ["Sqs", "Lambda"])
def test_a_failure_arrives_as_the_event_of_the_service(
    queue: str, inboxes: Mapping[str, _Inbox], outputs: Mapping[str, str]
) -> None:
    arn = outputs["ToldJobArn"]
    message = inboxes[queue].wait_for(lambda each: each["detail"]["jobArn"] == arn)
    assert message["source"] == JOB_EVENT_SOURCE
    assert message["detail"]["status"] == "FAILED"


@pytest.mark.parametrize("queue", ["Sqs", "Lambda"])
def test_a_failure_arrives_that_was_there_before_the_rule(
    queue: str, inboxes: Mapping[str, _Inbox], outputs: Mapping[str, str]
) -> None:
    arn = outputs["EarlyJobArn"]
    message = inboxes[queue].wait_for(lambda each: each["detail"]["jobArn"] == arn)
    assert message["source"].startswith("cdk-braket.")
    assert message["detail"]["status"] == "FAILED"
    # One of its rules is for failures, and hears of no other rule's.
    sources = {m["source"] for m in inboxes[queue].all() if m["detail"]["jobArn"] == arn}
    assert sources == {message["source"]}


@pytest.mark.parametrize("job", ["ToldJobArn", "EarlyJobArn"])
def test_a_topic_receives_a_sentence_from_the_event_itself(
    job: str, inboxes: Mapping[str, _Inbox], outputs: Mapping[str, str]
) -> None:
    arn = outputs[job]
    message = inboxes["Sns"].wait_for(lambda each: arn in each["Message"])
    assert f"The hybrid job {arn} is FAILED. See https://" in message["Message"]


def test_rules_for_other_ends_receive_nothing(
    inboxes: Mapping[str, _Inbox], outputs: Mapping[str, str]
) -> None:
    arns = {outputs["ToldJobArn"], outputs["EarlyJobArn"]}
    for arn in arns:
        inboxes["Sqs"].wait_for(lambda each, arn=arn: each["detail"]["jobArn"] == arn)  # type: ignore[misc]
    assert inboxes["Others"].all() == []


def test_a_failure_is_counted_in_the_metric_of_the_alarm(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    settings = bootstrapped_aws.client_settings
    written = _metric_line(bootstrapped_aws, outputs["HandlerFunction"])
    cloudwatch = boto3.client("cloudwatch", **settings)
    # As CloudWatch does with what a function writes in this format; the local one does not.
    [directive] = written["_aws"]["CloudWatchMetrics"]
    [dimensions], [metric] = directive["Dimensions"], directive["Metrics"]
    cloudwatch.put_metric_data(
        Namespace=directive["Namespace"],
        MetricData=[
            {
                "MetricName": metric["Name"],
                "Unit": metric["Unit"],
                "Value": written[metric["Name"]],
                "Dimensions": [{"Name": name, "Value": written[name]} for name in dimensions],
            }
        ],
    )
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[outputs["AlarmName"]])["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"


def _metric_line(aws: LocalAws, function: str) -> Any:  # noqa: ANN401 - JSON
    """Return the line that the handler wrote about a failed job."""
    logs = boto3.client("logs", **aws.client_settings)
    configured = boto3.client("lambda", **aws.client_settings).get_function_configuration(
        FunctionName=function
    )
    group = configured["LoggingConfig"]["LogGroup"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        events = logs.filter_log_events(logGroupName=group)["events"]
        for event in events:
            if '"job_failed"' in event["message"]:
                return json.loads(event["message"])
        time.sleep(0.5)
    raise AssertionError("nothing was written")


def test_a_dashboard_shows_status_and_runtime(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    function, arns = outputs["BoardFunction"], [outputs["ToldJobArn"], outputs["EarlyJobArn"]]
    client = boto3.client("lambda", **bootstrapped_aws.client_settings)
    answer = client.invoke(FunctionName=function, Payload=json.dumps({"jobArns": arns}))
    shown = json.load(answer["Payload"])
    assert f"<td>{outputs['ToldJobName']}</td><td>FAILED</td>" in shown
    assert "no minimum was found" in shown
    # It is the first job's dashboard, and may not look at the other.
    assert f"<td>{outputs['EarlyJobArn']}</td><td>unknown</td>" in shown
    assert "AccessDeniedException" in shown


def test_the_queries_of_a_dashboard_find_the_output_of_a_script(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    settings = bootstrapped_aws.client_settings
    cloudwatch = boto3.client("cloudwatch", **settings)
    body = cloudwatch.get_dashboard(DashboardName=outputs["BoardName"])["DashboardBody"]
    queries = [
        each["properties"]["query"] for each in json.loads(body)["widgets"] if each["type"] == "log"
    ]
    metrics, lines = (_found(bootstrapped_aws, query) for query in queries)
    assert any("RuntimeError" in line for line in lines)
    [line] = metrics
    parsed = re.search(r"parse @message /(.+)/\n", queries[0])
    assert parsed is not None
    value = re.search(parsed[1].replace("(?<", "(?P<"), line)
    assert value is not None
    assert float(value["energy"]) == -1.125


def _found(aws: LocalAws, query: str) -> list[str]:
    """Return the lines that a query of a dashboard finds."""
    source, _, stages = query.partition(" | ")
    logs = boto3.client("logs", **aws.client_settings)
    started = logs.start_query(
        logGroupName=source.removeprefix("SOURCE ").strip("'"),
        startTime=0,
        endTime=int(time.time()) + 60,
        queryString=stages,
    )
    results = logs.get_query_results(queryId=started["queryId"])["results"]
    return [
        field["value"] for result in results for field in result if field["field"] == "@message"
    ]


# tests/ledger has the statement; tests/unit/handler has the error.
@pytest.mark.long
@pytest.mark.usefixtures("outputs")
def test_without_the_permission_to_put_events_the_deployment_fails_with_an_error_about_it(
    bootstrapped_aws: LocalAws, app: CdkApp
) -> None:
    template = json.loads((Path(app.scratch) / "cdk.out" / "Events.template.json").read_text())
    removed = _remove_action(template, "events:PutEvents")
    assert removed == 1
    impatient.shorten(template)
    # Under a new name, it tells its rule anew.
    catch_up = next(
        name for name, each in template["Resources"].items() if each["Type"] == CATCH_UP_TYPE
    )
    template["Resources"][f"{catch_up}Again"] = template["Resources"].pop(catch_up)
    cloudformation = boto3.client("cloudformation", **bootstrapped_aws.client_settings)
    cloudformation.update_stack(
        StackName="Events",
        # CloudFormation accepts 51,200 bytes in a call.
        TemplateBody=json.dumps(template, separators=(",", ":")),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    with pytest.raises(Exception, match="UpdateComplete"):
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName="Events", WaiterConfig={"Delay": 1, "MaxAttempts": 900}
        )
    reasons = [
        str(event.get("ResourceStatusReason"))
        for event in cloudformation.describe_stack_events(StackName="Events")["StackEvents"]
    ]
    # The handler's time ends before its patience with IAM does, so the reason has no advice.
    denied = [reason for reason in reasons if "PutEvents" in reason and "AccessDenied" in reason]
    assert denied, [reason for reason in reasons if reason]


def _remove_action(template: dict[str, Any], action: str) -> int:
    removed = 0
    for resource in template["Resources"].values():
        document = resource.get("Properties", {}).get("PolicyDocument", {})
        statements = document.get("Statement", [])
        kept = [each for each in statements if each.get("Action") != action]
        removed += len(statements) - len(kept)
        if kept != statements:
            document["Statement"] = kept
    return removed
