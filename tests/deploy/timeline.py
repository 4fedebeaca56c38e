"""The timeline of a deployment, from the events of CloudFormation, the handler and the job.

docs/pictures/timeline.json is the timeline of one deployment, and its picture is drawn from it. To
record it again, run the test with CDK_BRAKET_RECORD=1.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from cdk_braket_local.control.instance import LocalAws

FILE = Path(__file__).resolve().parents[2] / "docs/pictures/timeline.json"
RECORD = "CDK_BRAKET_RECORD"


def check(aws: LocalAws, stack: str, job_arn: str, killed_at: float) -> None:
    """Compare the timeline of a deployment, whose handler was killed once, with the recorded one.

    Times differ from run to run. So the rows, states and texts are compared, in their order.
    """
    spans = list(_spans(aws, stack, job_arn, killed_at))
    if os.environ.get(RECORD):
        FILE.write_text(json.dumps({"spans": spans}, indent=1) + "\n", encoding="utf-8")
    recorded = json.loads(FILE.read_text(encoding="utf-8"))["spans"]
    assert _kinds(spans) == _kinds(recorded)
    assert all(span["from"] <= span["to"] for span in spans)


def _kinds(spans: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(span["row"], span["state"], span["text"]) for span in spans]


def _spans(aws: LocalAws, stack: str, job_arn: str, killed_at: float) -> Iterator[dict[str, Any]]:
    statuses = dict(_statuses(aws, stack))
    begin, end = statuses["CREATE_IN_PROGRESS"], statuses["CREATE_COMPLETE"]
    job = boto3.client("braket", **aws.client_settings).get_job(jobArn=job_arn)
    decisions = [(at, name) for at, name in _decisions(aws, stack) if at <= end + 1]
    after = [(at, name) for at, name in decisions if at > killed_at]
    attempt = after[0][0]
    created = job["createdAt"].timestamp()

    def span(row: str, start: float, stop: float, state: str, text: str) -> dict[str, Any]:
        seconds = {"from": round(start - begin, 2), "to": round(max(start, stop) - begin, 2)}
        return {"row": row, **seconds, "state": state, "text": text}

    yield span("CloudFormation", begin, end, "done", "creates the resource of the job")
    yield span("handler", begin, killed_at, "failed", "starts the job, and is killed")
    yield span("Lambda", killed_at, attempt, "waiting", "retries the event")
    names = ", ".join(name for _, name in after)
    yield span("handler", attempt, end, "done", f"finds the job ({names})")
    yield span("Amazon Braket", created, end, "running", "one job")


def _statuses(aws: LocalAws, stack: str) -> Iterator[tuple[str, float]]:
    """The statuses of the job's resource, and when each began."""
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
        if event.get("ResourceType") == "Custom::BraketHybridJob":
            yield event["ResourceStatus"], event["Timestamp"].timestamp()


def _decisions(aws: LocalAws, stack: str) -> Iterator[tuple[float, str]]:
    """The decisions that the handler logged, and when."""
    logs = boto3.client("logs", **aws.client_settings)
    names = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    [group] = [name for name in names if f"{stack}-BraketHybridJob" in name]
    events = logs.filter_log_events(logGroupName=group)["events"]
    for event in sorted(events, key=lambda each: each["timestamp"]):
        if event["message"].startswith("{"):
            at = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone().timestamp()
            yield at, json.loads(event["message"])["decision"]
