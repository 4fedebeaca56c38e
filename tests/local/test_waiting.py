"""A deployment that waits for its job, through several invocations of the handler.

The scenarios are played side by side, as most of their time is waiting.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import pytest

from cdk_braket_local.instance import LocalAws
from tests.local import environments
from tests.local.cdk import CdkApp
from tests.local.environments import ROOT

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

LONG = 600


def _decisions(logs: "CloudWatchLogsClient", stack: str) -> list[str]:
    """What the stack's handler decided, in order."""
    prefix = f"/aws/cloudformation/{stack}/"
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


def a_deployment_ends_when_its_job_completed(app: CdkApp, logs: "CloudWatchLogsClient") -> None:
    stack = "WaitsLong"
    (outputs,) = app.deploy(stack_name=stack, seconds=15, wait=120).values()
    assert outputs["JobStatus"] == "COMPLETED"
    decisions = _decisions(logs, stack)
    assert decisions.count("goes_on") >= 1, decisions
    assert decisions.count("started") == 1, decisions


def a_job_that_fails_fails_its_deployment_with_the_reason(
    app: CdkApp, logs: "CloudWatchLogsClient"
) -> None:
    del logs
    printed = app.fail_to_deploy(stack_name="WaitsForFailure", seconds=-1, wait=120)
    assert "ended as FAILED: AlgorithmError: ValueError" in " ".join(printed.split())


def a_handler_that_may_not_run_itself_again_says_so(
    app: CdkApp, logs: "CloudWatchLogsClient"
) -> None:
    del logs
    printed = app.fail_to_deploy(stack_name="WaitsAlone", seconds=LONG, wait=120, alone=1)
    assert "could not go on: Invoke: AccessDenied" in " ".join(printed.split())


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        a_deployment_ends_when_its_job_completed,
        a_job_that_fails_fails_its_deployment_with_the_reason,
        a_handler_that_may_not_run_itself_again_says_so,
    )
}


@pytest.fixture(scope="module")
def played(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Each scenario, on its way or over."""
    folder = ROOT / "tests/local/apps/patient"
    environment = environments.of_command(bootstrapped_aws)
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            name: pool.submit(
                scenario,
                CdkApp(folder, tmp_path_factory.mktemp("scenario"), environment),
                boto3.client("logs", **bootstrapped_aws.client_settings),
            )
            for name, scenario in SCENARIOS.items()
        }


@pytest.mark.parametrize("name", SCENARIOS)
def test_waiting(played: dict[str, Future[None]], name: str) -> None:
    played[name].result(timeout=240)
