"""A deployment that waits for its job, through several invocations of the handler."""

import json

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.scenarios import scenario

APP = ROOT / "tests/deploy/apps/patient"
LONG = 600


def _decisions(aws: LocalAws, stack: str) -> list[str]:
    """The decisions of the stack's handler, in order."""
    logs = boto3.client("logs", **aws.client_settings)
    prefix = f"{stack}-"
    [group] = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    name = group["logGroupName"]
    events = [
        event
        for stream in logs.describe_log_streams(logGroupName=name)["logStreams"]
        for event in logs.get_log_events(
            logGroupName=name, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]
    lines = [event["message"] for event in sorted(events, key=lambda event: event["timestamp"])]
    return [json.loads(line)["decision"] for line in lines if line.startswith('{"decision"')]


@scenario
def test_a_deployment_ends_when_its_job_completed(app: CdkApp, aws: LocalAws) -> None:
    stack = "WaitsLong"
    (outputs,) = app.deploy(stack_name=stack, seconds=45, wait=1800).values()
    assert outputs["JobStatus"] == "COMPLETED"
    decisions = _decisions(aws, stack)
    assert decisions.count("goes_on") >= 1, decisions
    assert decisions.count("started") == 1, decisions


@scenario
def test_a_job_that_fails_fails_its_deployment_with_the_reason(app: CdkApp, aws: LocalAws) -> None:
    del aws
    printed = app.fail_to_deploy(stack_name="WaitsForFailure", seconds=-1, wait=1800)
    said = " ".join(printed.split())
    assert "ended as FAILED: AlgorithmError: ValueError" in said
    assert "log group /aws/braket/jobs, log streams " in said
    assert ".console.aws.amazon.com/braket/home?region=" in said


# tests/unit/handler has the error; test_environments.py enforces permissions.
@pytest.mark.long
@scenario
def test_a_handler_that_may_not_run_itself_again_reports_it(app: CdkApp, aws: LocalAws) -> None:
    del aws
    printed = app.fail_to_deploy(stack_name="WaitsAlone", seconds=LONG, wait=1800, alone=1)
    reason = " ".join(printed.split())
    assert "The wait for the job could not continue: " in reason
    assert "Invoke: AccessDenied" in reason
    assert "action. Deploy again. (RequestId" in reason
